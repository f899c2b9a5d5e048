"""Every kind of protocol through two sidecars, on ports that declare it and on ports that do not."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort, StandInService, endpoint_slice_document, service_document
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.authority import Authority
from tests.netns.applications import GREETING, build_grpc, call_grpc, call_http2, serve_http2, serve_lines

HOST = "server.default.svc.cluster.local"
HTTP, LINES, MYSQL, TLS, GRPC, HTTP2 = 8080, 9000, 3306, 8443, 50051, 8090
PORTS = (
    StandInPort(80, HTTP, "http"),
    StandInPort(8100, HTTP, "undeclared-http"),
    StandInPort(9000, LINES, "tcp"),
    StandInPort(9100, LINES, "undeclared-tcp"),
    StandInPort(3306, MYSQL, "mysql"),
    StandInPort(443, TLS, "tls"),
    StandInPort(8500, TLS, "undeclared-tls"),
    StandInPort(7000, GRPC, "grpc"),
    StandInPort(7100, GRPC, "undeclared-grpc"),
    StandInPort(7200, HTTP2, "http2"),
    StandInPort(7300, HTTP2, "undeclared-http2"),
)
# The application serves it, and no Service knows.
UNKNOWN_PORT = 9999


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(mesh: NamespaceMesh, authority: Authority) -> Workload:
    grpc_server = build_grpc(mesh.network.namespace)

    def build(instance: Instance) -> Any:  # noqa: ANN401 - each a context manager of its own
        match instance.port:
            case 9000:
                return serve_lines(instance)
            case 3306:
                return serve_lines(instance, greeting=GREETING)
            case 8443:
                return Backend(instance, httpbin.build_application(instance), authority.server(HOST))
            case 8090:
                return serve_http2(instance)
            case 50051:
                return grpc_server(instance)
            case _:
                return httpbin.build_backend(instance)

    workload = mesh.workload("server", ports=PORTS, build_server=build)
    await workload.add()
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(mesh: NamespaceMesh, sleep: Proxy, server: Workload) -> NetworkNamespace:
    """The namespace of a client whose sidecar knows the server."""
    assert sleep.clients is not None
    await sleep.wait_config(lambda config: config.hosts(server.service.cluster_name()) == server.ready_addresses)
    namespace, address = sleep.clients, f"{server.service.cluster_ip}:80"
    async with HttpClient(address, namespace) as client:
        await client.wait_ok(Request("/", HOST), context=mesh.describe)
    return namespace


@pytest.fixture
def virtual(server: Workload) -> str:
    """The address of the Service."""
    return server.service.cluster_ip


@pytest.fixture
def pod_ip(server: Workload) -> str:
    """The address of its pod."""
    return server.pods[0].ip


async def exchange(namespace: NetworkNamespace, ip: str, port: int, *, greeting: bytes = b"") -> str:
    """Who a server of lines saw; server-first if a greeting is expected. OSError without an answer."""
    reader, writer = await asyncio.open_connection(sock=await namespace.connect(ip, port))
    try:
        async with asyncio.timeout(5):
            if greeting and await reader.readline() != greeting:
                raise ConnectionResetError("no greeting")
            writer.write(b"hello\n")
            answer = await reader.readline()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not answer.endswith(b" hello\n"):
        raise ConnectionResetError(f"closed after {answer!r}")
    return answer.split()[0].decode()


async def requested(namespace: NetworkNamespace, ip: str, port: int, host: str = HOST) -> dict[str, Any]:
    """What an HTTP server says of a request; it has to answer with 200."""
    async with HttpClient(f"{ip}:{port}", namespace) as client:
        answer = await client.get("/ip", host)
        assert answer.status == 200, answer
        return dict(answer.json)


@pytest.mark.parametrize("port", [80, 8100])
async def test_http(caller: NetworkNamespace, virtual: str, port: int) -> None:
    answer = await requested(caller, virtual, port)
    assert "X-Request-ID" in answer["headers"], "the sidecars took it for bytes"


@pytest.mark.parametrize("port", [7000, 7100])
async def test_grpc(caller: NetworkNamespace, virtual: str, port: int) -> None:
    assert "x-request-id" in await call_grpc(caller, f"{virtual}:{port}")


@pytest.mark.parametrize("port", [7200, 7300])
async def test_http2_of_clients_that_know(caller: NetworkNamespace, virtual: str, port: int) -> None:
    assert "x-request-id" in await call_http2(caller, virtual, port, HOST), "the sidecars took it for bytes"


@pytest.mark.parametrize("port", [9000, 9100])
async def test_bytes(caller: NetworkNamespace, virtual: str, port: int) -> None:
    assert await exchange(caller, virtual, port)


async def test_a_server_that_speaks_first(caller: NetworkNamespace, virtual: str) -> None:
    assert await exchange(caller, virtual, 3306, greeting=GREETING)


@pytest.mark.parametrize("port", [443, 8500])
async def test_tls_of_the_application_itself(
    caller: NetworkNamespace, virtual: str, authority: Authority, port: int
) -> None:
    context = ssl.create_default_context(cafile=str(authority.roots))
    connection = await caller.connect(virtual, port)
    reader, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname=HOST)
    writer.write(f"GET /ip HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert b"X-Request-ID" not in await reader.read(), "nobody but the application may read it"
    writer.close()
    with suppress(OSError, ssl.SSLError):
        await writer.wait_closed()


async def test_by_the_address_of_the_pod(caller: NetworkNamespace, pod_ip: str) -> None:
    assert (await requested(caller, pod_ip, HTTP))["service"] == "server"
    assert await exchange(caller, pod_ip, LINES)


async def test_a_port_that_no_service_knows(mesh: NamespaceMesh, caller: NetworkNamespace, pod_ip: str) -> None:
    listening = mesh.network.namespace(pod_ip).listen(pod_ip, UNKNOWN_PORT)
    async with serve_lines(Instance("unknown", "v1", pod_ip, UNKNOWN_PORT, listening)):
        assert await exchange(caller, pod_ip, UNKNOWN_PORT)


async def test_the_application_sees_who_calls_if_traffic_is_transparent(
    mesh: NamespaceMesh, sleep: Proxy, caller: NetworkNamespace, virtual: str
) -> None:
    transparent = mesh.capture.value == "TPROXY"
    assert await exchange(caller, virtual, 9000) == (sleep.ip if transparent else "127.0.0.6")


async def test_a_pod_calls_itself_through_its_service(mesh: NamespaceMesh, virtual: str, pod_ip: str) -> None:
    own = mesh.network.namespace(pod_ip)
    assert (await requested(own, virtual, 80))["service"] == "server"
    assert await exchange(own, virtual, 9000)
    assert (await requested(own, pod_ip, HTTP))["service"] == "server"


async def test_a_headless_service(
    mesh: NamespaceMesh, sleep: Proxy, server: Workload, caller: NetworkNamespace
) -> None:
    ports = (StandInPort(HTTP, HTTP, "http"), StandInPort(LINES, LINES, "tcp"))
    service = StandInService("server", "default", ports, "")
    headless = StandInService("headless", "default", ports, "")
    document = service_document(headless)
    document["spec"]["selector"] = service.selector
    mesh.folder.apply(document, endpoint_slice_document(headless, server.pods))
    ip = server.pods[0].ip
    await sleep.wait_config(lambda config: f"{ip}_{LINES}" in config.listeners)

    async def probe() -> None:
        try:
            answer = await requested(caller, ip, HTTP, headless.host)
        except AssertionError as error:
            raise NotYetError(str(error)) from error
        assert answer["service"] == "server"

    await wait_until(probe, context=mesh.describe)
    assert await exchange(caller, ip, LINES)
    assert (await requested(caller, ip, HTTP, f"{HOST}:80"))["service"] == "server"


@pytest.mark.parametrize("port", [15001, 15006])
async def test_calls_of_the_proxy_s_own_ports_do_not_loop(
    mesh: NamespaceMesh, caller: NetworkNamespace, pod_ip: str, port: int
) -> None:
    own = mesh.network.namespace(pod_ip)
    for namespace, ip in ((caller, pod_ip), (own, pod_ip), (own, "127.0.0.1")):
        with pytest.raises(OSError, match=r".*"):
            await exchange(namespace, ip, port)
    sidecar = next(proxy for proxy in mesh.proxies if proxy.ip == pod_ip)
    stats = await sidecar.admin.stats(r"^listener\..*_150(01|06)\.downstream_cx_total$")
    assert sum(stats.values()) < 100
