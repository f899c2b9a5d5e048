"""Network filters: what a filter chain does with a connection."""
