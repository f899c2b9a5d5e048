"""What a source hands over: writes that belong together, and since when it knew of them."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fairlead.finding import Finding
from translator.store import Write


class Batch(NamedTuple):
    """Writes to be applied together. ``received`` is when the first of them was noticed (``time.perf_counter``).

    ``findings`` is all that is wrong with what the source holds now, None if that is the same as before.
    """

    writes: list[Write]
    received: float
    findings: tuple[Finding, ...] | None = None


Sink = Callable[[Batch], Awaitable[None]]
