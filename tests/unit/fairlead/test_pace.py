"""What nobody waits for is done a slice at a time, in order, and all of it."""

import asyncio
from functools import partial
from time import perf_counter

from fairlead.pace import Later

DEADLINE = 10


async def test_others_have_their_turn_between_slices_of_what_is_done_later() -> None:
    later, done, loop = Later(), list[int](), asyncio.get_running_loop()
    seen = asyncio.Event()

    def work(number: int) -> None:
        began = perf_counter()
        while perf_counter() - began < 0.0005:
            pass
        done.append(number)
        if number == 99:
            seen.set()

    at_once: list[int] = []

    def look() -> None:
        at_once.append(len(done))
        if not seen.is_set():
            loop.call_soon(look)

    for number in range(100):
        later.do(partial(work, number))
    assert done == []
    look()
    await asyncio.wait_for(seen.wait(), DEADLINE)
    assert done == list(range(100))
    assert len(set(at_once)) > 5


async def test_what_is_left_can_be_finished_and_a_failure_keeps_nothing_from_being_done() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    later, done = Later(), asyncio.Event()

    def fail() -> None:
        raise ValueError("no disk")

    later.do(fail)
    later.do(done.set)
    await asyncio.wait_for(done.wait(), DEADLINE)
    assert [str(each) for each in failures] == ["no disk"]
    done.clear()
    later.do(done.set)
    later.finish()
    assert done.is_set()
