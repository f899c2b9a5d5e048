"""Whoever is woken gets a turn, in order, and others on the loop get theirs in between."""

import asyncio
from collections.abc import Hashable, Iterable
from itertools import pairwise
from time import perf_counter
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from xds.turns import Turns
from xds.urgency import Urgency

DEADLINE = 10
# So many may overtake in a row.
OVERTAKING: Final = 7


async def test_everybody_gets_a_turn_in_order() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in range(500)]
    woken: list[int] = []

    async def wait(number: int) -> None:
        await waiters[number]
        woken.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(len(waiters)):
            tasks.create_task(wait(number))
        await asyncio.sleep(0)
        for waiter in waiters:
            turns.give(waiter)
        woken_at_once = sum(waiter.done() for waiter in waiters)
        assert 0 < woken_at_once < len(waiters)
    assert woken == list(range(len(waiters)))


async def test_others_run_in_between() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in range(500)]
    for waiter in waiters:
        turns.give(waiter)
    rounds = 0
    while not waiters[-1].done():
        await asyncio.sleep(0)
        rounds += 1
    assert rounds > 2


async def test_a_wait_that_was_given_up_takes_no_turn() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in range(200)]
    for waiter in waiters:
        turns.give(waiter)
    for waiter in waiters[:-1]:
        waiter.cancel()
    await asyncio.wait_for(waiters[-1], 10)


async def test_a_wait_that_is_over_needs_no_turn() -> None:
    turns, waiter = Turns(), asyncio.get_running_loop().create_future()
    waiter.cancel()
    turns.give(waiter)
    assert waiter.cancelled()


async def test_a_single_one_is_woken_at_once() -> None:
    turns, waiter = Turns(), asyncio.get_running_loop().create_future()
    turns.give(waiter)
    assert waiter.done()


class Queue:
    """Waits for turns, and the order in which they ended."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[Hashable] = []

    def add(self, name: Hashable, urgency: Urgency = Urgency.REST) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(lambda _: self.order.append(name))
        self.turns.give(waiter, urgency)
        return waiter

    def fill(self) -> asyncio.Future[None]:
        """Have so many woken that whoever comes next has to wait; the last of them waits already."""
        while (waiter := self.add("filler")).done():
            pass
        return waiter

    async def finish(self, waiters: Iterable[asyncio.Future[None]]) -> None:
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*waiters)


@given(st.lists(st.sampled_from(Urgency), min_size=1, max_size=200))
async def test_nobody_is_overtaken_by_equals_nor_by_many(urgencies: list[Urgency]) -> None:
    queue = Queue()
    last = queue.fill()
    waiters = [queue.add((urgency, number), urgency) for number, urgency in enumerate(urgencies)]
    await queue.finish([last, *waiters])
    order = [each for each in queue.order if isinstance(each, tuple)]
    assert len(order) == len(urgencies)
    for urgency in Urgency:
        mine = [each for each in order if each[0] is urgency]
        assert mine == sorted(mine)
        # All came at the same time: what counts is how many less urgent ones went before the last of these.
        before = [each for each in order[: order.index(mine[-1])] if each[0] > urgency] if mine else []
        more_urgent = [each for each in urgencies if each <= urgency]
        assert len(before) <= 2 * (len(more_urgent) // OVERTAKING + 1)


async def test_losses_without_end_do_not_keep_others_from_their_turn() -> None:
    queue = Queue()
    queue.fill()
    others = [queue.add(("other", number)) for number in range(50)]
    gains = [queue.add(("gain", number), Urgency.ENDPOINTS) for number in range(50)]
    losses = 0

    def lose_again(_: object) -> None:
        nonlocal losses
        losses += 1
        if not all(each.done() for each in others + gains):
            queue.add(("loss", losses), Urgency.LOSS).add_done_callback(lose_again)

    for _ in range(100):
        queue.add(("loss", losses), Urgency.LOSS).add_done_callback(lose_again)
    await queue.finish(others + gains)
    # Of any few who are woken, one is of each kind that waits.
    names = [each[0] for each in queue.order if isinstance(each, tuple)]
    for name in ("gain", "other"):
        positions = [at for at, each in enumerate(names) if each == name]
        assert max(after - before for before, after in pairwise(positions)) <= OVERTAKING + 2
    assert losses > len(others) + len(gains)


async def test_a_wait_can_become_more_urgent() -> None:
    queue = Queue()
    queue.fill()
    others = [queue.add(number) for number in range(100)]
    queue.turns.give(others[-1], Urgency.ENDPOINTS)
    loss = queue.add("loss", Urgency.LOSS)
    queue.turns.give(others[-2], Urgency.LOSS)
    await queue.finish([*others, loss])
    assert [each for each in queue.order if each != "filler"][:3] == ["loss", 98, 99]
    assert sorted(each for each in queue.order if isinstance(each, int)) == list(range(100))


async def test_a_round_is_full_when_much_was_done_in_it_and_empty_again_in_a_later_one() -> None:
    turns = Turns()
    assert not turns.is_full()
    began = perf_counter()
    while not turns.is_full():
        assert perf_counter() - began < 10
    await turns.wait()
    async with asyncio.timeout(10):
        while turns.is_full():
            await turns.wait()


async def test_whoever_waits_gets_a_later_round_in_order() -> None:
    turns, order = Turns(), list[int]()

    async def work(number: int) -> None:
        await turns.wait()
        order.append(number)
        # So few of those who are woken find room that the others have to wait once more, and do not lose their place.
        began = perf_counter()
        while perf_counter() - began < 0.0005:
            pass

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(work(number))
    assert order == list(range(200))
