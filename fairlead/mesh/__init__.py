"""Stand-in meshes on one machine: real Envoys and a real control plane, with loopback addresses for pods.

The demo and the end-to-end tests are built on it. It needs Linux: the whole of 127.0.0.0/8 is local there.
"""
