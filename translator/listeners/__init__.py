"""Listeners: the sockets of a proxy and the filter chains behind them."""
