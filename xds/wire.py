"""Bytes in, records out; resources in, bytes out.

Requests are small and are decoded by protobuf. Responses are joined from pieces that were encoded once
per resource, which gives the very bytes that protobuf itself would give.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError

from xds.errors import ProtocolViolation
from xds.node import Node
from xds.resource import Resource, length_delimited
from xds.types import TypeUrl


class Request(msgspec.Struct, frozen=True):
    """What requests of both protocols have in common. ``error`` is set on a NACK and only there."""

    type_url: TypeUrl
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


class SotwRequest(Request, frozen=True):
    """A ``DiscoveryRequest``: always lists every name that is wanted."""

    names: Sequence[str] = ()
    version: str = ""


class DeltaRequest(Request, frozen=True):
    """A ``DeltaDiscoveryRequest``: edits the subscription."""

    subscribe: Sequence[str] = ()
    unsubscribe: Sequence[str] = ()
    initial_versions: Mapping[str, str] = {}


def decode_sotw(raw: bytes) -> SotwRequest:
    """Decode a ``DiscoveryRequest``; raises ProtocolViolation when the bytes are none."""
    try:
        message = discovery_pb2.DiscoveryRequest.FromString(raw)
    except DecodeError as error:
        raise ProtocolViolation("these bytes are no DiscoveryRequest") from error
    return SotwRequest(
        type_url=TypeUrl(message.type_url),
        nonce=message.response_nonce,
        error=_error_text(message),
        node=_node(message),
        names=tuple(message.resource_names),
        version=message.version_info,
    )


def decode_delta(raw: bytes) -> DeltaRequest:
    """Decode a ``DeltaDiscoveryRequest``; raises ProtocolViolation when the bytes are none."""
    try:
        message = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
    except DecodeError as error:
        raise ProtocolViolation("these bytes are no DeltaDiscoveryRequest") from error
    return DeltaRequest(
        type_url=TypeUrl(message.type_url),
        nonce=message.response_nonce,
        error=_error_text(message),
        node=_node(message),
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
    )


def with_type(request: SotwRequest | DeltaRequest, type_url: TypeUrl | None) -> SotwRequest | DeltaRequest:
    """The request of a per-type service, which may leave its type URL out but not name another."""
    if type_url is None or request.type_url == type_url:
        return request
    if request.type_url:
        raise ProtocolViolation(f"this service serves {type_url}, not {request.type_url}")
    return msgspec.structs.replace(request, type_url=type_url)


def names_of(request: SotwRequest | DeltaRequest) -> Sequence[str]:
    """The names that a request lists or subscribes to."""
    return request.names if isinstance(request, SotwRequest) else request.subscribe


Stamp = tuple[TypeUrl, str, str]
"""Type URL, version and nonce of a response."""


def sotw_pieces(stamp: Stamp, resources: Iterable[Resource]) -> Iterator[Iterable[bytes]]:
    """A ``DiscoveryResponse``, byte for byte what protobuf would write, in pieces of a resource each."""
    type_url, version, nonce = stamp
    yield (_text(1, version),)
    for resource in resources:
        yield resource.sotw_record()
    yield (_text(4, type_url), _text(5, nonce))


def delta_pieces(stamp: Stamp, resources: Iterable[Resource], removed: Iterable[str]) -> Iterator[Iterable[bytes]]:
    """A ``DeltaDiscoveryResponse`` as protobuf would write it, in pieces of a resource each."""
    type_url, version, nonce = stamp
    yield (_text(1, version),)
    for resource in resources:
        yield resource.delta_record()
    yield (_text(4, type_url), _text(5, nonce))
    # Repeated strings, unlike single ones, are written even when they are empty.
    for name in removed:
        yield (length_delimited(6, name.encode()),)


def join(pieces: Iterable[Iterable[bytes]]) -> bytes:
    """All pieces of a response, one after the other."""
    return b"".join(chain.from_iterable(pieces))


def _text(number: int, value: str) -> bytes:
    return length_delimited(number, value.encode()) if value else b""


def _error_text(message: discovery_pb2.DiscoveryRequest | discovery_pb2.DeltaDiscoveryRequest) -> str | None:
    # xDS protocol: a NACK is told by error_detail alone, never by comparing versions.
    return message.error_detail.message if message.HasField("error_detail") else None


def _node(message: discovery_pb2.DiscoveryRequest | discovery_pb2.DeltaDiscoveryRequest) -> Node | None:
    node: base_pb2.Node = message.node
    return Node.of(node) if message.HasField("node") else None
