"""Hosts outside of the mesh: over TLS, HTTP and TCP, found in every way, and hosts that nobody has registered."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.authority import Authority
from tests.e2e.outside import DnsServer, asking

# The proxies ask a DNS server of the test's own, for which they need a file system of their own.
pytestmark = pytest.mark.netns

PORT = 8000


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dns(mesh: LocalMesh) -> AsyncIterator[DnsServer]:
    async with DnsServer(mesh.addresses.ip()) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: LocalMesh, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    with asking(dns.host, tmp_path_factory.mktemp("dns")):
        return await mesh.start_client()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(PORT)) as client:
        yield client


def entry(
    host: str, resolution: str, *, port: str = f"{{number: {PORT}, name: http, protocol: HTTP}}", rest: str = ""
) -> str:
    name = host.replace("*", "any")
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}-{resolution.lower().replace("_", "-")}}}
spec: {{hosts: ['{host}'], ports: [{port}], resolution: {resolution} {rest}}}
"""


def build_server(name: str, ip: str, port: int = PORT) -> Backend:
    return httpbin.build_backend(Instance(name, "v1", ip, port))


async def test_s12_an_external_host_over_originated_tls(
    mesh: LocalMesh, dns: DnsServer, client: HttpClient, tmp_path: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path)  # type: ignore[arg-type]
    host, ip = "api.example.test", mesh.addresses.ip()
    dns.records[host] = (ip,)
    mesh.folder.apply_yaml(
        entry(host, "DNS", port=f"{{number: {PORT}, name: http, protocol: HTTP, targetPort: 8443}}")
        + f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api}}
spec: {{host: {host}, trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: {authority.roots}}}}}}}
""",
        "default",
    )
    instance = Instance("api", "v1", ip, 8443)
    async with Backend(instance, httpbin.build_application(instance), authority.server(host)):
        answer = await client.wait_ok(Request("/ip", host), "api", context=mesh.describe)
    assert answer.json["host"] == host


@pytest.mark.parametrize("resolution", ["DNS", "DNS_ROUND_ROBIN", "STATIC", "NONE"])
async def test_s12_a_plain_http_host(mesh: LocalMesh, dns: DnsServer, client: HttpClient, resolution: str) -> None:
    host, ip = f"{resolution.lower().replace('_', '-')}.example.test", mesh.addresses.ip()
    dns.records[host] = (ip,)
    endpoints = f", endpoints: [{{address: {ip}}}]" if resolution == "STATIC" else ""
    mesh.folder.apply_yaml(entry(host, resolution, rest=endpoints), "default")
    async with build_server(resolution, ip):
        await client.wait_ok(Request("/ip", host), resolution, context=mesh.describe)


@pytest.mark.parametrize(("number", "resolution"), [(9301, "DNS"), (9302, "STATIC"), (9303, "NONE")])
async def test_s12_a_database(mesh: LocalMesh, dns: DnsServer, sleep: Proxy, number: int, resolution: str) -> None:
    host, ip = f"db-{resolution.lower()}.example.test", mesh.addresses.ip()
    dns.records[host] = (ip,)
    endpoints = f", endpoints: [{{address: {ip}}}]" if resolution == "STATIC" else ""
    port = f"{{number: {number}, name: tcp, protocol: TCP}}"
    mesh.folder.apply_yaml(entry(host, resolution, port=port, rest=endpoints), "default")
    client = TcpClient(sleep.address(number))

    async def probe() -> None:
        answer = await client.send("select")
        if answer.body != b"row select\n":
            raise NotYetError(str(answer))

    async with TcpEcho(Instance("db", "v1", ip, number), "row"):
        await wait_until(probe, context=mesh.describe)


def sidecar(mode: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default}}
spec: {{outboundTrafficPolicy: {{mode: {mode}}}}}
"""


async def test_s12_registry_only_lets_nothing_else_out(mesh: LocalMesh, dns: DnsServer, client: HttpClient) -> None:
    host, ip = "registered.example.test", mesh.addresses.ip()
    dns.records |= {host: (ip,), "unknown.example.test": (ip,)}
    mesh.folder.apply_yaml(entry(host, "DNS"), "default")
    (document,) = mesh.folder.apply_yaml(sidecar("REGISTRY_ONLY"), "default")
    async with build_server("registered", ip):
        await client.wait_ok(Request("/ip", host), "registered", context=mesh.describe)
        await client.wait_for(Request("/ip", "unknown.example.test"), lambda answer: answer.status == 502)
    mesh.folder.delete(document)


async def test_addresses_follow_dns_under_traffic(
    mesh: LocalMesh, dns: DnsServer, sleep: Proxy, client: HttpClient
) -> None:
    host, old, new = "moving.example.test", mesh.addresses.ip(), mesh.addresses.ip()
    dns.records[host] = (old,)
    mesh.folder.apply_yaml(entry(host, "DNS"), "default")
    request = Request("/ip", host)
    async with build_server("old", old), build_server("new", new):
        await client.wait_ok(request, "old", context=mesh.describe)
        async with LoadGenerator(lambda: client.send(request), rate=50) as load:
            dns.records[host] = (old, new)
            await load.wait_instance(f"{new}:{PORT}")
            dns.records[host] = (new,)
            await wait_until(lambda: _only(sleep, host, new))
            fresh = await load.wait_count(30)
        assert fresh.by_instance().keys() == {f"{new}:{PORT}"}
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_case_49_another_resolution_is_taken_under_traffic(
    mesh: LocalMesh, dns: DnsServer, sleep: Proxy, client: HttpClient
) -> None:
    host, listed, known = "turning.example.test", mesh.addresses.ip(), mesh.addresses.ip()
    dns.records[host] = (known,)
    static = entry(host, "STATIC", rest=f", endpoints: [{{address: {listed}}}]")
    resolved = static.replace("STATIC", "DNS").replace(f", endpoints: [{{address: {listed}}}]", "")
    request = Request("/ip", host)
    mesh.folder.apply_yaml(static, "default")
    async with build_server("listed", listed), build_server("known", known):
        await client.wait_ok(request, "listed", context=mesh.describe)
        async with LoadGenerator(lambda: client.send(request), rate=50) as load:
            for text, ip in ((resolved, known), (static, listed), (resolved, known)):
                mesh.folder.apply_yaml(text, "default")
                await load.wait_instance(f"{ip}:{PORT}")
        assert not load.traffic.failed, load.traffic.describe_failures()
    rejected = await sleep.admin.stats(r"(cluster_manager\.cds|cluster\..*)\.update_rejected")
    assert not any(rejected.values()), rejected


async def _only(sleep: Proxy, host: str, ip: str) -> None:
    """Envoy keeps what it resolved itself to itself: its list of hosts tells."""
    for cluster in await sleep.admin.clusters():
        if cluster["name"] == f"outbound|{PORT}||{host}":
            hosts = [each["address"]["socket_address"]["address"] for each in cluster.get("host_statuses", ())]
            if hosts == [ip]:
                return
    raise NotYetError(f"{host} is not at {ip} alone")


async def test_a_name_that_does_not_exist_fails_alone(mesh: LocalMesh, client: HttpClient, dns: DnsServer) -> None:
    mesh.folder.apply_yaml(entry("nowhere.example.test", "DNS"), "default")
    answer = await client.wait_for(Request("/ip", "nowhere.example.test"), lambda found: found.status == 503)
    assert answer.body == b"no healthy upstream"


async def test_endpoints_may_have_names(mesh: LocalMesh, dns: DnsServer, client: HttpClient) -> None:
    ips = [mesh.addresses.ip() for _ in range(2)]
    dns.records |= {"one.example.test": (ips[0],), "two.example.test": (ips[1],)}
    endpoints = ", endpoints: [{address: one.example.test}, {address: two.example.test}]"
    mesh.folder.apply_yaml(entry("several.example.test", "DNS", rest=endpoints), "default")
    request = Request("/ip", "several.example.test")
    async with build_server("one", ips[0]), build_server("two", ips[1]):
        for service in ("one", "two"):
            await client.wait_ok(request, service, context=mesh.describe)


async def test_the_first_address_that_accepts_wins_the_race(
    mesh: LocalMesh, dns: DnsServer, client: HttpClient
) -> None:
    host, dead, alive = "race.example.test", mesh.addresses.ip(), mesh.addresses.ip()
    dns.records[host] = (dead, alive)
    annotated = entry(host, "DNS").replace(
        "-dns}", "-dns, annotations: {istio.io/connect-strategy: race_first_tcp_connect}}"
    )
    mesh.folder.apply_yaml(annotated, "default")
    async with build_server("alive", alive):
        await client.wait_ok(Request("/ip", host), "alive", context=mesh.describe)
        async with LoadGenerator(lambda: client.send(Request("/ip", host)), rate=50) as load:
            await load.wait_count(30)
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_hosts_below_a_suffix_are_resolved_as_they_are_asked_for(
    mesh: LocalMesh, dns: DnsServer, client: HttpClient
) -> None:
    ips = [mesh.addresses.ip() for _ in range(2)]
    dns.records |= {"a.dynamic.test": (ips[0],), "b.dynamic.test": (ips[1],)}
    mesh.folder.apply_yaml(entry("*.dynamic.test", "DYNAMIC_DNS"), "default")
    async with build_server("a", ips[0]), build_server("b", ips[1]):
        for name in ("a", "b"):
            await client.wait_ok(Request("/ip", f"{name}.dynamic.test:{PORT}"), name, context=mesh.describe)
