"""Who sends requests to endpoints that are gone is told before everybody else, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.core.v3 import Node

from tests.protocol.models import made
from tests.protocol.wire_client import DELTA, SOTW, Rig, WireClient, connected, serving
from xds.arrivals import Arrivals
from xds.encoder import Response
from xds.events import Acked, Event, RequestReceived, ResponseSent, StreamRefused
from xds.restraint import Restraint
from xds.stream import Stream
from xds.types import CLUSTER, ENDPOINT
from xds.urgency import Urgency

METHODS = pytest.mark.parametrize("method", [SOTW, DELTA])
# So many are woken in one round of the event loop at the most, and one of so many gets a turn who waits for less.
AT_ONCE, SHARE = 64, 8


def assignment(name: str, *ports: int) -> ClusterLoadAssignment:
    """One endpoint for every port."""
    message = ClusterLoadAssignment(cluster_name=name)
    for port in ports:
        endpoint = LbEndpoint()
        endpoint.endpoint.address.socket_address.port_value = port
        message.endpoints.add(lb_endpoints=[endpoint])
    return message


@asynccontextmanager
async def crowd(rig: Rig, method: str, names: Iterable[Iterable[str]]) -> AsyncIterator[list[WireClient]]:
    """One stream for each of these, which uses the endpoints of these names; all have what there is."""
    acknowledged = len(rig.of(Acked))
    async with connected(rig) as channel:
        clients = []
        for number, wanted in enumerate(names):
            client = WireClient(channel, method)
            await client.ask(ENDPOINT, wanted, node=Node(id=f"{number}", cluster="tests"))
            await client.ack(await client.hear(), wanted)
            clients.append(client)
        await rig.until(Acked, acknowledged + len(clients))
        yield clients
        for client in clients:
            client.cancel()


def receivers(rig: Rig, since: int) -> list[int]:
    """Who was sent something, in order."""
    return [int(event.client.node_id) for event in rig.of(ResponseSent)[since:]]


@METHODS
async def test_a_loss_overtakes_what_a_thousand_wait_for(method: str) -> None:
    everybody, losing = 300, range(240, 280)
    names = [("grows", "shrinks") if number in losing else ("grows",) for number in range(everybody)]
    async with serving() as rig:
        rig.cache.set("all", [assignment("grows", 1), assignment("shrinks", 1, 2)])
        async with crowd(rig, method, names):
            before = len(rig.of(ResponseSent))
            # All of them are in the queue when those who lose something come to it, and these among them.
            rig.cache.update("all", [assignment("grows", 1, 2)])
            rig.cache.update("all", [assignment("shrinks", 1)])
            await rig.until(ResponseSent, before + everybody)
            order = receivers(rig, before)
            assert sorted(order) == list(range(everybody))
            told = [order.index(number) for number in losing]
            assert max(told) < AT_ONCE + len(losing) * SHARE / (SHARE - 1) + 1


@METHODS
async def test_those_who_gain_get_on_while_others_lose_without_end(method: str) -> None:
    gaining, losing = range(20), range(20, 80)
    names = [("grows",) if number in gaining else ("shrinks",) for number in range(80)]
    everything = list(range(1, 400))
    async with serving() as rig:
        rig.cache.set("all", [assignment("grows", 1), assignment("shrinks", *everything)])
        async with crowd(rig, method, names) as clients:
            before = len(rig.of(ResponseSent))

            async def follow(client: WireClient) -> None:
                while True:
                    answer = await client.hear()
                    # Whoever knows of one loss is in the queue for the next.
                    everything.pop()
                    rig.cache.update("all", [assignment("shrinks", *everything)])
                    await client.ack(answer, ["shrinks"])

            following = [asyncio.create_task(follow(clients[number])) for number in losing]
            everything.pop()
            rig.cache.update("all", [assignment("shrinks", *everything)])
            rig.cache.update("all", [assignment("grows", 1, 2)])
            for number in gaining:
                await clients[number].hear()
            for each in following:
                each.cancel()
            await asyncio.wait(following)
            order = receivers(rig, before)
            positions = [at for at, number in enumerate(order) if number in gaining]
            assert max(after - before for before, after in pairwise(positions)) <= AT_ONCE


@METHODS
async def test_a_crowd_that_comes_does_not_hold_back_a_loss(method: str) -> None:
    settled, coming = 40, 150
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [assignment("a", 1, 2), *(assignment(f"{n}", *range(100)) for n in range(50))])
        async with crowd(rig, method, [("a",)] * settled):
            before = len(rig.of(ResponseSent))
            newcomers = [WireClient(channel, method) for _ in range(coming)]
            names = [f"{n}" for n in range(50)]

            def lose(event: Event | StreamRefused) -> None:
                if isinstance(event, ResponseSent) and len(rig.of(ResponseSent)) == before + 1:
                    # The first of them is just getting its first response.
                    rig.cache.update("all", [assignment("a", 1)])

            rig.observers.append(lose)
            async with asyncio.TaskGroup() as tasks:
                for number, client in enumerate(newcomers):
                    node = Node(id=f"{settled + number}", cluster="tests")
                    tasks.create_task(client.ask(ENDPOINT, names, node=node))
            await rig.until(ResponseSent, before + settled + coming)
            order = receivers(rig, before)
            told = [at for at, number in enumerate(order) if number < settled]
            assert len(told) == settled
            assert max(told) < AT_ONCE + settled * SHARE / (SHARE - 1) + 1
            for client in newcomers:
                client.cancel()


class Crowded(Arrivals):
    """Somebody comes all the time, and nobody is let go."""

    def is_crowd(self, now: float) -> bool:
        return True


@METHODS
async def test_who_gives_way_to_others_is_told_of_a_loss_at_once(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.gate.Arrivals", lambda writes: Crowded(writes, patience=3600))
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a"), assignment("a", 1, 2)])
        client = WireClient(channel, method)
        await client.ask(ENDPOINT, ["a"])
        await client.ack(await client.hear(), ["a"])
        await client.ask(CLUSTER)
        await rig.until(RequestReceived, 3)
        rig.cache.update("all", [assignment("a", 1)])
        heard = [await client.hear(), await client.hear()]
        assert {answer.type_url for answer in heard} == {CLUSTER, ENDPOINT}
        client.cancel()


@METHODS
async def test_a_loss_is_urgent_also_when_it_comes_while_a_response_is_encoded(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [assignment("a", 1, 2)])
        encode, urgencies = Response.encode, list[Urgency]()

        def note(event: Event | StreamRefused) -> None:
            if isinstance(event, ResponseSent):
                (stream,) = rig.server._gate.streams
                assert isinstance(stream, Stream)
                urgencies.append(stream._urgency)

        def lose(response: Response, *is_due: Callable[[], bool]) -> bool:
            # It is chosen when the stream goes on encoding it.
            if is_due and not rig.observers:
                rig.observers.append(note)
                rig.cache.update("all", [assignment("a", 1)])
            return encode(response, *is_due)

        # It is large enough to be encoded in steps.
        monkeypatch.setattr("xds.encoder._BYTES_AT_ONCE", 1)
        monkeypatch.setattr(Response, "encode", lose)
        client = WireClient(channel, method)
        await client.ask(ENDPOINT, ["a"])
        await client.ack(await client.hear(), ["a"])
        await client.hear()
        assert urgencies == [Urgency.LOSS, Urgency.REST]
        client.cancel()


class Restrained(Restraint):
    """A server that always has its hands full."""

    def __init__(self) -> None:
        super().__init__()
        self.pause = 3600.0

    def note(self) -> None:
        pass


@METHODS
async def test_while_the_server_has_its_hands_full_changes_of_endpoints_wait_and_nothing_else(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restraint = Restrained()
    monkeypatch.setattr("xds.gate.Restraint", lambda: restraint)
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a"), assignment("a", 1), assignment("b", 1)])
        client = WireClient(channel, method)
        await client.ask(CLUSTER)
        await client.ack(await client.hear())
        await client.ask(ENDPOINT, ["a"])
        answer = await client.hear()
        await client.ack(answer, ["a"])
        await rig.until(Acked, 2)
        rig.cache.update("all", [assignment("a", 1, 2)])
        rig.cache.update("all", [made(CLUSTER, "a", 2)])
        changed = await client.hear()
        assert changed.type_url == CLUSTER
        # The cluster's endpoints follow it, with what has changed.
        await client.ack(changed)
        assert list((await client.hear()).resources.values()) == [assignment("a", 1, 2).SerializeToString()]
        client.cancel()


@METHODS
async def test_who_waits_is_told_of_all_changes_when_the_server_has_room(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restraint = Restrained()
    monkeypatch.setattr("xds.gate.Restraint", lambda: restraint)
    async with serving() as rig, connected(rig) as channel:
        names = ("a", "b")
        rig.cache.set("all", [assignment(name, 1, 2) for name in names])
        client = WireClient(channel, method)
        await client.ask(ENDPOINT, names)
        await client.ack(await client.hear(), names)
        await rig.until(Acked)
        # The first loss does not wait; the second does, for the first, and with it all else.
        rig.cache.update("all", [assignment("a", 2)])
        await client.ack(await client.hear(), names)
        await rig.until(Acked, 2)
        for change in (assignment("b", 1), assignment("a", 2, 3)):
            rig.cache.update("all", [change])
            # The stream has its turn, and waits.
            await asyncio.sleep(0.01)
        assert len(rig.of(ResponseSent)) == 2
        restraint.pause = 0.0
        heard = await client.hear()
        expected = {assignment("b", 1).SerializeToString(), assignment("a", 2, 3).SerializeToString()}
        assert set(heard.resources.values()) == expected
        client.cancel()
