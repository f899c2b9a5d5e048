"""TLS that the proxy originates, towards servers that check it, and PROXY headers ahead of requests."""

import ssl
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from tests.e2e.authority import Authority
from tests.e2e.outside import ProxyProtocolServer

HOST = "secure.example.com"
CLUSTER = f"outbound|8000||{HOST}"


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        yield client


def declare(mesh: LocalMesh, host: str, address: str, policy: str) -> None:
    """A plain HTTP port of a host outside, behind which somebody serves at port 8443."""
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}}}
spec:
  hosts: [{host}]
  ports: [{{number: 8000, name: http, protocol: HTTP, targetPort: 8443}}]
  resolution: STATIC
  endpoints: [{{address: {address}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}}}
spec: {{host: {host}, trafficPolicy: {policy}}}
""",
        "default",
    )


def build_server(address: str, tls: ssl.SSLContext) -> Backend:
    instance = Instance("outside", "v1", address, 8443)
    return Backend(instance, httpbin.build_application(instance), tls)


Settings = Callable[[Authority], str]
WORKING: dict[str, Settings] = {
    # The requested host is the SNI, and has to be in the certificate.
    "simple": lambda it: f"{{mode: SIMPLE, caCertificates: {it.roots}}}",
    "simple-sni": lambda it: f"{{mode: SIMPLE, caCertificates: {it.roots}, sni: {HOST}, subjectAltNames: [{HOST}]}}",
    "unverified": lambda _: "{mode: SIMPLE, insecureSkipVerify: true}",
    "mutual": lambda it: (
        f"{{mode: MUTUAL, caCertificates: {it.roots}, clientCertificate: {it.issue('client').certificate},"
        f" privateKey: {it.issue('client').key}}}"
    ),
}
REFUSED: dict[str, Settings] = {
    "unknown authority": lambda _: "{mode: SIMPLE}",
    "another name": lambda it: (
        f"{{mode: SIMPLE, caCertificates: {it.roots}, sni: {HOST}, subjectAltNames: [other.example.com]}}"
    ),
    "no tls": lambda _: "{mode: DISABLE}",
}


@pytest.mark.parametrize("case", WORKING)
async def test_servers_are_reached_over_tls(
    mesh: LocalMesh, client: HttpClient, authority: Authority, case: str
) -> None:
    address = mesh.addresses.ip()
    settings = WORKING[case](authority).replace("client.pem", "client.pem")
    async with build_server(address, authority.server(HOST, mutual=case == "mutual")):
        declare(mesh, HOST, address, f"{{tls: {settings}}}")
        request = Request("/ip", HOST)
        answer = await client.wait_for(
            request, lambda found: (found.status, found.instance) == (200, f"{address}:8443"), context=mesh.describe
        )
        assert answer.json["host"] == HOST


@pytest.mark.parametrize("case", REFUSED)
async def test_servers_that_are_not_whom_they_should_be_get_nothing(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, authority: Authority, case: str
) -> None:
    address = mesh.addresses.ip()
    server = build_server(address, authority.server(HOST))
    async with server:
        declare(mesh, HOST, address, f"{{tls: {REFUSED[case](authority)}}}")
        await sleep.wait_healthy_hosts(CLUSTER, {f"{address}:8443"})
        answer = await client.wait_for(Request("/ip", HOST), lambda found: found.status == 503)
        assert not answer.service
    assert server.requests == 0


async def test_a_server_that_asks_for_a_certificate_refuses_who_has_none(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, authority: Authority
) -> None:
    address = mesh.addresses.ip()
    server = build_server(address, authority.server(HOST, mutual=True))
    async with server:
        declare(mesh, HOST, address, f"{{tls: {WORKING['simple'](authority)}}}")
        await sleep.wait_healthy_hosts(CLUSTER, {f"{address}:8443"})
        await client.wait_for(Request("/ip", HOST), lambda found: found.status == 503)
    assert server.requests == 0


@pytest.mark.parametrize(("version", "start"), [("V1", b"PROXY TCP4 127."), ("V2", b"PROXY v2")])
async def test_a_proxy_header_comes_first(mesh: LocalMesh, client: HttpClient, version: str, start: bytes) -> None:
    host, address = f"proxied-{version.lower()}.example.com", mesh.addresses.ip()
    declare(mesh, host, address, f"{{proxyProtocol: {{version: {version}}}}}")
    async with ProxyProtocolServer(address, 8443):
        # The host may be there before the rule, which is in a file of its own.
        answer = await client.wait_for(
            Request("/ip", host), lambda answer: answer.body.startswith(start), context=mesh.describe
        )
    assert answer.status == 200
