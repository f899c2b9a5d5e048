"""The control plane: command line, sources, pusher, admin pages.

The only package that imports both ``xds`` and ``translator``.
"""
