"""A server that has its hands full sends each client less often, and more at once.

When endpoints change faster than all clients can be told, whoever acknowledges is due again at once. The server is busy
without a break then, and a change waits for its turn just as long as it would if every client waited between two
changes instead. So they do, as long as it takes for the event loop to have some room; nobody does otherwise. Who loses
endpoints is told at once, unless the last loss was just told.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Final, Protocol

# Seconds over which it is measured how busy the loop is; longer ago, and it does not matter any more.
_WINDOW: Final = 0.05
_STALE: Final = 0.25
# The share of the time that the loop computes: above the first, clients wait longer; below the second, less long.
_BUSY: Final = 0.75
_ROOM: Final = 0.67
# Seconds between two changes of endpoints: by how much it grows and shrinks, and its limit.
_STEP: Final = 0.01
_LONGEST: Final = 0.12
_LOOK: Final = 0.005


class Patient(Protocol):
    """A stream that waits."""

    def resume(self) -> None:
        """Go on."""


class Restraint:
    """How long clients wait between two changes of endpoints (``pause``, in seconds), and who does.

    ``clock`` tells the time and ``used`` how much of it the calling thread has computed, both in seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter, used: Callable[[], float] = thread_time) -> None:
        self.pause = 0.0
        self._clock = clock
        self._used = used
        self._since = 0.0
        self._cpu = 0.0
        # In the order in which their time comes, nearly: the pause changes slowly.
        self._waiting: deque[tuple[float, Patient]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def note(self) -> None:
        """Look how busy the loop is; to be called in every round of it in which the server does anything."""
        now = self._clock()
        took = now - self._since
        if took < _WINDOW:
            return
        cpu = self._used()
        if took > _STALE:
            self.pause = 0.0
        else:
            share = (cpu - self._cpu) / took
            if share > _BUSY:
                self.pause = min(_LONGEST, self.pause + _STEP)
            elif share < _ROOM:
                self.pause = max(0.0, self.pause - _STEP)
        self._since, self._cpu = now, cpu

    def hold(self, patient: Patient, until: float) -> None:
        """Have somebody wait until then, of the event loop's time."""
        self._waiting.append((until, patient))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting and (self._waiting[0][0] <= now or not self.pause):
            _, patient = self._waiting.popleft()
            patient.resume()
        self._timer = loop.call_later(_LOOK, self._look) if self._waiting else None
