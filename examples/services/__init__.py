"""Small sample services to put behind Envoys: an httpbin-like one, a TCP echo, and the four of bookinfo.

Each runs as a program of its own (``python -m``), and any number of them run inside one event loop.
"""
