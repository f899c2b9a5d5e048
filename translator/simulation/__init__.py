"""What a proxy would do with a connection or a request: its generated resources, walked through as Envoy does."""
