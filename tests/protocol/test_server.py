"""The server over real connections: streams, their ends, and what one of them does to the others."""

import asyncio
import contextlib
import gc
import itertools
import random
import weakref
from time import perf_counter

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node

from tests.conftest import SOAK
from tests.protocol.models import made
from tests.protocol.wire_client import DEADLINE, DELTA, SOTW, WireClient, connected, serving
from xds.cache import SnapshotCache
from xds.client import Client, SyncState
from xds.errors import Code, StreamRejected
from xds.events import (
    Acked,
    Event,
    Nacked,
    RequestReceived,
    ResponseSent,
    StreamClosed,
    StreamOpened,
    StreamRefused,
    UnknownType,
    selective,
)
from xds.exchange import Sent
from xds.limits import Limits
from xds.options import ServerOptions
from xds.server import XdsServer
from xds.session import Session
from xds.turns import Turns
from xds.types import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
)
from xds.view import View

METHODS = pytest.mark.parametrize("method", [SOTW, DELTA])
HEALTH = "type.googleapis.com/istio.v1.HealthInformation"


@METHODS
async def test_resources_and_changes_reach_the_client(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a")])
        client = WireClient(channel, method)
        await client.ask(CLUSTER)
        answer = await client.hear()
        assert answer.resources == {"a": b"a=1"}
        await client.ack(answer)
        await rig.until(Acked)
        rig.cache.update("all", [made(CLUSTER, "a", 2)])
        answer = await client.hear()
        assert answer.resources == {"a": b"a=2"}
        await client.ack(answer)
        await rig.until(Acked, 2)
        (status,) = rig.client.status()
        assert status.state is SyncState.SYNCED
        assert (status.version_sent, status.responses, status.acks) == (answer.version, 2, 2)
        client.cancel()
        await rig.until(StreamClosed)
        assert not rig.server.clients


@METHODS
async def test_a_stream_that_ended_leaves_nothing_to_the_garbage_collector(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a")])
        client = WireClient(channel, method)
        await client.ask(CLUSTER)
        await client.hear()
        session = weakref.ref(rig.client.session)
        gc.disable()
        try:
            client.cancel()
            await rig.until(StreamClosed)
            rig.events.clear()
            async with asyncio.timeout(DEADLINE):
                while session() is not None:  # noqa: ASYNC110 - nobody tells when an object goes
                    await asyncio.sleep(0.001)
        finally:
            gc.enable()


@METHODS
async def test_every_step_is_an_event(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a-1")])
        client = WireClient(channel, method)
        await client.ask(CLUSTER)
        answer = await client.hear()
        await client.ask(CLUSTER, nonce=answer.nonce, error="cluster(s) a-1: bad")
        await rig.until(Nacked)
        await client.leave()
        (closed,) = await rig.until(StreamClosed)
        assert [type(event) for event in rig.events] == [
            StreamOpened,
            RequestReceived,
            ResponseSent,
            RequestReceived,
            Nacked,
            StreamClosed,
        ]
        (sent,) = rig.of(ResponseSent)
        assert (sent.type_url, sent.nonce, sent.names) == (CLUSTER, answer.nonce, ("a-1",))
        (nacked,) = rig.of(Nacked)
        assert (nacked.error, nacked.rejected) == ("cluster(s) a-1: bad", ("a-1",))
        assert closed.code is None
        assert await client.end() == (grpc.StatusCode.OK, "")


async def test_a_push_carries_its_cause_to_the_acknowledgement() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(CLUSTER)
        await client.ack(await client.hear())
        await rig.until(Acked)
        view = rig.client.view
        assert view is not None
        snapshot = rig.cache.snapshot("all")
        rig.server.publish(snapshot, snapshot.put([made(CLUSTER, "a")]), cause="change 7")
        await client.ack(await client.hear())
        _, acked = await rig.until(Acked, 2)
        assert acked.cause == "change 7"
        assert acked.at >= acked.sent_at


@METHODS
@pytest.mark.parametrize("node", [Node(), Node(cluster="only")])
async def test_case_01_a_a_first_request_without_a_node_ends_the_stream(method: str, node: Node) -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel, method)
        await client.ask(CLUSTER, node=node)
        code, details = await client.end()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "node" in details
        (refused,) = rig.of(StreamRefused)
        assert refused.code is Code.INVALID_ARGUMENT


@METHODS
async def test_case_01_b_the_node_is_needed_once(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel, method)
        for type_url in (CLUSTER, LISTENER):
            await client.ask(type_url)
            assert (await client.hear()).type_url == type_url


async def test_case_38_a_a_health_report_may_come_before_the_node() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(HEALTH, node=Node())
        await client.ask(CLUSTER, node=Node(id="late"))
        assert (await client.hear()).type_url == CLUSTER
        assert rig.client.node_id == "late"


async def test_case_38_b_an_unknown_type_is_told_once_and_the_stream_lives() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(CLUSTER)
        await client.hear()
        await client.ask(HEALTH, ["x"])
        await client.ask(HEALTH, ["x"])
        await client.ask(LISTENER)
        assert (await client.hear()).type_url == LISTENER
        assert len(rig.of(UnknownType)) == 1


async def test_an_empty_type_ends_the_stream() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask("")
        assert (await client.end())[0] is grpc.StatusCode.INVALID_ARGUMENT


@METHODS
async def test_garbage_ends_the_stream_and_no_other(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        healthy = WireClient(channel)
        await healthy.ask(CLUSTER)
        await healthy.ack(await healthy.hear())
        early, late = WireClient(channel, method), WireClient(channel, method)
        await early.write(b"\xff\x00garbage")
        assert (await early.end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        await late.ask(CLUSTER)
        await late.hear()
        await late.write(b"\xff\x00garbage")
        assert (await late.end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        rig.cache.update("all", [made(CLUSTER, "a")])
        assert (await healthy.hear()).names == ["a"]


async def test_an_oversized_request_ends_its_stream() -> None:
    options = ServerOptions(limits=Limits(request_bytes=10_000))
    async with serving(options=options) as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(ENDPOINT, [f"name-{number}" for number in range(3000)])
        assert (await client.end())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_too_many_names_end_the_stream() -> None:
    async with serving(options=ServerOptions(limits=Limits(names=10))) as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(ENDPOINT, [f"name-{number}" for number in range(11)])
        code, details = await client.end()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "10 names" in details


async def test_too_many_streams_are_refused() -> None:
    async with serving(options=ServerOptions(limits=Limits(streams=2))) as rig, connected(rig) as channel:
        clients = [WireClient(channel) for _ in range(2)]
        for client in clients:
            await client.ask(CLUSTER)
            await client.hear()
        third = WireClient(channel)
        assert (await third.end())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        clients[0].cancel()
        await rig.until(StreamClosed)
        fourth = WireClient(channel)
        await fourth.ask(CLUSTER)
        await fourth.hear()


async def test_a_storm_of_streams_is_refused_but_for_what_the_rate_allows() -> None:
    limits = Limits(streams_per_second=0.01, admission_wait=0.0)
    async with serving(options=ServerOptions(limits=limits)) as rig, connected(rig) as channel:
        first = WireClient(channel)
        await first.ask(CLUSTER)
        await first.hear()
        ends = await asyncio.gather(*(WireClient(channel).end() for _ in range(49)))
        assert {code for code, _ in ends} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(rig.of(StreamRefused)) == 49


async def test_a_stream_waits_for_its_turn() -> None:
    limits = Limits(streams_per_second=20, admission_wait=30.0)
    async with serving(options=ServerOptions(limits=limits)) as rig, connected(rig) as channel:
        clients = [WireClient(channel) for _ in range(25)]
        for client in clients:
            await client.ask(CLUSTER)
        await asyncio.gather(*(client.hear() for client in clients))
        assert not rig.of(StreamRefused)


# How many streams come at once, and how many are admitted per second.
STORM, RATE = (500, 25) if SOAK else (200, 100)


async def join(channel: grpc.aio.Channel) -> int:
    """Introduce oneself until a stream is admitted, as clients do; how often it took."""
    # With one request at its beginning: gRPC's client loses track of a call that ends while it writes.
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(SOTW)
    request = bytes(discovery.DiscoveryRequest(node=Node(id="one-of-many"), type_url=CLUSTER))
    for attempt in itertools.count(1):
        stream = call(request)
        started = perf_counter()
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await stream.read() is not grpc.aio.EOF:
                pass
        code = await stream.code()
        if code is grpc.StatusCode.OK:
            return attempt
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert perf_counter() - started < 1 + DEADLINE
        # What clients do between attempts: they back off, and not all for the same time.
        await asyncio.sleep(random.uniform(0.1, 1))
    raise AssertionError


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_case_28_a_storm_of_streams_is_let_in_as_the_rate_allows() -> None:
    limits = Limits(streams_per_second=RATE, admission_wait=1.0)
    async with serving(options=ServerOptions(limits=limits)) as rig, connected(rig) as channel:
        attempts = await asyncio.gather(*(join(channel) for _ in range(STORM)))
        refused = rig.of(StreamRefused)
        assert sum(attempts) - STORM == len(refused)
        assert {event.code for event in refused} <= {Code.RESOURCE_EXHAUSTED}
        opened = [event.at for event in rig.of(StreamOpened)]
        assert len(opened) == STORM
        assert opened[-1] - opened[0] >= (STORM - 1 - RATE) / RATE, "no faster than the rate allows"


class Choosy:
    """A discovery that refuses, fails or admits by the node's id."""

    def __init__(self) -> None:
        self.attached: list[Client] = []
        self.detached: list[Client] = []
        self.view = SnapshotCache().snapshot("x")

    async def attach(self, client: Client) -> View:
        await asyncio.sleep(0)
        if client.node_id == "early":
            raise StreamRejected(Code.UNAVAILABLE, "caches are not synced")
        if client.node_id == "unlucky":
            raise RuntimeError("a bug in the application")
        self.attached.append(client)
        return self.view

    def detach(self, client: Client) -> None:
        self.detached.append(client)


async def test_the_application_refuses_and_fails_without_harm() -> None:
    choosy = Choosy()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    async with serving(discovery=choosy) as rig, connected(rig) as channel:
        ends = {}
        for node_id in ("early", "unlucky"):
            client = WireClient(channel)
            await client.ask(CLUSTER, node=Node(id=node_id))
            ends[node_id] = await client.end()
        assert ends["early"] == (grpc.StatusCode.UNAVAILABLE, "caches are not synced")
        assert ends["unlucky"] == (grpc.StatusCode.INTERNAL, "internal error")
        assert [str(failure) for failure in failures] == ["a bug in the application"]
        client = WireClient(channel)
        await client.ask(CLUSTER, node=Node(id="fine"))
        await client.hear()
        await client.leave()
        await rig.until(StreamClosed)
        assert [c.node_id for c in choosy.attached] == [c.node_id for c in choosy.detached] == ["fine"]


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_stream_that_leaves_while_there_is_much_to_do_closes_in_its_turn(
    monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    choosy = Choosy()
    failures, failed = list[object](), asyncio.Event()

    def note(_: object, context: dict[str, object]) -> None:
        failures.append(context["exception"])
        failed.set()

    asyncio.get_running_loop().set_exception_handler(note)
    async with serving(discovery=choosy) as rig, connected(rig) as channel:
        client = WireClient(channel)
        await client.ask(CLUSTER)
        await client.ack(await client.hear())
        await rig.until(Acked)
        monkeypatch.setattr(Turns, "is_full", lambda _: is_full)
        await client.leave()
        await rig.until(StreamClosed)
        assert len(choosy.detached) == 1
        assert await client.end() == (grpc.StatusCode.OK, "")
        # What goes wrong in it is told as well.
        other = WireClient(channel)
        await other.ask(CLUSTER)
        await other.ack(await other.hear())
        await rig.until(Acked, 2)
        monkeypatch.setattr(Choosy, "detach", lambda *_: 1 / 0)
        await other.leave()
        async with asyncio.timeout(DEADLINE):
            await failed.wait()
        assert isinstance(failures[0], ZeroDivisionError)


async def test_case_40_one_node_may_have_two_streams() -> None:
    async with serving() as rig, connected(rig) as channel:
        first, second = WireClient(channel), WireClient(channel)
        for client in (first, second):
            await client.ask(CLUSTER)
            await client.ack(await client.hear())
        await rig.until(Acked, 2)
        first.cancel()
        await rig.until(StreamClosed)
        rig.cache.update("all", [made(CLUSTER, "a")])
        assert (await second.hear()).names == ["a"]


async def test_a_client_moves_to_another_view() -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a")])
        rig.cache.set("other", [made(CLUSTER, "b")])
        client = WireClient(channel, DELTA)
        await client.ask(CLUSTER)
        await client.ack(await client.hear())
        await rig.until(Acked)
        mover = rig.client
        rig.server.move(mover, rig.cache.snapshot("other"))
        answer = await client.hear()
        assert (answer.names, answer.removed) == (["b"], ["a"])
        await client.ack(answer)
        await rig.until(Acked, 2)
        rig.cache.update("all", [made(CLUSTER, "a", 2)])
        rig.cache.update("other", [made(CLUSTER, "c")])
        assert (await client.hear()).names == ["c"]
        client.cancel()
        await rig.until(StreamClosed)
        rig.server.move(mover, rig.cache.snapshot("all"))


@METHODS
async def test_a_bug_while_a_response_is_made_ends_that_stream_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a")])
        client, other = WireClient(channel, method), WireClient(channel, method)
        for each in (client, other):
            await each.ask(CLUSTER)
            await each.ack(await each.hear())
        await rig.until(Acked, 2)
        unlucky, choose = rig.server.clients[min(rig.server.clients)].session, Session.next_response

        def fail(session: Session, now: float) -> Sent | None:
            if session is unlucky:
                raise RuntimeError("a bug")
            return choose(session, now)

        monkeypatch.setattr(Session, "next_response", fail)
        rig.cache.update("all", [made(CLUSTER, "a", 2)])
        assert (await other.hear()).resources == {"a": b"a=2"}
        assert await client.end() == (grpc.StatusCode.INTERNAL, "internal error")
        assert [str(failure) for failure in failures] == ["a bug"]
        other.cancel()


async def test_a_failing_observer_disturbs_nobody() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail(event: Event | StreamRefused) -> None:
        raise ValueError(type(event).__name__)

    cache = SnapshotCache(wait_for_snapshot=False)
    server = XdsServer(cache, observers=[fail])
    port = await server.start("127.0.0.1:0")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = WireClient(channel)
            await client.ask(CLUSTER)
            assert (await client.hear()).names == []
    finally:
        await server.stop(0.2)
    assert "StreamOpened" in {str(failure) for failure in failures}


async def test_an_unknown_method_is_unimplemented() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel, "/envoy.service.route.v3.VirtualHostDiscoveryService/StreamVirtualHosts")
        assert (await client.end())[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    async with serving() as rig:
        with pytest.raises(OSError, match="cannot listen"):
            await XdsServer(rig.cache).start(rig.address)


async def test_a_stop_ends_streams_with_a_status_that_makes_clients_go_elsewhere() -> None:
    async with serving() as rig, connected(rig) as channel:
        clients = [WireClient(channel) for _ in range(3)]
        for client in clients:
            await client.ask(CLUSTER)
            await client.hear()
        await rig.server.stop(0.3)
        for client in clients:
            assert (await client.end())[0] is grpc.StatusCode.UNAVAILABLE
        assert not rig.server.clients


async def test_a_selective_observer_sees_what_it_wants_and_no_more() -> None:
    seen: list[type[Event | StreamRefused]] = []
    cache = SnapshotCache(wait_for_snapshot=False)
    acked = asyncio.Event()

    def note(event: Event | StreamRefused) -> None:
        seen.append(type(event))
        acked.set()

    server = XdsServer(cache, observers=[selective(note, Acked)])
    port = await server.start("127.0.0.1:0")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = WireClient(channel)
            await client.ask(CLUSTER)
            await client.ack(await client.hear())
            await asyncio.wait_for(acked.wait(), 10)
    finally:
        await server.stop(0.2)
    assert seen == [Acked]
