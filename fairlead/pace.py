"""Long work on the event loop takes turns with everything else there."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, ClassVar, Final

SLICE: Final = 0.002
"""Seconds of work at a stretch: with what streams do in the same round of the loop it is not five milliseconds."""


# So many objects are freed between two looks at the clock.
_FREED: Final = 256
_DEFERRED: Final = 0.005


class Pace:
    """Tells a long piece of work when it is somebody else's turn."""

    shared: ClassVar = 0.0
    """Seconds that all paces together have worked before everything else had its turn, within their budgets."""

    def __init__(self, budget: float = SLICE) -> None:
        self._budget = budget
        self._until = perf_counter() + budget

    @property
    def is_due(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter() >= self._until

    async def rest(self) -> None:
        """Let everything else on the loop run once, and start the next slice."""
        Pace.shared += self._budget - max(0.0, self._until - perf_counter())
        await asyncio.sleep(0)
        self._until = perf_counter() + self._budget

    async def drop(self, items: list[Any]) -> None:
        """Empty a list in turns: of what nobody else refers to, all would be freed at a stretch when it goes."""
        while items:
            del items[-_FREED:]
            await self.rest_if_due()

    async def rest_if_due(self) -> None:
        """``rest`` if the slice is used up."""
        if self.is_due:
            await self.rest()


class Later:
    """What nobody waits for, such as writing to the log: done when everything that is due has had its turn.

    A thousand proxies that leave at once are a thousand lines: they are written in slices, in order.
    """

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Do this later; to be called on the event loop."""
        self._work.append(work)
        self._schedule()

    def finish(self) -> None:
        """Do what is left now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._work:
            self._work.popleft()()

    def _schedule(self) -> None:
        if self._timer is None and self._work:
            self._timer = asyncio.get_running_loop().call_later(_DEFERRED, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        pace = Pace()
        try:
            while self._work and not pace.is_due:
                self._work.popleft()()
        finally:
            self._schedule()
