"""HTTP filters: what a connection manager does with a request before it is routed."""
