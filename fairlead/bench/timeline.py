"""Throughput over time."""

from time import monotonic
from typing import Final

from fairlead.bench.fleet import Fleet
from fairlead.bench.messages import Totals
from fairlead.bench.result import Second

_STEP: Final = 1.0


class Timeline:
    """What was received in each second; tell it of changes with ``note``."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._started = self._since = monotonic()
        self._changes = 0
        self._before: Totals | None = None
        self.seconds: list[Second] = []

    async def note(self, changes: int) -> None:
        """So many changes were made; asks the proxies at most once per second."""
        self._changes += changes
        now = monotonic()
        if self._before is not None and now - self._since < _STEP:
            return
        totals = await self._fleet.totals()
        if self._before is not None:
            responses, size = totals.responses - self._before.responses, totals.bytes - self._before.bytes
            self.seconds.append(Second(now - self._started, self._changes, responses, size))
            self._changes = 0
        self._before, self._since = totals, now
