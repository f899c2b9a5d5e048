"""Mesh objects in, Envoy resources out: pure functions over a store, without sockets, clock or event loop."""
