"""Joined responses are what protobuf would write; requests are read as they were written."""

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2
from hypothesis import given
from hypothesis import strategies as st

from xds import wire
from xds.errors import ProtocolViolation
from xds.resource import Resource, varint
from xds.types import CLUSTER, ENDPOINT, LISTENER, TypeUrl

resources = st.builds(
    Resource,
    st.sampled_from([CLUSTER, ENDPOINT, TypeUrl("t")]),
    st.text(max_size=20),
    st.binary(max_size=300),
    version=st.one_of(st.none(), st.text(max_size=5)),
)


@given(st.text(max_size=10), st.text(max_size=10), st.lists(resources, max_size=5))
def test_a_joined_response_is_protobufs_own(version: str, nonce: str, some: list[Resource]) -> None:
    expected = discovery_pb2.DiscoveryResponse(
        version_info=version,
        type_url=CLUSTER,
        nonce=nonce,
        resources=[any_pb2.Any(type_url=r.type_url, value=r.body) for r in some],
    )
    assert wire.join(wire.sotw_pieces((CLUSTER, version, nonce), some)) == expected.SerializeToString(
        deterministic=True
    )


@given(st.text(max_size=10), st.lists(resources, max_size=5), st.lists(st.text(max_size=10), max_size=3))
def test_a_joined_delta_response_is_protobufs_own(version: str, some: list[Resource], removed: list[str]) -> None:
    expected = discovery_pb2.DeltaDiscoveryResponse(
        system_version_info=version,
        type_url=ENDPOINT,
        nonce="7",
        removed_resources=removed,
        resources=[
            discovery_pb2.Resource(
                name=r.name, version=r.version, resource=any_pb2.Any(type_url=r.type_url, value=r.body)
            )
            for r in some
        ],
    )
    assert wire.join(wire.delta_pieces((ENDPOINT, version, "7"), some, removed)) == expected.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_sizes_around_the_steps_of_the_length_prefix(size: int) -> None:
    resource = Resource(LISTENER, "l", b"x" * size)
    stamp = (LISTENER, "1", "n")
    message = discovery_pb2.DiscoveryResponse.FromString(wire.join(wire.sotw_pieces(stamp, [resource])))
    assert message.resources[0].value == resource.body
    delta = discovery_pb2.DeltaDiscoveryResponse.FromString(
        wire.join(wire.delta_pieces((LISTENER, "1", "n"), [resource], ()))
    )
    assert delta.resources[0].resource.value == resource.body


@given(st.integers(0, 2**63))
def test_varints(value: int) -> None:
    message = any_pb2.Any.FromString(b"\x12" + varint(0) + b"\x18" + varint(value))
    assert message.value == b""


def test_a_request_is_read() -> None:
    request = discovery_pb2.DiscoveryRequest(
        version_info="3", resource_names=["b", "a"], type_url=CLUSTER, response_nonce="n", node={"id": "me"}
    )
    read = wire.decode_sotw(request.SerializeToString())
    assert (read.version, read.names, read.type_url, read.nonce, read.error) == ("3", ("b", "a"), CLUSTER, "n", None)
    assert read.node is not None
    assert read.node.id == "me"
    assert read.node.message == base_pb2.Node(id="me")


def test_an_error_detail_without_text_is_still_a_refusal() -> None:
    request = discovery_pb2.DiscoveryRequest(type_url=CLUSTER, error_detail=status_pb2.Status())
    assert wire.decode_sotw(request.SerializeToString()).error == ""


def test_a_delta_request_is_read() -> None:
    request = discovery_pb2.DeltaDiscoveryRequest(
        type_url=CLUSTER,
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
        response_nonce="n",
        error_detail=status_pb2.Status(message="no"),
    )
    read = wire.decode_delta(request.SerializeToString())
    assert (read.subscribe, read.unsubscribe, read.initial_versions) == (("a",), ("b",), {"c": "1"})
    assert (read.nonce, read.error, read.node) == ("n", "no", None)


@pytest.mark.parametrize("decode", [wire.decode_sotw, wire.decode_delta])
def test_other_bytes_are_refused(decode: object) -> None:
    assert callable(decode)
    with pytest.raises(ProtocolViolation):
        decode(b"\xff\xff\xff")


def test_a_service_for_one_type_implies_it() -> None:
    request = wire.SotwRequest(TypeUrl(""))
    assert wire.with_type(request, CLUSTER).type_url == CLUSTER
    assert wire.with_type(request, None) is request
    with pytest.raises(ProtocolViolation, match="serves"):
        wire.with_type(wire.SotwRequest(LISTENER), CLUSTER)
