"""Listeners of gRPC servers: how an application without proxy treats the calls that come to it.

gRPC asks for one by the address that the server listens on, in the template of its bootstrap, and takes no call
before it has it. Nothing is refused here; calls are not encrypted.
"""

from ipaddress import ip_address
from typing import Final

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import NonForwardingAction, Route, RouteMatch, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from translator.http_filters import router
from translator.http_filters.filter import build_http_filter
from translator.pb import encode, pack
from xds.resource import Resource
from xds.types import LISTENER

# Istio: the names of server listeners are this and the address.
_PREFIX: Final = "xds.istio.io/grpc/lds/inbound/"
SERVER_LISTENER_TEMPLATE: Final = f"{_PREFIX}%s"

_MANAGER: Final = "envoy.filters.network.http_connection_manager"


def server_listener(name: str) -> Resource | None:
    """The listener of a server by the name that gRPC makes from its address; None for other names."""
    host, _, port = name.removeprefix(_PREFIX).rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not name.startswith(_PREFIX) or not _is_address(host, port):
        return None
    return Resource(LISTENER, name, encode(build_server_listener(name, host, int(port))))


def build_server_listener(name: str, host: str, port: int) -> Listener:
    """A listener that takes every call. gRPC refuses listener filters, and an address that is not the server's own."""
    call = Route(match=RouteMatch(prefix="/"), non_forwarding_action=NonForwardingAction())
    manager = HttpConnectionManager(
        stat_prefix="inbound",
        route_config=RouteConfiguration(
            name="inbound", virtual_hosts=[VirtualHost(name="inbound", domains=["*"], routes=[call])]
        ),
        http_filters=[build_http_filter(router.NAME, Router())],
    )
    listener = Listener(name=name, traffic_direction=TrafficDirection.INBOUND)
    listener.address.socket_address.address = host
    listener.address.socket_address.port_value = port
    listener.filter_chains.add().filters.add(name=_MANAGER, typed_config=pack(manager))
    return listener


def _is_address(host: str, port: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
