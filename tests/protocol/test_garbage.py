"""Whatever bytes come, the worst that happens is the end of that one stream."""

import contextlib

import envoy_data_plane.envoy.service.discovery.v3 as discovery
from envoy_data_plane.google.rpc import Status
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.models import Talk, World, made
from xds.errors import StreamRejected
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
