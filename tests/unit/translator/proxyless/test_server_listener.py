"""The listeners of gRPC servers, by the names that gRPC makes of their addresses."""

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from translator.proxyless.server_listener import SERVER_LISTENER_TEMPLATE, server_listener


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("10.0.0.1:8080", "10.0.0.1", 8080), ("127.0.0.1:1", "127.0.0.1", 1), ("[fd00::1]:50051", "fd00::1", 50051)],
)
def test_a_server_takes_every_call(address: str, host: str, port: int) -> None:
    name = SERVER_LISTENER_TEMPLATE % address
    resource = server_listener(name)
    assert resource is not None
    listener = Listener.FromString(resource.body)
    socket = listener.address.socket_address
    assert (listener.name, socket.address, socket.port_value) == (name, host, port)
    manager = HttpConnectionManager()
    listener.filter_chains[0].filters[0].typed_config.Unpack(manager)
    ((route,),) = [host.routes for host in manager.route_config.virtual_hosts]
    assert route.HasField("non_forwarding_action")
    assert [each.name for each in manager.http_filters] == ["envoy.filters.http.router"]
    assert not listener.listener_filters


@pytest.mark.parametrize(
    "name", ["web.default.svc.cluster.local:80", *(SERVER_LISTENER_TEMPLATE % bad for bad in ("", "x:80", "1.2.3.4:0"))]
)
def test_other_names_are_no_servers(name: str) -> None:
    assert server_listener(name) is None
