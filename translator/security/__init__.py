"""Mesh security: TLS between proxies that show each other certificates of the mesh."""
