"""How much clients may ask for, and the admission of new streams."""

from dataclasses import dataclass

from xds.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server; the defaults are generous for a fleet of thousands.

    ``streams`` at a time; ``streams_per_second`` admitted on average (None: any number), with bursts of
    as many; a stream that would have to wait longer than ``admission_wait`` seconds is refused.
    ``request_bytes`` for one message; ``names`` that one stream may subscribe to, of one type.
    """

    streams: int = 100_000
    streams_per_second: float | None = None
    admission_wait: float = 1.0
    request_bytes: int = 16 * 1024 * 1024
    names: int = 100_000


class Admission:
    """Admits streams within the limits. Like everything else here it is told the time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._next = 0.0

    def reserve(self, streams: int, now: float) -> float:
        """How many seconds a new stream has to wait, with ``streams`` open; raises LimitExceeded to refuse it."""
        limits = self._limits
        if streams >= limits.streams:
            raise LimitExceeded(f"the server has its {limits.streams} streams")
        if limits.streams_per_second is None:
            return 0.0
        # A bucket that holds one second's worth, or one stream: each is due `interval` after the one before it.
        interval = 1.0 / limits.streams_per_second
        due = max(self._next, now - max(0.0, 1.0 - interval))
        if due - now > limits.admission_wait:
            raise LimitExceeded(f"more than {limits.streams_per_second:g} new streams per second")
        self._next = due + interval
        return max(0.0, due - now)
