"""Those who have just come give way to a crowd, in order and not for long; who was there before does not."""

import asyncio

from xds.arrivals import Arrivals
from xds.turns import Turns
from xds.urgency import Urgency

DEADLINE = 10


def crowded(arrivals: Arrivals) -> float:
    """Let a crowd come now; returns when that is."""
    now = asyncio.get_running_loop().time()
    for _ in range(5):
        arrivals.note(now)
    return now


async def test_a_few_or_slow_ones_are_no_crowd() -> None:
    arrivals = Arrivals(Turns(), ())
    for second in range(10):
        arrivals.note(float(second))
    assert not arrivals.must_wait(9.0, 9.0)
    for _ in range(4):
        arrivals.note(20.0)
    assert not arrivals.must_wait(20.0, 20.0)
    arrivals.note(20.0)
    assert arrivals.must_wait(20.0, 20.0)
    assert not arrivals.must_wait(21.0, 21.0)


async def test_a_crowd_is_let_go_first_and_then_whoever_waits_in_order() -> None:
    arrivals, order = Arrivals(Turns(), (), patience=DEADLINE), list[int]()

    async def wait(number: int) -> None:
        await arrivals.hold(now)
        order.append(number)

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        now = crowded(arrivals)
        assert arrivals.must_wait(now, now)
        for number in range(100):
            tasks.create_task(wait(number))
    assert order == list(range(100))
    assert not arrivals.must_wait(now, asyncio.get_running_loop().time() + 1)


async def test_nobody_waits_for_long_and_who_was_there_before_not_at_all() -> None:
    arrivals = Arrivals(Turns(), range(1_000), patience=0.05)
    now = crowded(arrivals)
    assert not arrivals.must_wait(now - 1, now)
    # However many writes are under way: their clients may never read.
    await asyncio.wait_for(arrivals.hold(now), DEADLINE)


async def test_whoever_comes_while_others_wait_waits_behind_them() -> None:
    arrivals = Arrivals(Turns(), range(1_000), patience=DEADLINE)
    now = crowded(arrivals)
    waiter = arrivals.hold(now)
    assert arrivals.must_wait(now + 1, now + 1)
    waiter.cancel()


async def test_who_has_something_that_cannot_wait_takes_nobodys_place() -> None:
    turns = Turns()
    arrivals = Arrivals(turns, range(63), patience=DEADLINE)
    now = crowded(arrivals)
    first, second = arrivals.hold(now), arrivals.hold(now)
    turns.give(first, Urgency.LOSS)
    # There is room for one more write.
    await asyncio.wait_for(second, DEADLINE)
