"""Where traffic ends, and by which steps it comes there."""

from enum import StrEnum

import msgspec


class Ending(StrEnum):
    """The ways in which traffic can end at a proxy."""

    FORWARDED = "forwarded"
    """It goes on to an endpoint of a cluster."""
    ANSWERED = "answered"
    """The proxy answers itself."""
    CLOSED = "closed"
    """The connection is closed without an answer."""
    REFUSED = "refused"
    """Nothing listens."""


class Step(msgspec.Struct, frozen=True):
    """One decision on the way: about what (``listener``, ``route``, ...), what was found, and why."""

    what: str
    found: str
    reason: str = ""


class Upstream(msgspec.Struct, frozen=True):
    """Where a request or connection goes on to. A request arrives with ``host`` and ``path``.

    ``endpoints`` are those that can get it (``ip:port``); ``mirrors`` are clusters that get a copy.
    """

    cluster: str
    endpoints: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    mirrors: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One end that traffic can come to, and in which share of cases it does (1: always).

    ``flag`` is the response flag that Envoy logs: NR, NC, UH, ... ``delay`` are seconds added by a fault.
    """

    ending: Ending
    share: float = 1.0
    status: int | None = None
    flag: str = ""
    location: str = ""
    body: bytes = b""
    delay: float = 0.0
    upstream: Upstream | None = None
    steps: tuple[Step, ...] = ()
