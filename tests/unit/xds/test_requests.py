"""Equal answers are read once; whatever says who a client is, is read every time."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import Message

from xds.errors import ProtocolViolation
from xds.methods import METHODS
from xds.requests import RequestReader
from xds.types import CLUSTER, ENDPOINT

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
CDS = "/envoy.service.cluster.v3.ClusterDiscoveryService"

REQUESTS: dict[str, type[Message]] = {
    f"{ADS}/StreamAggregatedResources": discovery_pb2.DiscoveryRequest,
    f"{ADS}/DeltaAggregatedResources": discovery_pb2.DeltaDiscoveryRequest,
}


@pytest.mark.parametrize("method", REQUESTS)
def test_equal_answers_are_read_once(method: str) -> None:
    reader = RequestReader(METHODS[method])
    raw, other = (REQUESTS[method](type_url=ENDPOINT, response_nonce=nonce).SerializeToString() for nonce in ("1", "2"))
    first = reader.read(raw)
    assert (first.type_url, first.nonce) == (ENDPOINT, "1")
    assert reader.read(bytes(bytearray(raw))) is first
    assert reader.read(other).nonce == "2"


@pytest.mark.parametrize("method", REQUESTS)
def test_what_asks_or_introduces_is_read_every_time(method: str) -> None:
    reader = RequestReader(METHODS[method])
    for fields in ({"type_url": CLUSTER}, {"type_url": CLUSTER, "response_nonce": "1", "node": {"id": "a"}}):
        raw = REQUESTS[method](**fields).SerializeToString()
        assert reader.read(raw) is not reader.read(raw)


def test_a_long_request_is_read_once_while_clients_come() -> None:
    reader = RequestReader(METHODS[f"{ADS}/DeltaAggregatedResources"])
    names = [f"outbound|8000||service-{number}.default.svc.cluster.local" for number in range(200)]
    raw = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT, resource_names_subscribe=names).SerializeToString()
    assert reader.read(raw) is not reader.read(raw)
    reader.kept.is_open = True
    assert reader.read(raw) is reader.read(bytes(bytearray(raw)))
    introduction = discovery_pb2.DeltaDiscoveryRequest(
        type_url=ENDPOINT, resource_names_subscribe=names, node={"id": "a"}
    ).SerializeToString()
    assert reader.read(introduction) is not reader.read(introduction)


def test_only_so_many_are_remembered() -> None:
    reader = RequestReader(METHODS[f"{ADS}/DeltaAggregatedResources"])
    raws = [
        discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT, response_nonce=f"{number}").SerializeToString()
        for number in range(1_000)
    ]
    first = reader.read(raws[0])
    assert [reader.read(raw).nonce for raw in raws] == [f"{number}" for number in range(1_000)]
    assert reader.read(raws[0]) is not first


def test_the_service_of_one_type_implies_it_in_answers_too() -> None:
    reader = RequestReader(METHODS[f"{CDS}/DeltaClusters"])
    raw = discovery_pb2.DeltaDiscoveryRequest(response_nonce="1").SerializeToString()
    assert reader.read(raw).type_url == CLUSTER
    assert reader.read(raw).type_url == CLUSTER
    with pytest.raises(ProtocolViolation):
        reader.read(discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT, response_nonce="1").SerializeToString())
