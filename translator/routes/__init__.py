"""Route tables: where an HTTP request goes, by host, path and headers."""
