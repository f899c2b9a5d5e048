"""Scoped routes, a runtime layer and an extension's configuration, from a SnapshotCache to a real Envoy."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf.message import Message

from fairlead.mesh.clients import Request
from fairlead.mesh.traffic import Answer
from tests.protocol.envoys import Edge, running_edge
from tests.protocol.messages import ads
from xds.events import Acked, Nacked
from xds.types import EXTENSION_CONFIG, RUNTIME, SCOPED_ROUTE

pytestmark = pytest.mark.envoy

LAYER = "live"
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
RUNTIME_LAYERS = {
    "layered_runtime": {
        "layers": [
            {
                "name": LAYER,
                "rtds_layer": {"name": LAYER, "rtds_config": {"ads": {}, "resource_api_version": "V3"}},
            }
        ]
    }
}


def front(address: str) -> listener_pb2.Listener:
    """A listener whose routes depend on a header, with a filter whose configuration comes by itself."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="front")
    scopes = manager.scoped_routes
    scopes.name = "by-header"
    scopes.rds_config_source.CopyFrom(ads())
    scopes.scoped_rds.scoped_rds_config_source.CopyFrom(ads())
    header = scopes.scope_key_builder.fragments.add().header_value_extractor
    header.name, header.index = "x-scope", 0
    gate = manager.http_filters.add(name="gate").config_discovery
    gate.config_source.CopyFrom(ads())
    gate.type_urls.append(FAULT)
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name="front")
    ip, _, port = address.rpartition(":")
    made.address.socket_address.address, made.address.socket_address.port_value = ip, int(port)
    chain = made.filter_chains.add()
    chain.filters.add(name="envoy.filters.network.http_connection_manager").typed_config.Pack(manager)
    return made


def scope(key: str, table: str) -> scoped_route_pb2.ScopedRouteConfiguration:
    """Requests with this header's value go by this table."""
    made = scoped_route_pb2.ScopedRouteConfiguration(name=f"scope-{key}", route_configuration_name=table)
    made.key.fragments.add(string_key=key)
    return made


def table(name: str) -> route_pb2.RouteConfiguration:
    """A table that answers with its own name."""
    made = route_pb2.RouteConfiguration(name=name)
    route = made.virtual_hosts.add(name="all", domains=["*"]).routes.add(match={"prefix": "/"})
    route.direct_response.status = 200
    route.direct_response.body.inline_string = name
    return made


def gate(status: int) -> extension_pb2.TypedExtensionConfig:
    """A filter that aborts as many per cent of the requests as the runtime says."""
    fault = fault_pb2.HTTPFault(abort_percent_runtime="gate.abort")
    fault.abort.http_status = status
    made = extension_pb2.TypedExtensionConfig(name="gate")
    made.typed_config.Pack(fault)
    return made


def runtime(percent: int) -> rtds_pb2.Runtime:
    """The runtime layer."""
    made = rtds_pb2.Runtime(name=LAYER)
    made.layer.update({"gate.abort": percent})
    return made


def is_answer(answer: Answer, *, status: int, body: str) -> bool:
    return answer.status == status and answer.body.decode() in (body, body or answer.body.decode())


async def expect(edge: Edge, scopes: Mapping[str, tuple[int, str]]) -> None:
    """Wait until requests of these scopes are answered like this; an empty text stands for any."""
    for key, (status, body) in scopes.items():
        check = functools.partial(is_answer, status=status, body=body)
        await edge.client.wait_for(Request("/", headers={"x-scope": key}), check, context=edge.envoy.describe)


@pytest.mark.parametrize("api_type", ["GRPC", "DELTA_GRPC"])
async def test_scopes_runtime_and_extensions_come_and_change(tmp_path: Path, api_type: str) -> None:
    def mesh(address: str) -> list[Message]:
        return [front(address), scope("a", "one"), scope("b", "two"), table("one"), table("two"), gate(418), runtime(0)]

    async with running_edge(tmp_path, api_type, mesh, more=RUNTIME_LAYERS) as edge:
        await expect(edge, {"a": (200, "one"), "b": (200, "two"), "c": (404, "")})
        edge.cache.update("edge", [runtime(100)])
        await expect(edge, {"a": (418, "")})
        edge.cache.update("edge", [gate(429)])
        await expect(edge, {"a": (429, "")})
        edge.cache.update("edge", [runtime(0)])
        await expect(edge, {"a": (200, "one")})
        edge.cache.update("edge", [scope("a", "two")])
        edge.cache.remove("edge", SCOPED_ROUTE, ["scope-b"])
        await expect(edge, {"a": (200, "two"), "b": (404, "")})
        assert not edge.of(Nacked)
        accepted = {event.type_url for event in edge.events if isinstance(event, Acked)}
        assert {SCOPED_ROUTE, RUNTIME, EXTENSION_CONFIG} <= accepted
