"""What an HTTP filter may know of the connection manager that it is part of."""

import enum

import msgspec
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf.message import Message

from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies
from translator.pb import pack


class Side(enum.StrEnum):
    """Which traffic a connection manager handles."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    GATEWAY = "gateway"


class FilterInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the filters of one connection manager depend on. ``protocols`` are those declared for its ports.

    ``dynamic_hosts`` are services that stand for all names below a suffix, to be resolved as they are requested.
    ``debug_headers``: Envoy's own headers (x-envoy-...) go to upstreams and clients.
    ``access_rules``: encoded configurations of access control, in order.
    """

    side: Side
    protocols: frozenset[Protocol] = frozenset()
    dynamic_hosts: tuple[str, ...] = ()
    families: IpFamilies = IpFamilies.V4
    debug_headers: bool = True
    access_rules: tuple[bytes, ...] = ()


def build_http_filter(name: str, config: Message) -> http_connection_manager_pb2.HttpFilter:
    """A filter of a chain, by name and configuration."""
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=pack(config))
