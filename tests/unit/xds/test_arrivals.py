"""Those who have just come give way to a crowd, in order and not for long; who was there before does not."""

import asyncio

from xds.arrivals import Arrivals

DEADLINE = 10


class Newcomer:
    """Gives way until it is released; ``leave``: until it has something that cannot wait."""

    def __init__(self) -> None:
        self.is_held = True
        self.went_on = asyncio.Event()

    def release(self) -> None:
        self.is_held = False
        self.went_on.set()

    def leave(self) -> None:
        self.is_held = False

    async def wait(self) -> None:
        await asyncio.wait_for(self.went_on.wait(), DEADLINE)


def crowded(arrivals: Arrivals) -> float:
    """Let a crowd come now; returns when that is."""
    now = asyncio.get_running_loop().time()
    for _ in range(5):
        arrivals.note(now)
    return now


async def test_a_few_or_slow_ones_are_no_crowd() -> None:
    arrivals = Arrivals(())
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
    arrivals, order = Arrivals((), patience=DEADLINE), list[int]()

    async def wait(number: int) -> None:
        newcomer = Newcomer()
        arrivals.hold(newcomer, now)
        await newcomer.wait()
        order.append(number)

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        now = crowded(arrivals)
        assert arrivals.must_wait(now, now)
        for number in range(100):
            tasks.create_task(wait(number))
    assert order == list(range(100))
    assert not arrivals.must_wait(now, asyncio.get_running_loop().time() + 1)


async def test_nobody_waits_for_long_and_who_was_there_before_not_at_all() -> None:
    arrivals = Arrivals(range(1_000), patience=0.05)
    now = crowded(arrivals)
    assert not arrivals.must_wait(now - 1, now)
    # However many writes are under way: their clients may never read.
    newcomer = Newcomer()
    arrivals.hold(newcomer, now)
    await newcomer.wait()


async def test_whoever_comes_while_others_wait_waits_behind_them() -> None:
    arrivals = Arrivals(range(1_000), patience=DEADLINE)
    now = crowded(arrivals)
    newcomer = Newcomer()
    arrivals.hold(newcomer, now)
    assert arrivals.must_wait(now + 1, now + 1)
    newcomer.leave()


async def test_who_has_something_that_cannot_wait_takes_nobodys_place() -> None:
    arrivals = Arrivals(range(63), patience=DEADLINE)
    now = crowded(arrivals)
    first, second = Newcomer(), Newcomer()
    for newcomer in (first, second):
        arrivals.hold(newcomer, now)
    first.leave()
    # There is room for one more write.
    await second.wait()
    assert not first.went_on.is_set()
