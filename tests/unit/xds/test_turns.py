"""Whoever is woken gets a turn, in order, and others on the loop get theirs in between."""

import asyncio
from time import perf_counter

from xds.turns import Turns


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


async def test_urgent_ones_come_before_those_that_wait() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    order: list[str] = []

    def waiter(name: str) -> asyncio.Future[None]:
        made: asyncio.Future[None] = loop.create_future()
        made.add_done_callback(lambda _: order.append(name))
        return made

    others = [waiter("other") for _ in range(100)]
    for each in others:
        turns.give(each)
    woken = sum(each.done() for each in others)
    urgent, promoted = waiter("urgent"), others[-1]
    turns.give(urgent, urgent=True)
    turns.give(promoted, urgent=True)
    await asyncio.wait(others)
    assert order.index("urgent") == woken
    assert promoted.done()
    assert order.count("other") == len(others)


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

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(work(number))
    assert order == list(range(200))
