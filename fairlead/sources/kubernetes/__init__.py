"""Kubernetes clusters as the source of the mesh: informers over the API server, written for one event loop."""
