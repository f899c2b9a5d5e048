"""Responses are taken apart without reading them, and read once for all proxies that get the same."""

from collections.abc import Sequence

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import Message

from fairlead.bench.content import Reader, split, split_name
from fairlead.bench.marker import marker
from xds.types import CLUSTER, ENDPOINT


def cluster(name: str, service: str = "") -> cluster_pb2.Cluster:
    found = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    found.eds_cluster_config.eds_config.ads.SetInParent()
    found.eds_cluster_config.service_name = service
    return found


def delta_response(type_url: str, messages: Sequence[Message], nonce: str = "7", removed: Sequence[str] = ()) -> bytes:
    response = discovery_pb2.DeltaDiscoveryResponse(
        type_url=type_url, nonce=nonce, system_version_info="v1", removed_resources=removed
    )
    for message in messages:
        body = message.SerializeToString()
        added = response.resources.add(name=split_name(body), version=f"of {split_name(body)}")
        added.resource.type_url, added.resource.value = type_url, body
    return response.SerializeToString()


def test_a_delta_response_is_taken_apart() -> None:
    stamp, raw, start, end = split(delta_response(CLUSTER, [cluster("a")], removed=["b"]), delta=True)
    assert stamp == (CLUSTER, "v1", "7", ("b",))
    content = Reader().read(split(raw, delta=True), delta=True)
    assert raw[start:end].startswith(b"\x12")
    assert {name: part.version for name, part in content.parts.items()} == {"a": "of a"}


def test_a_state_of_the_world_response_is_taken_apart() -> None:
    response = discovery_pb2.DiscoveryResponse(type_url=CLUSTER, nonce="7", version_info="v" * 200)
    response.resources.add(type_url=CLUSTER, value=cluster("a").SerializeToString())
    reply = split(response.SerializeToString(), delta=False)
    assert reply.stamp == (CLUSTER, "v" * 200, "7", ())
    assert set(Reader().read(reply, delta=False).parts) == {"a"}


def test_fields_in_another_order_are_understood_too() -> None:
    raw = delta_response(CLUSTER, [cluster("a")])
    head = discovery_pb2.DeltaDiscoveryResponse(type_url=CLUSTER, nonce="8").SerializeToString()
    body = discovery_pb2.DeltaDiscoveryResponse(
        resources=discovery_pb2.DeltaDiscoveryResponse.FromString(raw).resources
    ).SerializeToString()
    reply = split(head + body, delta=True)
    assert (reply.stamp.type_url, reply.stamp.nonce) == (CLUSTER, "8")
    assert set(Reader().read(reply, delta=True).parts) == {"a"}


def test_equal_resources_are_read_once() -> None:
    reader = Reader()
    first, second = (
        reader.read(split(delta_response(CLUSTER, [cluster("a")], nonce=nonce), delta=True), delta=True)
        for nonce in ("1", "2")
    )
    assert first is second


def test_what_a_cluster_refers_to() -> None:
    content = Reader().read(split(delta_response(CLUSTER, [cluster("a"), cluster("b", "c")]), delta=True), delta=True)
    assert [dict(part.references) for part in content.parts.values()] == [{ENDPOINT: {"a"}}, {ENDPOINT: {"c"}}]


def test_changes_are_seen_in_endpoints() -> None:
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name="a")
    address = assignment.endpoints.add().lb_endpoints.add().endpoint.address.socket_address
    address.address, address.port_value = marker(77), 80
    content = Reader().read(split(delta_response(ENDPOINT, [assignment]), delta=True), delta=True)
    assert content.markers == {77}


@pytest.mark.parametrize("raw", [b"\x0a\x05ab", b"\xff\xff\xff"])
def test_bytes_that_are_no_response(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no discovery response"):
        split(raw, delta=True)
