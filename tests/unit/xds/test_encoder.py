"""Responses are shared while somebody waits for their ACK, and have nonces of their own on every stream."""

import gc

import pytest

from xds import wire
from xds.encoder import Encoder, Library, version_of
from xds.ledger import NOTHING_HELD, Holding, Pools
from xds.resource import Resource
from xds.types import CLUSTER


def resource(name: str, content: int = 1, version: str | None = None) -> Resource:
    return Resource(CLUSTER, name, b"%d" % content, version=version)


@pytest.fixture(params=[False, True], ids=["sotw", "delta"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return Encoder(Library(), Pools(), delta=request.param)


def test_equal_resources_are_encoded_once(encoder: Encoder) -> None:
    first = encoder.response(CLUSTER, [resource("a"), resource("b")])
    assert encoder.response(CLUSTER, [resource("a"), resource("b")]) is first
    assert encoder.response(CLUSTER, [resource("a")]) is not first
    assert encoder.response(CLUSTER, [resource("a"), resource("b")], ("c",)) is not first


def test_a_stream_that_had_it_gets_another_nonce(encoder: Encoder) -> None:
    first = encoder.response(CLUSTER, [resource("a")])
    second = encoder.response(CLUSTER, [resource("a")], after=first.serial)
    assert second.nonce != first.nonce
    assert second.version == first.version


def test_nothing_is_kept_alive(encoder: Encoder) -> None:
    serial = encoder.response(CLUSTER, [resource("a")]).serial
    gc.collect()
    assert encoder.response(CLUSTER, [resource("a")]).serial > serial


def test_views_share_what_is_equal_in_them() -> None:
    library, pools = Library(), Pools()
    one, other = Encoder(library, pools, delta=True), Encoder(library, pools, delta=True)
    first = one.response(CLUSTER, [resource("a"), resource("b")])
    assert other.response(CLUSTER, [resource("a"), resource("b")]) is first
    assert other.response(CLUSTER, [resource("a"), resource("b", 2)]) is not first
    assert other.response(CLUSTER, [resource("a"), resource("b")], after=first.serial) is not first


def test_the_two_protocols_share_nothing() -> None:
    library, pools = Library(), Pools()
    sotw, delta = (Encoder(library, pools, delta=delta) for delta in (False, True))
    assert sotw.response(CLUSTER, [resource("a")]) is not delta.response(CLUSTER, [resource("a")])


def test_while_clients_come_large_ones_stay_for_those_that_come_later() -> None:
    library = Library()
    library.kept.is_open = True
    encoder = Encoder(library, Pools(), delta=True)
    large = [Resource(CLUSTER, "a", b"a" * 10_000)]
    serials = [encoder.response(CLUSTER, each).serial for each in (large, [resource("b")])]
    gc.collect()
    assert encoder.response(CLUSTER, large).serial == serials[0]
    assert encoder.response(CLUSTER, [resource("b")]).serial > serials[1]
    library.kept.age()
    library.kept.age()
    gc.collect()
    assert encoder.response(CLUSTER, large).serial > serials[1]


def test_what_those_get_who_are_there_already_is_not_kept() -> None:
    library = Library()
    library.kept.is_open = True
    encoder = Encoder(library, Pools(), delta=True)
    encoder.response(CLUSTER, [Resource(CLUSTER, "a", b"a" * 10_000)], after=1)
    assert library.kept.is_empty


def test_versions_follow_the_content() -> None:
    one, other = version_of([resource("a"), resource("b")]), version_of([resource("a"), resource("b", 2)])
    assert one != other
    assert version_of([resource("a"), resource("b")]) == one
    assert version_of([resource("a")]) == resource("a").version
    assert version_of([resource("a", 1, "7"), resource("b", 2, "7")]) == "7"
    assert version_of([]) != version_of([], ["gone"])


@pytest.mark.parametrize("sizes", [(5_000_000,), (10,) * 1_000, (1_000,) * 2_000, (10, 3_000_000, 10)])
@pytest.mark.parametrize("delta", [True, False])
def test_what_is_encoded_in_steps_is_what_protobuf_writes(sizes: tuple[int, ...], *, delta: bool) -> None:
    resources = [Resource(CLUSTER, f"n{number}", b"%d" % number * size) for number, size in enumerate(sizes)]
    response = Encoder(Library(), Pools(), delta=delta).response(CLUSTER, resources)
    steps = 1
    while not response.encode(lambda: True):
        steps += 1
    assert steps > 1
    stamp = (CLUSTER, response.version, response.nonce)
    pieces = wire.delta_pieces(stamp, resources, ()) if delta else wire.sotw_pieces(stamp, resources)
    assert response.payload == wire.join(pieces)


def test_what_clients_hold_that_accept_a_response_is_found_once(encoder: Encoder) -> None:
    pools = Pools()
    held = pools.ledger(Holding({"a": resource("a", 0), "b": resource("b")}))
    response = encoder.response(CLUSTER, [resource("a")], ("b",))
    after = response.accepted(held, pools)
    assert after.content() == {"a": resource("a")}
    assert response.accepted(held, pools) is after
    # Who held other things comes to the same.
    assert response.accepted(pools.ledger(Holding({"b": resource("b")})), pools) is after
    assert response.accepted(NOTHING_HELD, pools) is after


def test_what_is_replaced_as_a_whole_is_not_gone_through(encoder: Encoder) -> None:
    pools = Pools()
    held = pools.ledger(Holding({"a": resource("a", 0), "b": resource("b")}))
    response = encoder.response(CLUSTER, [resource("a"), resource("b"), resource("c")])
    after = response.accepted(held, pools)
    assert after.content() is response.holding
    assert encoder.response(CLUSTER, [resource("a")]).accepted(after, pools) is after


def test_a_response_may_be_all_that_a_client_holds(encoder: Encoder) -> None:
    pools = Pools()
    held = pools.ledger(Holding({"b": resource("b")}))
    response = encoder.response(CLUSTER, [resource("a")])
    assert response.accepted(held, pools, in_full=True).content() == {"a": resource("a")}
