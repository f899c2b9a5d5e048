"""Requests that are more than a question and an answer: WebSocket and gRPC."""

from collections import Counter
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp
import grpc
import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import wait_until
from tests.e2e.backends import build_websocket
from tests.e2e.stage import GATEWAY

SAY = "/sample.Greeter/Say"
SLEEP = "/sample.Greeter/Sleep"
FAIL = "/sample.Greeter/Fail"
RULES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: greeter}
spec:
  hosts: [greeter.default.svc.cluster.local]
  gateways: [mesh, frontend-gateway]
  http:
  - match: [{uri: {prefix: /sample.Greeter/Fail}}]
    fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}
    route: [{destination: &greeter {host: greeter.default.svc.cluster.local, port: {number: 9000}}}]
  - match: [{uri: {prefix: /sample.Greeter/}, headers: {content-type: {prefix: application/grpc}}}]
    route: [{destination: *greeter}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: chat}
spec:
  hosts: [chat.default.svc.cluster.local]
  gateways: [mesh, frontend-gateway]
  http:
  - match: [{uri: {prefix: /socket}}]
    route: [{destination: {host: chat.default.svc.cluster.local, port: {number: 8000}}}]
"""


class Greeter:
    """A gRPC server without generated code: bytes in, bytes out."""

    def __init__(self, instance: Instance) -> None:
        self._address = instance.address
        self._version = instance.version
        self._server: grpc.aio.Server

    async def __aenter__(self) -> Self:
        """Start."""
        self._server = grpc.aio.server()
        methods = {"Say": self._say, "Sleep": self._sleep}
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("sample.Greeter", handlers),))
        self._server.add_insecure_port(self._address)
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self._server.stop(None)

    async def _say(self, request: bytes, _context: object) -> bytes:
        return self._address.encode() + b" " + request

    async def _sleep(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """Answers with how long the caller is still willing to wait."""
        return str(context.time_remaining()).encode()


@pytest.fixture(scope="module")
def stream() -> Stream:
    """What is sent does not depend on the variant of xDS."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    greeter = mesh.workload("greeter", ports=(StandInPort(9000, 9090, "grpc"),), build_server=Greeter)
    await greeter.add("v1", replicas=3)
    await mesh.workload("chat", build_server=build_websocket).add("v1")
    mesh.folder.apply_yaml(GATEWAY, "default")
    target = "{host: greeter.default.svc.cluster.local, port: {number: 9000}}"
    mesh.folder.apply_yaml(RULES.replace("*greeter", target), "default")


@pytest_asyncio.fixture(params=["sidecar", "gateway"], loop_scope="session")
async def channel(
    request: pytest.FixtureRequest, mesh: LocalMesh, sleep: Proxy, ingress: Proxy
) -> AsyncIterator[grpc.aio.Channel]:
    address = sleep.address(9000) if request.param == "sidecar" else ingress.address(80)
    options = [("grpc.default_authority", "greeter.default.svc.cluster.local"), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:

        async def probe() -> None:
            try:
                await call(channel, SAY, b"hello")
            except grpc.aio.AioRpcError as error:
                raise AssertionError(str(error)) from error

        await wait_until(probe, context=mesh.describe)
        yield channel


async def call(channel: grpc.aio.Channel, method: str, message: bytes, deadline: float = 10.0) -> bytes:
    send: Any = channel.unary_unary(method)
    answer: bytes = await send(message, timeout=deadline)
    return answer


async def test_calls_of_one_connection_are_spread_over_the_pods(channel: grpc.aio.Channel) -> None:
    answers = [await call(channel, SAY, b"hello") for _ in range(60)]
    assert {answer.partition(b" ")[2] for answer in answers} == {b"hello"}
    assert len(Counter(answer.partition(b" ")[0] for answer in answers)) == 3


async def test_the_deadline_of_a_caller_comes_through(channel: grpc.aio.Channel) -> None:
    assert 1 < float(await call(channel, SLEEP, b"", deadline=5.0)) < 5.5


@pytest.mark.parametrize(
    ("method", "status"),
    [
        (FAIL, grpc.StatusCode.UNAVAILABLE),
        ("/sample.Greeter/Missing", grpc.StatusCode.UNIMPLEMENTED),
        ("/sample.Stranger/Say", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_a_call_that_fails_says_so_as_grpc_does(
    channel: grpc.aio.Channel, method: str, status: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call(channel, method, b"")
    assert failure.value.code() is status


@pytest.mark.parametrize("way", ["sidecar", "gateway"])
async def test_a_websocket_is_passed_through(mesh: LocalMesh, sleep: Proxy, ingress: Proxy, way: str) -> None:
    address = sleep.address(8000) if way == "sidecar" else ingress.address(80)
    host = {"host": "chat.default.svc.cluster.local"}
    async with HttpClient(address) as client:
        # An ordinary request shows that the route is there: the service wants a handshake.
        await client.wait_for(
            Request("/socket", host["host"]), lambda answer: answer.status == 400, context=mesh.describe
        )
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{address}/socket", headers=host) as ws:
        for number in range(20):
            await ws.send_str(f"message {number}")
            assert await ws.receive_str(timeout=5) == f"v1 message {number}"
