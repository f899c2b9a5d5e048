"""A loop that is held up is noticed, and what held it up is named."""

import asyncio
import gc
import threading
from time import perf_counter, sleep, thread_time

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.metrics import Metrics
from fairlead.pace import Pace
from fairlead.watchdog import BLOCKED, Block, LoopWatchdog, describe_loop


def hold_up(seconds: float) -> None:
    """Keep the event loop from everything else."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def compute(seconds: float) -> None:
    """Use the processor."""
    end = thread_time() + seconds
    while thread_time() < end:
        pass


async def until_late(watchdog: LoopWatchdog) -> Block:
    """The longest block, once it cannot be one that the machine alone has caused."""

    async def probe() -> Block:
        if watchdog.longest is None or watchdog.longest.ms < 20:
            raise NotYetError("nothing was noticed")
        return watchdog.longest

    return await wait_until(probe)


async def until_calm(watchdog: LoopWatchdog) -> None:
    """Wait until the loop is looked at less often."""

    async def probe() -> None:
        if not watchdog.is_calm:
            raise NotYetError("the loop is busy")

    await wait_until(probe)


async def test_a_block_is_noticed_with_what_ran() -> None:
    metrics = Metrics()
    with LoopWatchdog(metrics) as watchdog:
        asyncio.get_running_loop().call_soon(hold_up, 0.1)
        longest = await until_late(watchdog)
    assert longest.ms >= BLOCKED * 1000
    assert longest.cpu_ms > 0
    assert any("hold_up" in call for call in longest.doing)
    exposition = metrics.exposition().decode()
    assert "fairlead_loop_lag_seconds_count" in exposition
    assert "fairlead_loop_longest_block_seconds 0.0\n" not in exposition


async def test_a_calm_loop_is_looked_at_less_often_and_a_block_is_noticed_all_the_same() -> None:
    with LoopWatchdog(Metrics()) as watchdog:
        await until_calm(watchdog)
        late = watchdog.late
        # Less than the time between two ticks.
        asyncio.get_running_loop().call_soon(compute, 0.012)

        async def noticed() -> Block:
            if watchdog.late == late:
                raise NotYetError("nothing was noticed")
            return watchdog.blocks[-1]

        block = await wait_until(noticed)
    assert block.ms >= 12
    assert block.cpu_ms >= 12
    assert watchdog.computing > 0


async def test_turns_are_no_block_however_many_a_calm_loop_takes_between_two_looks() -> None:
    with LoopWatchdog(Metrics()) as watchdog:
        await until_calm(watchdog)
        pace, end = Pace(), thread_time() + 0.012
        while thread_time() < end:
            await pace.rest_if_due()
        # The next look is more than one that was under way already.
        ticks = watchdog.ticks

        async def looked() -> None:
            if watchdog.ticks < ticks + 2:
                raise NotYetError("nobody has looked")

        await wait_until(looked)
    assert not any(block.cpu_ms >= 12 for block in watchdog.blocks)


async def test_waiting_without_computing_is_told_apart() -> None:
    with LoopWatchdog(Metrics()) as watchdog:
        asyncio.get_running_loop().call_soon(sleep, 0.05)
        longest = await until_late(watchdog)
    assert longest.cpu_ms < longest.ms


async def test_the_page_shows_the_newest_first() -> None:
    with LoopWatchdog(Metrics()) as watchdog:
        asyncio.get_running_loop().call_soon(hold_up, 0.03)
        longest = await until_late(watchdog)
        watchdog.blocks.append(Block(at=longest.at + 1, ms=7.0, cpu_ms=7.0, doing=()))
        page = describe_loop(watchdog)
    assert page["late"] >= 1
    assert page["blocks"][0].ms == 7.0
    assert page["longest"] == longest


async def test_nothing_is_left_behind() -> None:
    callbacks, threads = len(gc.callbacks), threading.active_count()
    with LoopWatchdog(Metrics()):
        assert len(gc.callbacks) == callbacks + 1
    assert (len(gc.callbacks), threading.active_count()) == (callbacks, threads)
