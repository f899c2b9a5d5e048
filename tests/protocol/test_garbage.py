"""Whatever bytes come, the worst that happens is the end of that one stream."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.google.rpc import Status
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import FUZZ
from tests.protocol.models import Talk, World, made
from tests.protocol.wire_client import DELTA, SOTW, Rig, WireClient, connected, serving
from xds.errors import Code, StreamRejected
from xds.events import RequestReceived, StreamClosed, StreamRefused
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET
from xds.wire import decode_delta, decode_sotw

names = st.lists(st.sampled_from(["a", "b", "*", "", "\N{SNOWMAN}", "a" * 300]), max_size=4)
types = st.sampled_from([CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, "", "unknown"])
nonces = st.sampled_from(["", "1", "2", "3", "z"])
errors = st.one_of(st.none(), st.sampled_from(["", "a: bad", "\x00"]).map(lambda text: Status(message=text)))
sotw = st.builds(
    discovery.DiscoveryRequest, type_url=types, resource_names=names, response_nonce=nonces, error_detail=errors
).map(bytes)
delta = st.builds(
    discovery.DeltaDiscoveryRequest,
    type_url=types,
    resource_names_subscribe=names,
    resource_names_unsubscribe=names,
    initial_resource_versions=st.dictionaries(st.sampled_from(["a", "b", "gone"]), st.text(max_size=3), max_size=3),
    response_nonce=nonces,
    error_detail=errors,
).map(bytes)


def damaged(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Valid messages, messages with some bytes replaced, cut or doubled, and noise."""

    def damage(raw: bytes, position: int, noise: bytes) -> bytes:
        cut = position % (len(raw) + 1)
        return raw[:cut] + noise + raw[cut + len(noise) :]

    return st.one_of(
        valid,
        st.builds(damage, valid, st.integers(0, 1000), st.binary(min_size=1, max_size=4)),
        st.tuples(valid, valid).map(b"".join),
        st.binary(max_size=60),
    )


def converse(talk: Talk, messages: list[bytes]) -> None:
    decode = decode_delta if talk.delta else decode_sotw
    with contextlib.suppress(StreamRejected):
        for raw in messages:
            talk.session.receive(decode(raw), talk.now)
            talk.hear()
            talk.now += 1


def served() -> World:
    world = World()
    world.put(*(made(type_url, name) for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE) for name in "ab"))
    return world


@given(st.lists(damaged(sotw), max_size=8))
def test_state_of_the_world(messages: list[bytes]) -> None:
    check_neighbour(messages, delta=False)


@given(st.lists(damaged(delta), max_size=8))
def test_delta(messages: list[bytes]) -> None:
    check_neighbour(messages, delta=True)


def check_neighbour(messages: list[bytes], *, delta: bool) -> None:
    """A healthy stream of the same View gets every change while another one talks nonsense."""
    world = served()
    healthy = Talk(world, delta=False)
    healthy.ask(CLUSTER)
    healthy.settle()
    converse(Talk(world, delta=delta), messages)
    world.put(made(CLUSTER, "a", 2))
    assert healthy.listen(CLUSTER).resources == {"a": b"a=2", "b": b"b=1"}


MESSAGES = 10_000 if FUZZ else 500
NODE = Node(id="confused", cluster="tests")


def valid_requests(chance: random.Random, *, delta: bool) -> Iterator[bytes]:
    """Requests that make sense, the first of which says who is there."""
    node: Node | None = NODE
    while True:
        names = chance.sample(["a", "b", "*", "", "c" * 300], chance.randrange(4))
        facts = {
            "node": node,
            "type_url": chance.choice((CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)),
            "response_nonce": chance.choice(("", "1", "2", "f")),
            "error_detail": chance.choice((None, Status(message="a: bad"))),
        }
        if delta:
            yield bytes(discovery.DeltaDiscoveryRequest(resource_names_subscribe=names, **facts))  # type: ignore[arg-type]
        else:
            yield bytes(discovery.DiscoveryRequest(resource_names=names, **facts))  # type: ignore[arg-type]
        node = None


def damage(chance: random.Random, raw: bytes) -> bytes:
    """A request with bytes changed, cut or doubled, or noise."""
    kind = chance.random()
    if kind < 0.3:
        return chance.randbytes(chance.randrange(1, 80))
    if kind < 0.4:
        return raw[: chance.randrange(len(raw) + 1)]
    if kind < 0.5:
        return raw + raw
    mutated = bytearray(raw)
    for _ in range(chance.randrange(1, 5)):
        mutated[chance.randrange(len(mutated))] = chance.randrange(256)
    return bytes(mutated)


def garbage(chance: random.Random, *, delta: bool) -> list[bytes]:
    """What one stream says: any number of requests that make sense, then one that was damaged."""
    # No more after it: gRPC's client loses track of a call that ends while it writes.
    *sound, last = itertools.islice(valid_requests(chance, delta=delta), chance.randrange(1, 9))
    return [*sound, damage(chance, last)]


async def babble(channel: grpc.aio.Channel, method: str, messages: Sequence[bytes]) -> None:
    """Send these on a stream of their own and read what comes of it, until the stream ends."""
    client = WireClient(channel, method)
    for raw in messages:
        await client.write(raw)
    with contextlib.suppress(asyncio.InvalidStateError):
        await client.leave()
    await client.drain()


def taken(rig: Rig) -> int:
    """How many messages the server has read so far: those that it understood, and those that ended a stream."""
    ends = [event for event in (*rig.of(StreamRefused), *rig.of(StreamClosed)) if event.code is not None]
    return len(rig.of(RequestReceived)) + len(ends)


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
async def test_a_running_server_survives_it_and_serves_the_others() -> None:
    """Healthy streams get every change, in order and once, while thousands of messages come in on other streams."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    chance = random.Random(7)
    async with serving() as rig, connected(rig) as quiet, connected(rig) as noisy:
        rig.cache.set("all", [made(t, name) for t in (CLUSTER, ENDPOINT, LISTENER, ROUTE) for name in ("a", "b")])
        healthy = [WireClient(quiet, method) for method in (SOTW, DELTA)]
        for client in healthy:
            await client.ask(CLUSTER)
            await client.ack(await client.hear())
        step = 1
        while taken(rig) < MESSAGES:
            step += 1
            methods = (SOTW, DELTA) * 4
            noise = asyncio.gather(*(babble(noisy, each, garbage(chance, delta=each is DELTA)) for each in methods))
            rig.cache.update("all", [made(CLUSTER, "a", step)])
            for client in healthy:
                answer = await client.hear()
                assert answer.resources["a"] == b"a=%d" % step
                await client.ack(answer)
            await noise
        assert not failures
        assert {closed.code for closed in rig.of(StreamClosed)} == {None, Code.INVALID_ARGUMENT}
