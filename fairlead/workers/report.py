"""What a worker tells whoever started it: one line of JSON on its standard output for each step of its start."""

import msgspec


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Where the worker's own admin pages are, and whether it serves proxies."""

    admin_port: int
    ready: bool = False
