"""Telemetry: what proxies record about the traffic that they carry."""
