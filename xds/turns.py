"""Streams take turns: a change that wakes a thousand of them at once must not hold up the event loop.

What is ready in one round of the loop runs in it, all of it before anything else gets a chance: the other streams'
acknowledgements, timers, sources. So only some have a turn in each round, as many as take a few milliseconds together;
the others follow in the rounds after it. The urgent ones overtake, but not without end: whoever waits gets on, however
many of them come.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

from xds.urgency import Urgency

# Seconds after which whoever begins something in a round leaves it to a later one.
_FULL: Final = 0.0015
# So many may overtake in a row whoever waits the longest for something less urgent.
_MOST_OVERTAKING: Final = 7


class Turn(Protocol):
    """Somebody who takes turns."""

    @property
    def waits(self) -> bool:
        """False for who has given up, or has had the turn already that was given more than once."""

    def take(self) -> None:
        """It is its turn, and it waits no more, unless a turn is given to it again. Raises nothing."""


class Wait:
    """A turn that ends the wait for a future."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    @property
    def waits(self) -> bool:
        """See ``Turn``."""
        return not self._future.done()

    def take(self) -> None:
        """See ``Turn``."""
        self._future.set_result(None)


class _Line:
    """Those who wait for equally urgent things, and how many have overtaken the first of them."""

    __slots__ = ("overtaken", "turns")

    def __init__(self) -> None:
        self.turns: deque[Turn] = deque()
        self.overtaken = 0


class Turns:
    """Has waiting ones take their turns, so many in each round of the event loop that it stays responsive.

    ``most``: not more than so many in a round, whose turns only begin something; None: as many as there is time for.
    ``note`` is called in every round in which anything is done.
    """

    def __init__(self, most: int | None = None, note: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._note = note
        # The most urgent ones first.
        self._lines = tuple(_Line() for _ in Urgency)
        # When the first of those who take turns began in this round; None: nobody has.
        self._began: float | None = None
        # Whether the next round is looked out for, and anybody has done something since this one began.
        self._is_looking = False
        self._is_used = False

    def is_full(self) -> bool:
        """Whether so much has been done in this round of the loop that what is begun now should take a turn.

        What gRPC has read and written since the round before ends waits in one piece, with no regard for how many.
        """
        self._use()
        now = perf_counter()
        if self._began is None:
            # Whatever else goes on in a round, somebody has to get on.
            self._began = now
        return now - self._began > _FULL

    def give(self, turn: Turn, urgency: Urgency = Urgency.REST, *, again: bool = False) -> None:
        """Let somebody have a turn, in the next round or a later one; nothing happens before this returns.

        Equally urgent ones come in the order in which they were given; who waits can be given a turn again, as more
        urgent. ``again``: for somebody whose turn it is and who has to go on with it in a later round; he comes first.
        """
        if not turn.waits:
            return
        turns = self._lines[urgency].turns
        if again:
            turns.appendleft(turn)
        else:
            turns.append(turn)
        self._use()

    def _use(self) -> None:
        self._is_used = True
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_soon(self._open_round)

    def _open_round(self) -> None:
        """Runs once in every round, as long as anything was done in the one before."""
        self._began = perf_counter()
        is_used, self._is_used = self._is_used, False
        self._note()
        is_left = self._take_turns(self._began + _FULL)
        if is_left or is_used:
            asyncio.get_running_loop().call_soon(self._open_round)
        else:
            self._is_looking, self._began = False, None

    def _take_turns(self, until: float) -> bool:
        """As many as there is room for; returns whether anybody is left."""
        count = 0
        while (turn := self._next_turn()) is not None:
            turn.take()
            count += 1
            if count == self._most or perf_counter() > until:
                return True
        return False

    def _next_turn(self) -> Turn | None:
        """Whose turn it is: the first of the most urgent ones, but for somebody whom too many have overtaken."""
        chosen: _Line | None = None
        for line in self._lines:
            turns = line.turns
            # Whoever has given up, or was in two lines, waits no more.
            while turns and not turns[0].waits:
                turns.popleft()
            if turns and (chosen is None or line.overtaken >= _MOST_OVERTAKING):
                chosen = line
            elif turns:
                line.overtaken += 1
        if chosen is None:
            return None
        chosen.overtaken = 0
        return chosen.turns.popleft()
