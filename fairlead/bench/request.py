"""Requests of a proxy, put together from encoded pieces as cheaply as responses are."""

from functools import lru_cache

from fairlead.bench.content import Names, Stamp
from fairlead.bench.holding import Holding
from xds.resource import length_delimited
from xds.types import TypeUrl

SOTW_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
DELTA_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


def sotw_request(type_url: TypeUrl, names: Names, answered: Stamp | None, node: bytes = b"") -> bytes:
    """A ``DiscoveryRequest``: an ACK of the last response of its type if there was one."""
    pieces = [_text(1, answered.version)] if answered else []
    pieces += (node, _names(3, names), _text(4, type_url))
    if answered:
        pieces.append(_text(5, answered.nonce))
    return b"".join(pieces)


def delta_ack(stamp: Stamp) -> bytes:
    """A ``DeltaDiscoveryRequest`` that accepts a response."""
    return _text(2, stamp.type_url) + _text(6, stamp.nonce)


def delta_request(
    type_url: TypeUrl,
    subscribe: Names,
    unsubscribe: Names = frozenset(),
    held: Holding | None = None,
    node: bytes = b"",
) -> bytes:
    """A ``DeltaDiscoveryRequest`` that edits a subscription; on a new stream it says what is ``held`` from before."""
    versions = _versions(held) if held is not None and held.parts else b""
    return b"".join((node, _text(2, type_url), _names(3, subscribe), _names(4, unsubscribe), versions))


@lru_cache(maxsize=512)
def _names(number: int, names: Names) -> bytes:
    return b"".join(length_delimited(number, name.encode()) for name in sorted(names))


@lru_cache(maxsize=512)
def _versions(held: Holding) -> bytes:
    """``initial_resource_versions``: a map is a list of entries with a key and a value."""
    entries = (_text(1, name) + _text(2, part.version) for name, part in held.parts.items())
    return b"".join(length_delimited(5, entry) for entry in entries)


def _text(number: int, value: str) -> bytes:
    return length_delimited(number, value.encode()) if value else b""
