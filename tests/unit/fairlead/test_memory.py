"""What bulk work leaves behind is taken from the collector's sight, and only then; free memory is given back."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress

import pytest
from envoy.config.core.v3 import base_pb2

from fairlead.memory import (
    CollectorPause,
    MemoryReturn,
    bulk_work,
    collect_young,
    give_back,
    settle_memory,
    spare_survivors,
    tune_collector,
)
from xds.client import Client
from xds.errors import Code
from xds.events import StreamOpened, StreamRefused
from xds.node import Node


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
    gc.enable()


async def test_what_is_loaded_is_not_looked_at_again() -> None:
    kept = [[number] for number in range(1000)]
    await settle_memory()
    assert gc.get_freeze_count() >= len(kept)


async def test_survivors_are_spared_when_there_are_many() -> None:
    tune_collector()
    await settle_memory()
    frozen = gc.get_freeze_count()
    spare_survivors()
    assert gc.get_freeze_count() == frozen
    kept = [[number] for number in range(60_000)]
    spare_survivors()
    assert gc.get_freeze_count() >= frozen + len(kept) // 2


async def test_nothing_is_collected_during_bulk_work_and_what_is_left_is_spared() -> None:
    tune_collector()
    await settle_memory()
    frozen, before = gc.get_freeze_count(), gc.get_stats()
    with bulk_work():
        kept = [[number] for number in range(60_000)]
        assert gc.get_stats() == before
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(kept)


async def test_what_is_young_is_collected_ahead_of_time_where_it_is_worth_it() -> None:
    tune_collector()
    await settle_memory()
    collect_young()
    looks = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(2_000)]
    collect_young()
    assert gc.get_stats()[0]["collections"] == looks + 1
    assert gc.get_count()[0] < len(kept)


async def test_nothing_is_looked_at_while_a_push_goes_out() -> None:
    tune_collector()
    pause = CollectorPause((), 0.02)
    pause.begin()
    looks = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(50_000)]
    assert gc.get_stats()[0]["collections"] == looks
    pause.begin()
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, ended.set)
    async with asyncio.timeout(10):
        await ended.wait()
    assert gc.isenabled()
    assert gc.get_stats()[0]["collections"] > looks
    assert len(kept) == 50_000


class Cycle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.parametrize(("streams", "is_spared"), [(1, False), (1_000, True)])
async def test_what_many_streams_are_in_the_middle_of_is_taken_from_sight_while_a_push_goes_out(
    streams: int, *, is_spared: bool
) -> None:
    tune_collector()
    pause = CollectorPause(range(streams), 60)
    pause.begin()
    frozen, looks, kept = gc.get_freeze_count(), gc.get_stats(), [[number] for number in range(5_000)]
    await wait_for_a_step()
    assert (gc.get_freeze_count() >= frozen + len(kept)) is is_spared
    assert gc.get_stats() == looks
    pause.end()


async def test_cycles_that_are_suspected_are_found_before_that() -> None:
    tune_collector()
    pause = CollectorPause(range(1_000), 60)
    pause.begin()
    pause.suspect()
    cycle, kept = weakref.ref(Cycle()), [[number] for number in range(5_000)]
    frozen = gc.get_freeze_count()
    async with asyncio.timeout(10):
        while gc.get_freeze_count() < frozen + len(kept) // 2:
            await wait_for_a_step()
    assert cycle() is None
    pause.end()


async def wait_for_a_step() -> None:
    """A step of a pause that had begun is over."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, passed.set)
    await passed.wait()


async def test_a_pause_ends_with_who_made_it_and_leaves_a_collector_that_was_off_as_it_is() -> None:
    pause = CollectorPause((), 60)
    pause.begin()
    pause.end()
    assert gc.isenabled()
    with bulk_work():
        pause.begin()
        pause.end()
        assert not gc.isenabled()
    assert gc.isenabled()


async def test_memory_is_given_back_once_it_is_quiet() -> None:
    loop, given = asyncio.get_running_loop(), asyncio.Queue[float]()

    def note() -> None:
        loop.call_soon_threadsafe(given.put_nowait, loop.time())

    memory = MemoryReturn(note, quiet=0.05)
    running = asyncio.create_task(memory.run())
    event = StreamRefused(peer="", at=0.0, code=Code.UNAVAILABLE, reason="")
    for _ in range(2):
        for _ in range(10):
            memory.observe(event)
            last = loop.time()
            await asyncio.sleep(0)
        assert await asyncio.wait_for(given.get(), 10) >= last
        assert given.empty()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_what_many_proxies_are_made_of_is_spared_once_it_is_quiet() -> None:
    loop, given = asyncio.get_running_loop(), asyncio.Event()

    def note() -> None:
        loop.call_soon_threadsafe(given.set)

    memory = MemoryReturn(note, quiet=0.01)
    running = asyncio.create_task(memory.run())
    client = Client(1, Node.of(base_pb2.Node(id="a")), "", None, 0.0)
    await settle_memory()
    for streams, is_spared in ((1, False), (1_000, True)):
        frozen, kept = gc.get_freeze_count(), [[number] for number in range(1_000)]
        for _ in range(streams):
            memory.observe(StreamOpened(client, 0.0))
        await asyncio.wait_for(given.wait(), 10)
        given.clear()
        assert (gc.get_freeze_count() >= frozen + len(kept)) is is_spared
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def test_giving_back_leaves_what_is_in_use() -> None:
    kept = [bytes([number % 256]) * 1000 for number in range(10_000)]
    del kept[::2]
    give_back()
    assert all(each == bytes([(2 * number + 1) % 256]) * 1000 for number, each in enumerate(kept))
