"""Python's own gRPC client finds a service through the library, without any Envoy."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf.message import Message

from fairlead.mesh.addresses import Addresses
from tests.greeter import calling, greeting, greeting_by_xds, write_bootstrap
from tests.protocol.messages import ads, cluster, endpoints
from tests.protocol.wire_client import serving
from xds.events import Acked, Nacked
from xds.types import ENDPOINT


def api_listener(name: str) -> listener_pb2.Listener:
    manager = http_connection_manager_pb2.HttpConnectionManager()
    manager.rds.route_config_name = name
    manager.rds.config_source.CopyFrom(ads())
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name=name)
    made.api_listener.api_listener.Pack(manager)
    return made


def route(name: str, to: str) -> route_pb2.RouteConfiguration:
    made = route_pb2.RouteConfiguration(name=name)
    host = made.virtual_hosts.add(name="all", domains=["*"])
    host.routes.add(match={"prefix": ""}).route.cluster = to
    return made


def greeters(addresses: Sequence[str]) -> Message:
    made = endpoints("greeter", addresses)
    # Without a locality and a weight gRPC ignores the whole group.
    made.endpoints[0].locality.region = "here"
    made.endpoints[0].load_balancing_weight.value = 1
    return made


async def test_a_grpc_client_discovers_and_follows(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(serving())
        first, second = [await stack.enter_async_context(greeting()) for _ in range(2)]
        rig.cache.set(
            "all", [api_listener("greeter"), route("greeter", "greeter"), cluster("greeter"), greeters([first])]
        )
        caller = await stack.enter_async_context(calling("xds:///greeter", rig.address, tmp_path))
        assert set(await caller.until({first})) == {first}
        for addresses in ([first, second], [second]):
            rig.cache.update("all", [greeters(addresses)])
            assert set(await caller.until(set(addresses))) <= {first, second}
        assert not rig.of(Nacked)
        assert {event.type_url for event in rig.of(Acked)} >= {ENDPOINT}


async def test_a_grpc_client_waits_for_a_service_that_does_not_exist_yet(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(serving())
        address = await stack.enter_async_context(greeting())
        caller = await stack.enter_async_context(calling("xds:///late", rig.address, tmp_path))
        call = asyncio.ensure_future(caller.call())
        await rig.until(Acked)
        rig.cache.set("all", [api_listener("late"), route("late", "greeter"), cluster("greeter"), greeters([address])])
        assert await call == address


def server_listener(address: str) -> listener_pb2.Listener:
    manager = http_connection_manager_pb2.HttpConnectionManager()
    host = manager.route_config.virtual_hosts.add(name="all", domains=["*"])
    host.routes.add(match={"prefix": "/"}, non_forwarding_action={})
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name=f"greeter/{address}")
    ip, _, port = address.rpartition(":")
    made.address.socket_address.address, made.address.socket_address.port_value = ip, int(port)
    made.filter_chains.add().filters.add(name="manager").typed_config.Pack(manager)
    return made


async def test_a_grpc_server_takes_calls_when_it_has_its_listener(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(serving())
        address = f"{stack.enter_context(Addresses()).ip()}:8080"
        bootstrap = write_bootstrap(tmp_path / "server.json", rig.address, {"id": "greeter"})
        client = [api_listener("greeter"), route("greeter", "greeter"), cluster("greeter"), greeters([address])]
        rig.cache.set("all", client)
        greeter = await stack.enter_async_context(greeting_by_xds(address, bootstrap))
        assert await greeter.started() == address
        caller = await stack.enter_async_context(calling("xds:///greeter", rig.address, tmp_path))
        call = asyncio.ensure_future(caller.call())
        await rig.until(Acked, 4)
        assert not call.done(), "nobody answers as long as the server has no listener"
        rig.cache.update("all", [server_listener(address)])
        assert await call == address
        assert not rig.of(Nacked)
