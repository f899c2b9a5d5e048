"""Streams take turns: a change that wakes a thousand of them at once must not hold up the event loop.

What is ready in one round of the loop runs in it, all of it before anything else gets a chance: the other streams'
acknowledgements, timers, sources. So only some have a turn in each round, as many as take a few milliseconds together;
the others follow in the rounds after it. The urgent ones overtake, but not without end: whoever waits gets on, however
many of them come.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from sys import maxsize
from time import perf_counter
from typing import Final, Protocol

from xds.urgency import Urgency

# Seconds after which whoever begins something in a round leaves it to a later one.
_FULL: Final = 0.0015
# Where much else was done since the round before, it is less: so that both together take no longer than this, but never
# less than that.
_WHOLE: Final = 0.0025
_LEAST: Final = 0.0005
# So many may overtake in a row whoever waits the longest for something less urgent.
_MOST_OVERTAKING: Final = 7
# So many streams go through a stage before the first of them goes on to the next one.
_AT_ONCE: Final = 16


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


class Reader(Protocol):
    """A stream that gRPC has read something of."""

    def collect(self) -> bool:
        """Take what was read from gRPC, or was before; returns whether there is anything to digest. Raises nothing."""

    def digest(self) -> None:
        """Do what it asks for. Raises nothing."""

    def listen(self) -> None:
        """Have gRPC read what comes next. Raises nothing."""


class Writer(Protocol):
    """A stream that has chosen what to write."""

    def write(self) -> None:
        """Hand it to gRPC. Raises nothing."""


class Turns:
    """Has waiting ones take their turns, so many in each round of the event loop that it stays responsive.

    Streams go through a round in stages, some of them at a time: what has been read is taken in, what to write is
    chosen, and then it is written. So neither those that acknowledge nor those that are due keep the others waiting.

    ``most``: not more than so many turns in a round, which only begin something; None: as many as there is time for.
    ``note`` is called in every round in which anything is done, ``tell`` after every stage in which events arise.
    """

    def __init__(
        self,
        most: int | None = None,
        note: Callable[[], None] = lambda: None,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._most = maxsize if most is None else most
        self._note = note
        self._tell = tell
        # The most urgent ones first.
        self._lines = tuple(_Line() for _ in Urgency)
        self._readers: deque[Reader] = deque()
        self._writers: deque[Writer] = deque()
        # Until when somebody may begin something in this round; None: nobody has.
        self._until: float | None = None
        # When the round before was over; None: the loop had nothing to do since.
        self._ended: float | None = None
        # Whether the next round is looked out for, and anybody has done something since this one began.
        self._is_looking = False
        self._is_used = False

    def is_full(self) -> bool:
        """Whether so much has been done in this round of the loop that what is begun now should take a turn.

        What gRPC has read and written since the round before ends waits in one piece, with no regard for how many.
        """
        self._use()
        now = perf_counter()
        if self._until is None:
            # Whatever else goes on in a round, somebody has to get on.
            self._until = now + _FULL
        return now > self._until

    def give(self, turn: Turn, urgency: Urgency = Urgency.REST, *, again: bool = False) -> None:
        """Let somebody have a turn, in the next round or a later one; nothing happens before this returns.

        Equally urgent ones come in the order in which they were given; who waits can be given a turn again, as more
        urgent. ``again``: for somebody whose turn it is and who has to go on with it in a later round; he comes first.
        """
        turns = self._lines[urgency].turns
        if again:
            turns.appendleft(turn)
        else:
            turns.append(turn)
        self._use()

    def read(self, reader: Reader) -> None:
        """Take in what was read of a stream, in the next round or a later one, in the order of these calls."""
        self._readers.append(reader)
        self._use()

    def write(self, writer: Writer) -> None:
        """Write what a stream has chosen in its turn, when others have chosen as well. Only to be called in a turn."""
        self._writers.append(writer)

    def _use(self) -> None:
        self._is_used = True
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_soon(self._open_round)

    def _open_round(self) -> None:
        """Runs once in every round, as long as anything was done in the one before."""
        now = perf_counter()
        others = 0.0 if self._ended is None else now - self._ended
        self._until = now + max(_LEAST, min(_FULL, _WHOLE - others))
        is_used, self._is_used = self._is_used, False
        self._note()
        is_left = self._go_on(self._until)
        if is_left or is_used:
            self._ended = perf_counter()
            asyncio.get_running_loop().call_soon(self._open_round)
        else:
            self._is_looking, self._until, self._ended = False, None, None

    def _go_on(self, until: float) -> bool:
        """Some streams after the others, as many as there is room for; returns whether anybody is left."""
        room = self._most
        while True:
            if self._readers:
                self._take_in(until)
            # Who has chosen in an earlier round is written to before others choose.
            if not self._writers:
                room -= self._take_turns(min(room, _AT_ONCE), until)
            self._tell()
            while self._writers:
                self._writers.popleft().write()
                if perf_counter() > until:
                    break
            if not (self._readers or self._writers or any(line.turns for line in self._lines)):
                return False
            if room == 0 or perf_counter() > until:
                return True

    def _take_in(self, until: float) -> None:
        """What was read of some streams."""
        readers = self._readers
        some = [readers.popleft() for _ in range(min(len(readers), _AT_ONCE))]
        some = [reader for reader in some if reader.collect()]
        done = 0
        for reader in some:
            reader.digest()
            done += 1
            if perf_counter() > until:
                # The others are asked again, and have it already.
                readers.extendleft(reversed(some[done:]))
                break
        for reader in some[:done]:
            reader.listen()

    def _take_turns(self, most: int, until: float) -> int:
        """Not more than so many; returns how many have had their turn."""
        count = 0
        while count < most and (line := self._next_line()) is not None:
            turn = line.turns.popleft()
            if turn.waits:
                turn.take()
                count += 1
                if perf_counter() > until:
                    break
        return count

    def _next_line(self) -> _Line | None:
        """Whose turn it is: that of the most urgent ones, but for those whom too many have overtaken."""
        chosen: _Line | None = None
        for line in self._lines:
            if line.turns:
                if chosen is None or line.overtaken >= _MOST_OVERTAKING:
                    chosen = line
                else:
                    line.overtaken += 1
        if chosen is not None:
            chosen.overtaken = 0
        return chosen
