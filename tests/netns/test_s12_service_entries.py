"""Hosts outside of the mesh, as an intercepting sidecar finds them, and hosts that nobody has registered."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPod, StandInPort, StandInService, endpoint_slice_document
from fairlead.mesh.mesh import GATEWAY_NAMESPACE
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.traffic import Answer
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.authority import Authority

PORT = 8000
DATABASE = 5432


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(mesh: NamespaceMesh) -> AsyncIterator[AsyncExitStack]:
    """What runs outside of the mesh until the module ends."""
    async with AsyncExitStack() as servers:
        yield servers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outside(mesh: NamespaceMesh, servers: AsyncExitStack) -> str:
    """The address of a host that nobody has registered, with an HTTP server and a database."""
    ip = mesh.addresses.ip()
    namespace = mesh.network.namespace(ip)
    web = Instance("outside", "v1", ip, PORT, namespace.listen(ip, PORT))
    await servers.enter_async_context(httpbin.build_backend(web))
    database = Instance("outside", "v1", ip, DATABASE, namespace.listen(ip, DATABASE))
    await servers.enter_async_context(TcpEcho(database, "row"))
    return ip


def entry(host: str, resolution: str, port: str, rest: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}}}
spec: {{hosts: [{host}], ports: [{port}], resolution: {resolution} {rest}}}
"""


HTTP_PORT = f"{{number: {PORT}, name: http, protocol: HTTP}}"


async def until(mesh: NamespaceMesh, client: TcpClient, check: Callable[[Answer], bool]) -> None:
    """Repeat exchanges until one passes a check."""

    async def probe() -> None:
        answer = await client.send()
        if not check(answer):
            raise NotYetError(str(answer))

    await wait_until(probe, context=mesh.describe)


@pytest.mark.parametrize("resolution", ["DNS", "STATIC", "NONE"])
async def test_a_plain_http_host(mesh: NamespaceMesh, sleep: Proxy, outside: str, resolution: str) -> None:
    host = f"{resolution.lower()}.example.test"
    # Resolvers that know nothing of the mesh find it: in /etc/hosts of every pod.
    mesh.network.network.resolve(host, outside)
    endpoints = f", endpoints: [{{address: {outside}}}]" if resolution == "STATIC" else ""
    mesh.folder.apply_yaml(entry(host, resolution, HTTP_PORT, endpoints), "default")
    cluster = f"outbound|{PORT}||{host}"
    # Until the route is there, what is unknown passes through to the same server.
    await sleep.wait_config(
        lambda config: (
            cluster in config.clusters
            and any(host in each["domains"] for each in config.routes[str(PORT)]["virtual_hosts"])
        )
    )
    async with HttpClient(f"{outside}:{PORT}", sleep.clients) as client:
        await client.wait_ok(Request("/ip", host), "outside", context=mesh.describe)
    stats = await sleep.admin.stats(r"upstream_rq_completed$")
    assert stats[f"cluster.{cluster}.upstream_rq_completed"] >= 1


async def test_an_external_host_over_originated_tls(
    mesh: NamespaceMesh, sleep: Proxy, servers: AsyncExitStack, tmp_path: Path
) -> None:
    authority, host, ip = Authority(tmp_path), "secure.example.test", mesh.addresses.ip()
    mesh.network.network.resolve(host, ip)
    instance = Instance("secure", "v1", ip, 8443, mesh.network.namespace(ip).listen(ip, 8443))
    backend = Backend(instance, httpbin.build_application(instance), authority.server(host))
    await servers.enter_async_context(backend)
    port = f"{{number: {PORT}, name: http, protocol: HTTP, targetPort: 8443}}"
    rule = f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: secure}}
spec: {{host: {host}, trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: {authority.roots}}}}}}}
"""
    mesh.folder.apply_yaml(entry(host, "DNS", port) + rule, "default")
    async with HttpClient(f"{ip}:{PORT}", sleep.clients) as client:
        await client.wait_ok(Request("/ip", host), "secure", context=mesh.describe)


@pytest.mark.parametrize("resolution", ["STATIC", "NONE"])
async def test_a_database(mesh: NamespaceMesh, sleep: Proxy, outside: str, resolution: str) -> None:
    host, number = f"db-{resolution.lower()}.example.test", DATABASE
    rest = f", addresses: [{outside}]" + (f", endpoints: [{{address: {outside}}}]" if resolution == "STATIC" else "")
    port = f"{{number: {number}, name: tcp, protocol: TCP}}"
    (document,) = mesh.folder.apply_yaml(entry(host, resolution, port, rest), "default")
    await sleep.wait_config(lambda config: f"{outside}_{number}" in config.listeners)
    await until(mesh, TcpClient(f"{outside}:{number}", sleep.clients), lambda answer: answer.body == b"row hello\n")
    mesh.folder.delete(document)
    await sleep.wait_config(lambda config: f"{outside}_{number}" not in config.listeners)


async def test_what_nobody_has_registered_passes_or_does_not(mesh: NamespaceMesh, sleep: Proxy, outside: str) -> None:
    unregistered, tcp = Request("/ip", "unregistered.example.test"), TcpClient(f"{outside}:{DATABASE}", sleep.clients)
    async with HttpClient(f"{outside}:{PORT}", sleep.clients, keep_alive=False) as client:
        assert (await client.send(unregistered)).service == "outside"
        assert (await tcp.send()).body == b"row hello\n"
        (document,) = mesh.folder.apply_yaml(
            """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
""",
            "default",
        )
        await client.wait_for(unregistered, lambda answer: answer.status == 502, context=mesh.describe)
        await until(mesh, tcp, lambda answer: bool(answer.error))
        mesh.folder.delete(document)
        await client.wait_ok(unregistered, "outside", context=mesh.describe)


EGRESS = {"app": "istio-egressgateway", "istio": "egressgateway"}
THROUGH_EGRESS = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: external}
spec:
  hosts: [external.example.com]
  ports: [{number: 8000, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: %s}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [external.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: egress}
spec:
  hosts: [external.example.com]
  gateways: [egress, mesh]
  http:
  - match: [{gateways: [mesh], port: 8000}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [egress], port: 80}]
    route: [{destination: {host: external.example.com, port: {number: 8000}}}]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def egress(mesh: NamespaceMesh) -> Proxy:
    """A gateway for what leaves the mesh; it is an endpoint of its Service as any other pod is."""
    port = mesh.addresses.port()
    gateway = await mesh.start_gateway({80: port}, name="istio-egressgateway", labels=EGRESS)
    service = StandInService("istio-egressgateway", GATEWAY_NAMESPACE, (StandInPort(80, port, "http-80"),), "")
    pod = StandInPod("istio-egressgateway-1", GATEWAY_NAMESPACE, gateway.ip, EGRESS)
    mesh.folder.apply(endpoint_slice_document(service, [pod]))
    return gateway


async def test_s13_an_external_backend_sees_the_egress_gateway(
    mesh: NamespaceMesh, sleep: Proxy, egress: Proxy, outside: str
) -> None:
    mesh.folder.apply_yaml(THROUGH_EGRESS % outside, "default")
    request = Request("/ip", "external.example.com")
    async with HttpClient(f"{outside}:{PORT}", sleep.clients) as client:

        def came_from_the_gateway(answer: Answer) -> bool:
            return answer.status == 200 and answer.json["origin"] == egress.ip

        answer = await client.wait_for(request, came_from_the_gateway, context=mesh.describe)
    assert answer.service == "outside"
