"""A response that brings very many resources is encoded in steps, once for all streams that need it."""

from xds.encoder import Encoder, Library
from xds.ledger import Pools
from xds.resource import Resource
from xds.types import CLUSTER
from xds.wire import delta_pieces, join

RESOURCES = [Resource(CLUSTER, f"cluster-{number}", b"body" * number) for number in range(1_000)]


def test_no_step_encodes_more_than_some_and_all_of_them_everything() -> None:
    response = Encoder(Library(), Pools(), delta=True).response(CLUSTER, RESOURCES)
    steps = 1
    while not response.encode(lambda: True):
        steps += 1
    assert steps > len(RESOURCES) // 256
    stamp = (CLUSTER, response.version, response.nonce)
    assert response.payload == join(delta_pieces(stamp, RESOURCES, ()))
    assert response.label.size == len(response.payload)


def test_streams_share_one_that_is_being_encoded() -> None:
    encoder = Encoder(Library(), Pools(), delta=True)
    first = encoder.response(CLUSTER, RESOURCES)
    first.encode(lambda: True)
    second = encoder.response(CLUSTER, RESOURCES)
    assert second is first
    while not second.encode(lambda: True):
        pass
    assert first.encode(lambda: True)


def test_whoever_keeps_it_without_its_bytes_encodes_nothing() -> None:
    response = Encoder(Library(), Pools(), delta=True).response(CLUSTER, RESOURCES)
    kept = response.without_payload()
    assert (kept.encode(lambda: True), kept.payload) == (True, b"")
    assert response.payload
