"""Streams take turns: a change that wakes a thousand of them at once must not hold up the event loop.

What is woken in one round of the loop runs in the next, all of it before anything else gets a chance: the other
streams' acknowledgements, timers, sources. So only some are woken in each round, as many as have turned out to
take a few milliseconds together; the others follow in the rounds after it. The urgent ones overtake, but not without
end: whoever waits gets on, however many of them come.
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import Final

from xds.urgency import Urgency

# Seconds that a round should take at the most, whoever runs in it, and at the least as long as somebody waits.
_LONG: Final = 0.003
_SHORT: Final = 0.0015
_FIRST: Final = 8
# The first ones after a quiet time take three times as long as those that follow, 0.25 ms each.
_MOST: Final = 16
# Seconds after which whoever begins something in a round leaves it to a later one.
_FULL: Final = 0.0015
# So many may overtake in a row whoever waits the longest for something less urgent.
_MOST_OVERTAKING: Final = 7


class _Line:
    """Those who wait for equally urgent things, and how many have overtaken the first of them.

    ``returned`` are those whose turn came in a round that was full: they were before all others, and will be.
    """

    __slots__ = ("overtaken", "returned", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[asyncio.Future[None]] = deque()
        self.returned: list[asyncio.Future[None]] = []
        self.overtaken = 0

    def close_up(self) -> bool:
        """Have those who returned wait before the others, when all who were awake have run; whether anybody waits."""
        if self.returned:
            self.waiters.extendleft(reversed(self.returned))
            self.returned.clear()
        return bool(self.waiters)


class Turns:
    """Ends waits, so many in each round of the event loop that it stays responsive.

    ``first``: so many at once as long as it is not known how long one takes.
    """

    def __init__(self, first: int = _FIRST) -> None:
        # The most urgent ones first.
        self._lines = tuple(_Line() for _ in Urgency)
        self._at_once = self._left = first
        # When this round began, and whether somebody waited then.
        self._since = 0.0
        self._is_crowded = False
        # When the first of those who take turns began in this round; None: nobody has.
        self._began: float | None = None
        # Whether the next round is looked out for, and anybody has done something since this one began.
        self._is_looking = False
        self._is_used = False

    def is_full(self) -> bool:
        """Whether so much has been done in this round of the loop that what is begun now should ``wait``.

        What gRPC has read and written since the round before ends waits in one piece, with no regard for how many.
        """
        self._use()
        now = perf_counter()
        if self._began is None:
            # Whatever else goes on in a round, somebody has to get on.
            self._began = now
        return now - self._began > _FULL

    async def wait(self, urgency: Urgency = Urgency.REST) -> None:
        """Wait for a later round that is not full."""
        loop = asyncio.get_running_loop()
        again = False
        while True:
            waiter = loop.create_future()
            self.give(waiter, urgency, again=again)
            await waiter
            if not self.is_full():
                return
            again = True

    def give(self, waiter: asyncio.Future[None], urgency: Urgency = Urgency.REST, *, again: bool = False) -> None:
        """End this wait: at once, or in a later round if enough others are awake.

        Equally urgent ones come in the order in which they were given; a wait that is queued can be given again as
        more urgent. ``again``: for somebody whose turn it is and who found the round full; he does not lose his place.
        """
        if waiter.done():
            # Given up, by a stream that is ending, or awake already.
            return
        self._use()
        if self._left:
            self._left -= 1
            waiter.set_result(None)
        else:
            line = self._lines[urgency]
            (line.returned if again else line.waiters).append(waiter)

    def _use(self) -> None:
        self._is_used = True
        if not self._is_looking:
            self._is_looking = True
            self._since = perf_counter()
            asyncio.get_running_loop().call_soon(self._open_round)

    def _open_round(self) -> None:
        """Runs once in every round, after those whom it woke in the one before."""
        waiting = [line for line in self._lines if line.close_up()]
        loop, now = asyncio.get_running_loop(), perf_counter()
        self._is_looking = self._is_used or bool(waiting)
        if self._is_crowded:
            self._adapt(now - self._since)
        self._since, self._is_crowded, self._is_used, self._began = now, bool(waiting), False, None
        self._left = self._at_once
        if waiting:
            # Runs just before them.
            loop.call_soon(self._begin)
        if len(waiting) == 1:
            self._wake(waiting[0].waiters)
        while self._left and (waiter := self._next_waiter()) is not None:
            waiter.set_result(None)
            self._left -= 1
        if self._is_looking:
            # Last, so that whoever returns then can be woken before anybody else is.
            loop.call_soon(self._open_round)

    def _begin(self) -> None:
        self._began = perf_counter()

    def _wake(self, waiters: deque[asyncio.Future[None]]) -> None:
        """As many as there is room for, where nobody can overtake them."""
        while waiters and self._left:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._left -= 1

    def _next_waiter(self) -> asyncio.Future[None] | None:
        """Whose turn it is: the first of the most urgent ones, but for somebody whom too many have overtaken."""
        chosen: _Line | None = None
        for line in self._lines:
            waiters = line.waiters
            # Whoever was cancelled meanwhile, or has been in two lines, waits no more.
            while waiters and waiters[0].done():
                waiters.popleft()
            if waiters and (chosen is None or line.overtaken >= _MOST_OVERTAKING):
                chosen = line
            elif waiters:
                line.overtaken += 1
        if chosen is None:
            return None
        chosen.overtaken = 0
        return chosen.waiters.popleft()

    def _adapt(self, took: float) -> None:
        if took > _LONG:
            self._at_once = max(1, self._at_once // 2)
        elif took < _SHORT:
            self._at_once = min(_MOST, self._at_once + self._at_once // 2 + 1)
