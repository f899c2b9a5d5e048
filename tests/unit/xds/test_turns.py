"""Whoever is given a turn gets it, in order, and others on the loop get theirs in between."""

import asyncio
from collections.abc import Callable, Hashable
from itertools import pairwise
from time import perf_counter
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.turns import Turns, Wait
from xds.urgency import Urgency

DEADLINE = 10
# So many may overtake in a row.
OVERTAKING: Final = 7


class Taker:
    """Takes its turn, and does something in it."""

    def __init__(self, name: Hashable, act: Callable[["Taker"], None]) -> None:
        self.name = name
        self.waits = False
        self._act = act

    def take(self) -> None:
        self.waits = False
        self._act(self)


class Queue:
    """Turns, and the order in which they were taken; ``busy``: so many seconds each takes."""

    def __init__(self, most: int | None = None, busy: float = 0.0) -> None:
        self.turns = Turns(most)
        self.order: list[Hashable] = []
        self._busy = busy

    def add(self, name: Hashable, urgency: Urgency = Urgency.REST) -> Taker:
        taker = Taker(name, self.note)
        self.give(taker, urgency)
        return taker

    def give(self, taker: Taker, urgency: Urgency, *, again: bool = False) -> None:
        taker.waits = True
        self.turns.give(taker, urgency, again=again)

    def note(self, taker: Taker) -> None:
        self.order.append(taker.name)
        busy_for(self._busy)

    async def until(self, count: int) -> int:
        """Wait for so many turns; returns in how many rounds of the loop they came."""
        return await self.round_until(lambda: len(self.order) >= count)

    async def round_until(self, is_so: Callable[[], bool]) -> int:
        """Wait for something to be so; returns after how many rounds of the loop it was."""
        rounds = 0
        async with asyncio.timeout(DEADLINE):
            while not is_so():
                await asyncio.sleep(0)
                rounds += 1
        return rounds


def busy_for(seconds: float) -> None:
    began = perf_counter()
    while perf_counter() - began < seconds:
        pass


async def test_a_single_one_has_its_turn_in_the_next_round_and_not_before() -> None:
    queue = Queue()
    queue.add("a")
    assert queue.order == []
    assert await queue.until(1) == 1


async def test_all_have_their_turn_in_order_and_others_run_in_between() -> None:
    queue = Queue(busy=0.0002)
    for number in range(200):
        queue.add(number)
    assert await queue.until(200) > 2
    assert queue.order == list(range(200))


async def test_so_many_in_a_round_at_the_most() -> None:
    queue = Queue(most=4)
    for number in range(20):
        queue.add(number)
    assert await queue.until(20) >= 5
    assert queue.order == list(range(20))


async def test_who_has_given_up_takes_no_turn() -> None:
    queue = Queue()
    takers = [queue.add(number) for number in range(200)]
    for taker in takers[:-1]:
        taker.waits = False
    await queue.until(1)
    assert queue.order == [199]


async def test_a_turn_ends_a_wait_unless_that_is_over() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    waiting, cancelled = loop.create_future(), loop.create_future()
    turns.give(Wait(cancelled))
    turns.give(Wait(waiting))
    cancelled.cancel()
    await asyncio.wait_for(waiting, DEADLINE)
    turns.give(Wait(waiting))
    turns.give(Wait(cancelled))
    await asyncio.sleep(0)
    assert cancelled.cancelled()


@given(st.lists(st.sampled_from(Urgency), min_size=1, max_size=200))
async def test_nobody_is_overtaken_by_equals_nor_by_many(urgencies: list[Urgency]) -> None:
    queue = Queue(most=3)
    for number, urgency in enumerate(urgencies):
        queue.add((urgency, number), urgency)
    await queue.until(len(urgencies))
    order = [each for each in queue.order if isinstance(each, tuple)]
    for urgency in Urgency:
        mine = [each for each in order if each[0] is urgency]
        assert mine == sorted(mine)
        # All came at the same time: what counts is how many less urgent ones went before the last of these.
        before = [each for each in order[: order.index(mine[-1])] if each[0] > urgency] if mine else []
        more_urgent = [each for each in urgencies if each <= urgency]
        assert len(before) <= 2 * (len(more_urgent) // OVERTAKING + 1)


async def test_losses_without_end_do_not_keep_others_from_their_turn() -> None:
    queue = Queue(most=8)
    others = {("other", number) for number in range(50)} | {("gain", number) for number in range(50)}
    for name in sorted(others):
        queue.add(name, Urgency.ENDPOINTS if name[0] == "gain" else Urgency.REST)

    def lose_again(taker: Taker) -> None:
        queue.note(taker)
        if not others <= set(queue.order):
            queue.give(taker, Urgency.LOSS)

    for number in range(100):
        queue.give(Taker(("loss", number), lose_again), Urgency.LOSS)
    await queue.round_until(lambda: others <= set(queue.order))
    # Of any few who have a turn, one is of each kind that waits.
    names = [each[0] for each in queue.order if isinstance(each, tuple)]
    for kind in ("gain", "other"):
        positions = [at for at, each in enumerate(names) if each == kind]
        assert max(after - before for before, after in pairwise(positions)) <= OVERTAKING + 2
    assert names.count("loss") > len(others)


async def test_who_waits_can_become_more_urgent_and_has_one_turn_for_it() -> None:
    queue = Queue(most=1)
    takers = [queue.add(number) for number in range(100)]
    queue.give(takers[-1], Urgency.ENDPOINTS)
    queue.add("loss", Urgency.LOSS)
    queue.give(takers[-2], Urgency.LOSS)
    await queue.until(101)
    assert queue.order[:3] == ["loss", 98, 99]
    assert sorted(each for each in queue.order if isinstance(each, int)) == list(range(100))


async def test_who_goes_on_in_a_later_round_comes_first_in_it() -> None:
    queue, left = Queue(), 3

    def go_on(taker: Taker) -> None:
        nonlocal left
        queue.note(taker)
        left -= 1
        if left:
            # As whoever finds the round full.
            while not queue.turns.is_full():
                pass
            queue.give(taker, Urgency.REST, again=True)

    queue.give(Taker("long", go_on), Urgency.REST)
    queue.add("short")
    assert await queue.until(4) >= 3
    assert queue.order == ["long", "long", "long", "short"]


async def test_a_round_is_full_when_much_was_done_in_it_and_empty_again_in_a_later_one() -> None:
    queue = Queue()
    assert not queue.turns.is_full()
    began = perf_counter()
    while not queue.turns.is_full():
        assert perf_counter() - began < DEADLINE
    assert await queue.round_until(lambda: not queue.turns.is_full()) > 0


async def test_what_was_done_before_a_round_counts_in_it() -> None:
    queue = Queue()
    assert not queue.turns.is_full()
    for number in range(3):
        queue.add(number)
    busy_for(0.01)
    # It was full, so nobody else begins in it; the next one is theirs.
    assert queue.turns.is_full()
    assert queue.order == []
    await queue.until(3)


class Talker:
    """A stream that has been sent something, digests it, and has something to write; ``log`` has what it did."""

    waits = True

    def __init__(self, turns: Turns, name: int, log: list[tuple[str, int]], busy: float = 0.0) -> None:
        self._turns = turns
        self._name = name
        self._log = log
        self._busy = busy
        self.has_more = True

    def collect(self) -> bool:
        return self.has_more

    def digest(self) -> None:
        self._log.append(("digest", self._name))
        busy_for(self._busy)
        self.has_more = False
        self._turns.give(self)

    def listen(self) -> None:
        self._log.append(("listen", self._name))

    def take(self) -> None:
        self._log.append(("choose", self._name))
        self.waits = False
        self._turns.write(self)

    def write(self) -> None:
        self._log.append(("write", self._name))


async def test_streams_go_through_the_stages_of_a_round_together() -> None:
    told: list[int] = []
    log: list[tuple[str, int]] = []
    turns = Turns(tell=lambda: told.append(len(log)))
    for number in range(3):
        turns.read(Talker(turns, number, log))
    assert log == []
    await asyncio.sleep(0)
    stages = ("digest", "listen", "choose", "write")
    assert log == [(stage, number) for stage in stages for number in range(3)]
    # What happened is told before anything is written, to which there could be an answer.
    assert told == [9]


@pytest.mark.parametrize("busy", [0.0, 0.0004])
async def test_each_stream_is_heard_once_and_written_to_once_however_many_there_are(busy: float) -> None:
    log: list[tuple[str, int]] = []
    queue = Queue()
    talkers = [Talker(queue.turns, number, log, busy) for number in range(60)]
    for talker in talkers:
        queue.turns.read(talker)
    await queue.round_until(lambda: len(log) == 4 * len(talkers))
    for stage in ("digest", "listen", "choose", "write"):
        assert [number for each, number in log if each == stage] == list(range(60))


async def test_who_has_nothing_to_digest_is_not_listened_to() -> None:
    log: list[tuple[str, int]] = []
    turns = Turns()
    gone, here = Talker(turns, 0, log), Talker(turns, 1, log)
    gone.has_more = False
    turns.read(gone)
    turns.read(here)
    await asyncio.sleep(0)
    assert log == [("digest", 1), ("listen", 1), ("choose", 1), ("write", 1)]
