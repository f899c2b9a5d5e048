"""Writes that take too long are interrupted, each of them once, and others are not."""

import asyncio

from xds.overdue import WriteWatch


class Writer:
    """Counts how often it was interrupted."""

    def __init__(self) -> None:
        self.interrupted = asyncio.Event()
        self.times = 0

    def interrupt(self) -> None:
        self.times += 1
        self.interrupted.set()


async def test_who_takes_too_long_is_interrupted_once() -> None:
    loop, watch = asyncio.get_running_loop(), WriteWatch(0.01)
    quick, slow, later = Writer(), Writer(), Writer()
    watch.begin(quick, loop.time())
    watch.begin(slow, loop.time())
    watch.end(quick)
    await asyncio.wait_for(slow.interrupted.wait(), 10)
    watch.end(slow)
    watch.begin(later, loop.time())
    await asyncio.wait_for(later.interrupted.wait(), 10)
    assert [quick.times, slow.times, later.times] == [0, 1, 1]
