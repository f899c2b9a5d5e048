"""Python's own gRPC client finds a service through the library, without any Envoy."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf.message import Message

from tests.protocol.messages import ads, cluster, endpoints
from tests.protocol.wire_client import DEADLINE, Rig, serving
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


@asynccontextmanager
async def greeting() -> AsyncIterator[str]:
    """A gRPC server that answers with its own address."""
    server = grpc.aio.server()

    async def greet(_: bytes, call: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return address.encode()

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(greet)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Greeter", {"Greet": handler}),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


class Caller:
    """The client process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self) -> str:
        """Call once; who answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(DEADLINE):
            return (await self._process.stdout.readline()).decode().strip()

    async def until(self, wanted: set[str]) -> list[str]:
        """Call until exactly these answered the last ten calls; everything that was answered."""
        heard: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while set(heard[-10:]) != wanted or len(heard) < 10:
                heard.append(await self.call())
        return heard


@asynccontextmanager
async def calling(rig: Rig, folder: Path, target: str) -> AsyncIterator[Caller]:
    """A client process whose only server of configuration is the rig."""
    bootstrap = folder / "bootstrap.json"
    server = {"server_uri": rig.address, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    bootstrap.write_text(json.dumps({"xds_servers": [server], "node": {"id": "caller"}}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("xds_caller.py")),
        target,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)},
    )
    try:
        yield Caller(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def test_a_grpc_client_discovers_and_follows(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = await stack.enter_async_context(serving())
        first, second = [await stack.enter_async_context(greeting()) for _ in range(2)]
        rig.cache.set(
            "all", [api_listener("greeter"), route("greeter", "greeter"), cluster("greeter"), greeters([first])]
        )
        caller = await stack.enter_async_context(calling(rig, tmp_path, "xds:///greeter"))
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
        caller = await stack.enter_async_context(calling(rig, tmp_path, "xds:///late"))
        call = asyncio.ensure_future(caller.call())
        await rig.until(Acked)
        rig.cache.set("all", [api_listener("late"), route("late", "greeter"), cluster("greeter"), greeters([address])])
        assert await call == address
