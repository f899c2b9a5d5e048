"""How busy the processes of the simulated proxies are: what they cannot do faster, no control plane seems to."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from fairlead.bench.fleet import Fleet
from fairlead.bench.result import Figure
from fairlead.bench.usage import processor_seconds

_SATURATED: Final = 0.9


class ClientClock:
    """Their processor time in the parts of a run that are measured, and how long these took."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.restart()

    def restart(self) -> None:
        """Forget what was until now."""
        self._busy = [0.0] * len(self._fleet.pids)
        self._seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """A part that is measured."""
        before, started = self._times(), monotonic()
        yield
        self._seconds += monotonic() - started
        self._busy = [busy + now - then for busy, then, now in zip(self._busy, before, self._times(), strict=True)]

    def figures(self) -> list[Figure]:
        """Of all processes together, and of the busiest; nothing where that cannot be told."""
        if not any(self._busy):
            return []
        return [
            Figure("clients: processor time", sum(self._busy) / self._seconds, "cores"),
            Figure("clients: processor time of the busiest process", self._busiest, "cores"),
        ]

    def warnings(self) -> list[str]:
        """What to know about the result before it is believed."""
        if self._busiest < _SATURATED:
            return []
        busy = f"a process of simulated proxies was busy for {self._busiest:.0%} of the measured time"
        limit = "latencies may be its own limit, and ratios between servers too small"
        return [f"{busy}: {limit}; take more --processes (and cores), or fewer proxies"]

    @property
    def _busiest(self) -> float:
        return max(self._busy) / self._seconds if self._seconds else 0.0

    def _times(self) -> list[float]:
        return [processor_seconds(pid) for pid in self._fleet.pids]
