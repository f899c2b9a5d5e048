"""Streams that come in a crowd are answered first, all of them, before any of them gets more.

After a restart of the server a thousand clients come at once. Each asks for more as soon as it has its first answer,
and would have everything before the last one has anything: gRPC takes in one call in a round of the loop, at the most.
"""

import asyncio
from collections import deque
from collections.abc import Sized
from typing import Final, Protocol

# So many streams within so many seconds are a crowd.
_CROWD: Final = 5
_WITHIN: Final = 0.04
# For so many seconds from its beginning a stream gives way to others.
_PATIENCE: Final = 1.5
_LOOK: Final = 0.01
# Half a megabyte that is written is held twice until gRPC says that it was sent: so many go on at once.
_MOST_WRITES: Final = 64


class Newcomer(Protocol):
    """A stream that gives way to others."""

    @property
    def is_held(self) -> bool:
        """Whether it still does; whoever has something that cannot wait goes on before the time."""

    def release(self) -> None:
        """Go on."""


class Arrivals:
    """Knows who comes, and holds back those who have just come themselves; nobody who was there before.

    ``writes`` are those that are under way; a stream gives way for ``patience`` seconds at the most.
    """

    def __init__(self, writes: Sized, patience: float = _PATIENCE) -> None:
        self._writes = writes
        self.patience = patience
        self._newest: deque[float] = deque(maxlen=_CROWD)
        # Until when they wait at the most: in the order in which they came to wait, and nearly in that of the times.
        self._held: deque[tuple[float, Newcomer]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, now: float) -> None:
        """A stream has come; ``now`` is the event loop's time."""
        self._newest.append(now)

    def is_crowd(self, now: float) -> bool:
        """Whether so many come that they are to be answered first."""
        return len(self._newest) == _CROWD and now - self._newest[0] < _WITHIN

    def must_wait(self, came: float, now: float) -> bool:
        """Whether a stream that ``came`` then has to let others go first: those of a crowd, and who waits already."""
        return now < came + self.patience and (bool(self._held) or self.is_crowd(now))

    def hold(self, newcomer: Newcomer, came: float) -> None:
        """Such a stream gives way from now on; it is released when it may go on."""
        self._held.append((came + self.patience, newcomer))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        room = 0 if self.is_crowd(now) else _MOST_WRITES - len(self._writes)
        while self._held:
            until, newcomer = self._held[0]
            if newcomer.is_held:
                if room <= 0 and until > now:
                    break
                newcomer.release()
                room -= 1
            self._held.popleft()
        self._timer = loop.call_later(_LOOK, self._look) if self._held else None
