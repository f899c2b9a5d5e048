"""Clients that do not read, do not speak or are gone: what they cost, and that they are noticed."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import grpc
import grpc.aio
import pytest

from tests.protocol.models import made
from tests.protocol.wire_client import DELTA, WireClient, connected, serving
from xds.errors import Code
from xds.events import ResponseSent, StreamClosed, StreamRefused
from xds.options import ServerOptions
from xds.types import CLUSTER


async def test_case_27_a_client_that_does_not_read_is_ended_and_delays_nobody() -> None:
    big = "x" * 200_000
    options = ServerOptions(write_timeout=1.0, patience=0.001)
    async with serving(options=options) as rig, connected(rig) as slow_channel, connected(rig) as channel:
        slow, healthy = WireClient(slow_channel), WireClient(channel)
        for client in (slow, healthy):
            await client.ask(CLUSTER)
        await healthy.ack(await healthy.hear())
        content = 0
        while not rig.of(StreamClosed):
            content += 1
            rig.cache.update("all", [made(CLUSTER, "a", f"{content}{big}")])
            answer = await healthy.hear()
            assert answer.resources["a"].startswith(b"a=%dx" % content)
            await healthy.ack(answer)
        (closed,) = rig.of(StreamClosed)
        assert closed.code is Code.DEADLINE_EXCEEDED
        (left,) = rig.server.clients.values()
        assert left.node_id == "proxy-1"
        rig.cache.update("all", [made(CLUSTER, "a", "last")])
        assert (await healthy.hear()).resources == {"a": b"a=last"}


def resident_bytes() -> int:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def latencies(*, beside_a_slow_client: bool) -> tuple[list[float], int]:
    """Of 10,000 changes in 2,000 steps: the time from each step to the client that reads; how much memory grew."""
    big = "x" * 20_000
    # Without patience the server does not even wait for the slow client's acknowledgements.
    options = ServerOptions(write_timeout=600.0, patience=0.01)
    found = []
    async with serving(options=options) as rig, connected(rig) as slow_channel, connected(rig) as channel:
        slow, healthy = WireClient(slow_channel, DELTA), WireClient(channel, DELTA)
        if beside_a_slow_client:
            await slow.ask(CLUSTER)
            # So that it is known which of the two it is.
            await rig.until(ResponseSent)
        await healthy.ask(CLUSTER)
        await healthy.ack(await healthy.hear())
        before = resident_bytes()
        for step in range(2_000):
            started = perf_counter()
            for number in range(5):
                rig.cache.update("all", [made(CLUSTER, f"c{number}", f"{step}{big}")])
            while len((answer := await healthy.hear()).names) < 5:
                await healthy.ack(answer)
            found.append(perf_counter() - started)
            await healthy.ack(answer)
        grown = resident_bytes() - before
        assert not rig.of(StreamClosed)
        if beside_a_slow_client:
            stuck = next(client for client in rig.server.clients.values() if client.id == 1)
            assert stuck.session is not None
            (lane,) = stuck.session.lanes()
            assert len(lane.debt.dirty) <= 5
            # What the transport takes before it is full, of 2,000 steps.
            assert sum(event.client is stuck for event in rig.of(ResponseSent)) < 100
            # The connection breaks under a write: that is nobody's fault.
            slow.cancel()
            (closed,) = await rig.until(StreamClosed)
            assert closed.code is None
    return found, grown


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell the memory of a process")
async def test_ten_thousand_changes_cost_a_slow_client_one_newest_state_and_others_nothing() -> None:
    alone, _ = await latencies(beside_a_slow_client=False)
    beside, grown = await latencies(beside_a_slow_client=True)
    # Whoever waited for the slow client, or worked for it, would take many times as long.
    assert median(beside) < 3 * median(alone)
    # 200 MB were sent.
    assert grown < 50_000_000


class Cable:
    """A TCP connection to a server that can be cut without either end being told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_cut = False
        self._pumps: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Lose everything from now on."""
        self._is_cut = True

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """Take connections; the port to connect to."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, target)))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                if not self._is_cut:
                    target.write(data)
        finally:
            target.close()


async def test_a_client_that_vanishes_is_noticed() -> None:
    options = ServerOptions(keepalive_interval=0.2, keepalive_timeout=0.2)
    async with serving(options=options) as rig:
        cable = Cable(rig.port)
        async with cable.laid() as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = WireClient(channel)
            await client.ask(CLUSTER)
            await client.hear()
            cable.cut()
            (closed,) = await rig.until(StreamClosed)
            assert closed.client.node_id == "proxy-1"
            assert not rig.server.clients


async def test_a_client_that_says_nothing_is_ended() -> None:
    options = ServerOptions(first_request_timeout=0.05)
    async with serving(options=options) as rig, connected(rig) as channel:
        client = WireClient(channel)
        code, reason = await client.end()
        assert (code, reason) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "the client has not said for 0.05 seconds who it is",
        )
        assert [refused.code for refused in rig.of(StreamRefused)] == [Code.DEADLINE_EXCEEDED]
