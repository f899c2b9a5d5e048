"""Endpoint assignments: which addresses serve a cluster, in which localities, at which priority and weight."""
