"""What a part of a run cost the control plane, and what its event loop went through."""

from time import monotonic
from typing import NamedTuple

import msgspec

from fairlead.bench.result import Figure, Held
from fairlead.bench.subject import Subject
from fairlead.bench.usage import Usage


class LoopReport(NamedTuple):
    """What the watchdog of the control plane tells: its figures, and the newest blocks that it computed itself."""

    figures: list[Figure]
    held: list[Held]


class Gauge:
    """Measures from its construction on."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._started = monotonic()
        self._before: Usage | None = subject.usage()

    @property
    def elapsed(self) -> float:
        """Seconds since the construction."""
        return monotonic() - self._started

    def figures(self) -> list[Figure]:
        """Processor time and memory; nothing of a process that cannot be seen."""
        now = self._subject.usage()
        if now is None or self._before is None:
            return []
        return [
            Figure("server: processor time", (now.cpu - self._before.cpu) / self.elapsed, "cores"),
            Figure("server: memory now", now.memory, "MB"),
            Figure("server: memory, the most ever", now.peak, "MB"),
        ]

    async def loop(self) -> LoopReport:
        """How long the event loop of our own control plane was held up since it started, and by what."""
        loop = await self._subject.loop()
        longest = loop.get("longest") or {}
        if not loop:
            return LoopReport([], [])
        figures = [
            Figure("server: loop held up over 5 ms", float(loop["late"]), "times"),
            Figure("server: of these, by what it computed itself", float(loop["computing"]), "times"),
            Figure("server: loop's longest block", float(longest.get("ms", 0.0)), "ms"),
        ]
        held = [msgspec.convert(each, Held) for each in loop["blocks"]]
        return LoopReport(figures, [each for each in held if each.cpu_ms >= loop["blocked_from_ms"]])
