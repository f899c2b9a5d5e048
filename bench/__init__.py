"""Benchmarks of Fairlead's push path: ``python -m bench`` prints a table for each question."""
