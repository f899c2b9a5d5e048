"""A gateway with TLS: certificates by SNI from Secrets, every mode, redirects, rotation, unusable Secrets."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import Document, StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.authority import Authority, KeyPair

NAMESPACE = "istio-system"
LABELS = {"app": "tls-gateway", "istio": "tls-gateway"}


def server(host: str, tls: str, number: int = 443, protocol: str = "HTTPS") -> str:
    name = host.partition(".")[0]
    return f"  - {{port: {{number: {number}, name: {name}, protocol: {protocol}}}, hosts: [{host}], tls: {{{tls}}}}}\n"


GATEWAY = (
    """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tls}
spec:
  selector: {istio: tls-gateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}
"""
    + server("simple.example.com", "mode: SIMPLE, credentialName: simple")
    + server("opaque.example.com", "mode: SIMPLE, credentialName: opaque")
    + server("mutual.example.com", "mode: MUTUAL, credentialName: mutual")
    + server("beside.example.com", "mode: MUTUAL, credentialName: beside")
    + server("optional.example.com", "mode: OPTIONAL_MUTUAL, credentialName: mutual")
    + server("modern.example.com", "mode: SIMPLE, credentialName: simple, minProtocolVersion: TLSV1_3")
    + server("rotated.example.com", "mode: SIMPLE, credentialName: rotated")
    + server("broken.example.com", "mode: SIMPLE, credentialName: broken")
    + server("origin.example.org", "mode: SIMPLE, credentialName: origin")
    + server("deleted.example.com", "mode: SIMPLE, credentialName: deleted")
    + server("through.example.com", "mode: PASSTHROUGH", protocol="TLS")
)
ROUTES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls}
spec:
  hosts: ["*.example.com"]
  gateways: [tls]
  http:
  - route: [{destination: {host: httpbin, port: {number: 8000}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: through}
spec:
  hosts: [through.example.com]
  gateways: [tls]
  tls:
  - match: [{port: 443, sniHosts: [through.example.com]}]
    route: [{destination: {host: through, port: {number: 443}}}]
"""


def secret(name: str, values: dict[str, Path], kind: str = "kubernetes.io/tls", namespace: str = NAMESPACE) -> Document:
    data = {key: base64.b64encode(path.read_bytes()).decode() for key, path in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data}


def tls_secret(name: str, pair: KeyPair, namespace: str = NAMESPACE, **more: Path) -> Document:
    values = {"tls.crt": pair.certificate, "tls.key": pair.key, **{key.replace("_", "."): p for key, p in more.items()}}
    return secret(name, values, namespace=namespace)


class Peer(NamedTuple):
    """What a server showed, and answered to a request."""

    names: tuple[str, ...]
    serial: str
    status: int


class TlsClient:
    """Opens a connection per request; OSError (ssl.SSLError among them) when there is no answer."""

    def __init__(self, address: str, roots: Path) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._roots = roots

    async def get(self, host: str, pair: KeyPair | None = None, **limits: ssl.TLSVersion) -> Peer:
        context = ssl.create_default_context(cafile=str(self._roots))
        for limit, version in limits.items():
            setattr(context, limit, version)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=context, server_hostname=host)
        try:
            writer.write(f"GET /ip HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            line = await asyncio.wait_for(reader.readline(), 10)
            if not line:
                raise ConnectionResetError("closed without an answer")
            shown = writer.get_extra_info("peercert")
            names = tuple(value for _, value in shown["subjectAltName"])
            return Peer(names, shown["serialNumber"], int(line.split()[1]))
        finally:
            writer.close()
            with suppress(OSError, asyncio.IncompleteReadError):
                await writer.wait_closed()

    async def wait(self, host: str, check: Callable[[Peer], bool] = lambda peer: peer.status == 200) -> Peer:
        async def probe() -> Peer:
            peer = await self.get(host)
            if not check(peer):
                raise NotYetError(str(peer))
            return peer

        return await wait_until(probe)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no Secret names."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def revoked(authority: Authority) -> KeyPair:
    """The certificate of a client that a Secret's list of revoked ones names."""
    return authority.issue("revoked")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: LocalMesh, stream: Stream, authority: Authority, revoked: KeyPair) -> Proxy:
    pairs = {
        name: authority.issue(f"{name}.example.com") for name in ("simple", "opaque", "mutual", "beside", "rotated")
    }
    generic = {"cert": pairs["opaque"].certificate, "key": pairs["opaque"].key}
    mesh.folder.apply(
        tls_secret("simple", authority.issue("*.example.com")),
        secret("opaque", generic, "Opaque"),
        tls_secret("mutual", authority.issue("*.example.com")),
        secret("mutual-cacert", {"cacert": authority.roots, "crl": authority.revoke(revoked)}, "Opaque"),
        tls_secret("beside", pairs["beside"], ca_crt=authority.roots),
        tls_secret("rotated", pairs["rotated"]),
        tls_secret("broken", authority.issue("broken.example.com")),
        tls_secret("origin", authority.issue("origin.example.org")),
        tls_secret("deleted", authority.issue("deleted.example.com")),
        tls_secret("foreign", authority.issue("foreign.example.com"), namespace="default"),
    )
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(ROUTES, "default")
    await mesh.workload("httpbin").add()
    through = mesh.workload(
        "through",
        ports=(StandInPort(443, 8443, "tls"),),
        build_server=lambda instance: Backend(
            instance, httpbin.build_application(instance), authority.server("through.example.com")
        ),
    )
    await through.add()
    ports = {80: mesh.addresses.port(), 443: mesh.addresses.port()}
    return await mesh.start_gateway(ports, name="tls-gateway", labels=LABELS, stream=stream)


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Proxy, authority: Authority) -> AsyncIterator[TlsClient]:
    client = TlsClient(gateway.address(443), authority.roots)
    await client.wait("simple.example.com")
    yield client


async def refused(client: TlsClient, host: str, pair: KeyPair | None = None, **limits: ssl.TLSVersion) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        await client.get(host, pair, **limits)
    assert not isinstance(caught.value, ssl.SSLCertVerificationError), "the server has shown another certificate"


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("simple.example.com", ("*.example.com",)),
        ("opaque.example.com", ("opaque.example.com",)),
        ("rotated.example.com", ("rotated.example.com",)),
    ],
)
async def test_the_certificate_is_chosen_by_sni(client: TlsClient, host: str, names: tuple[str, ...]) -> None:
    assert await client.get(host) == (names, (await client.get(host)).serial, 200)


async def test_a_host_that_is_not_served_gets_no_connection(client: TlsClient) -> None:
    await refused(client, "unknown.example.com")


@pytest.mark.parametrize("host", ["mutual.example.com", "beside.example.com"])
async def test_mutual_tls_demands_a_certificate_of_the_authority(
    client: TlsClient, authority: Authority, stranger: Authority, host: str
) -> None:
    assert (await client.get(host, authority.issue("somebody"))).status == 200
    await refused(client, host)
    await refused(client, host, stranger.issue("somebody"))


@pytest.mark.parametrize("host", ["mutual.example.com", "optional.example.com"])
async def test_certificates_that_hold_no_longer_are_refused(
    client: TlsClient, authority: Authority, revoked: KeyPair, host: str
) -> None:
    assert (await client.get(host, authority.issue("somebody"))).status == 200
    await refused(client, host, authority.issue("late", expired=True))
    await refused(client, host, revoked)


async def test_optional_mutual_tls_verifies_what_it_is_shown(
    client: TlsClient, authority: Authority, stranger: Authority
) -> None:
    host = "optional.example.com"
    assert (await client.get(host)).status == 200
    assert (await client.get(host, authority.issue("somebody"))).status == 200
    await refused(client, host, stranger.issue("somebody"))


async def test_old_versions_of_tls_are_refused_where_they_are_excluded(client: TlsClient) -> None:
    assert (await client.get("modern.example.com")).status == 200
    assert (await client.get("simple.example.com", maximum_version=ssl.TLSVersion.TLSv1_2)).status == 200
    await refused(client, "modern.example.com", maximum_version=ssl.TLSVersion.TLSv1_2)


async def test_pass_through_ends_at_the_backend(client: TlsClient) -> None:
    assert (await client.get("through.example.com")).names == ("through.example.com",)


async def test_plain_requests_are_redirected(gateway: Proxy, client: TlsClient) -> None:
    async with HttpClient(gateway.address(80)) as plain:
        answer = await plain.wait_for(Request("/ip?a=b", "simple.example.com"), lambda answer: answer.status == 301)
        assert answer.status == 301


async def test_a_rotation_under_load_fails_no_handshake(
    mesh: LocalMesh, client: TlsClient, authority: Authority
) -> None:
    host = "rotated.example.com"
    stopped, peers, failures = asyncio.Event(), [], []

    async def call() -> None:
        while not stopped.is_set():
            try:
                peers.append(await client.get(host))
            except OSError as error:
                failures.append(error)

    serials = {(await client.get(host)).serial}
    async with asyncio.TaskGroup() as load:
        for _ in range(3):
            load.create_task(call())
        for _ in range(5):
            mesh.folder.apply(tls_secret("rotated", authority.issue(host)))
            fresh = await client.wait(host, lambda peer: peer.serial not in serials)
            serials.add(fresh.serial)
        stopped.set()
    assert not failures
    assert len(serials) == 6
    assert {peer.status for peer in peers} == {200}


def upstream(ip: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: upstream}}
spec:
  hosts: [upstream.example.com]
  ports: [{{number: 8000, name: http, protocol: HTTP, targetPort: 8443}}]
  resolution: STATIC
  endpoints: [{{address: {ip}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: upstream}}
spec: {{host: upstream.example.com, trafficPolicy: {{tls: {{mode: MUTUAL, credentialName: client}}}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: upstream}}
spec:
  hosts: [origin.example.org]
  gateways: [tls]
  http:
  - rewrite: {{authority: upstream.example.com}}
    route: [{{destination: {{host: upstream.example.com, port: {{number: 8000}}}}}}]
"""


async def test_a_gateway_shows_a_certificate_of_its_own_to_servers_outside(
    mesh: LocalMesh, client: TlsClient, authority: Authority
) -> None:
    ip = mesh.addresses.ip()
    instance = Instance("upstream", "v1", ip, 8443)
    application = httpbin.build_application(instance)
    async with Backend(instance, application, authority.server("upstream.example.com", mutual=True)) as backend:
        mesh.folder.apply(tls_secret("client", authority.issue("client"), ca_crt=authority.roots))
        documents = mesh.folder.apply_yaml(upstream(ip), "default")

        async def arrived() -> None:
            peer = await client.get("origin.example.org")
            if not backend.requests:
                raise NotYetError(f"no request of the backend: {peer}")

        await wait_until(arrived, context=mesh.describe)
        mesh.folder.delete(*documents)


async def findings(mesh: LocalMesh, text: str) -> list[dict[str, Any]]:
    return [each for each in await mesh.control_plane.debug("findings") if text in json.dumps(each)]


async def wait_finding(mesh: LocalMesh, text: str) -> dict[str, Any]:
    async def probe() -> dict[str, Any]:
        found = await findings(mesh, text)
        if not found:
            raise NotYetError(f"no finding with {text!r}")
        return found[0]

    return await wait_until(probe)


async def test_a_secret_that_becomes_unusable_leaves_the_last_good_one_in_force(
    mesh: LocalMesh, client: TlsClient, authority: Authority
) -> None:
    host = "broken.example.com"
    good = await client.wait(host)
    pair = authority.issue(host)
    other = authority.issue("other.example.com")
    mesh.folder.apply(tls_secret("broken", KeyPair(pair.certificate, other.key)))
    finding = await wait_finding(mesh, f"Secret {NAMESPACE}/broken")
    assert finding["severity"] == "error"
    assert "tls.key" in finding["reason"]
    assert host in finding["reason"]
    assert (await client.get(host)).serial == good.serial
    assert (await client.get("simple.example.com")).status == 200
    mesh.folder.apply(tls_secret("broken", pair))
    await client.wait(host, lambda peer: peer.serial != good.serial)


async def test_a_secret_that_is_deleted_and_comes_back(
    mesh: LocalMesh, client: TlsClient, authority: Authority
) -> None:
    host = "deleted.example.com"
    pair = authority.issue(host)
    before = await client.wait(host)
    mesh.folder.delete(tls_secret("deleted", pair))
    await wait_finding(mesh, f"Secret {NAMESPACE}/deleted does not exist")
    assert (await client.get(host)).serial == before.serial
    assert (await client.get("simple.example.com")).status == 200
    mesh.folder.apply(tls_secret("deleted", authority.issue(host)))
    await client.wait(host, lambda peer: peer.serial != before.serial)


def needs_removals(stream: Stream) -> None:
    if stream is not Stream.DELTA:
        pytest.skip("the state-of-the-world protocol cannot say that a Secret does not exist: Envoy waits 15 seconds")


async def test_a_missing_secret_concerns_its_own_host_only(
    mesh: LocalMesh, client: TlsClient, authority: Authority, stream: Stream
) -> None:
    needs_removals(stream)
    late = GATEWAY + server("late.example.com", "mode: SIMPLE, credentialName: late")
    mesh.folder.apply_yaml(late, "default")
    finding = await wait_finding(mesh, f"Secret {NAMESPACE}/late does not exist")
    assert finding["object"] == "Gateway default/tls"
    assert (await client.get("simple.example.com")).status == 200
    await refused(client, "late.example.com")
    mesh.folder.apply(tls_secret("late", authority.issue("late.example.com")))
    await client.wait("late.example.com")
    assert not await findings(mesh, "late")


async def test_a_secret_of_another_namespace_is_not_given_away(
    mesh: LocalMesh, client: TlsClient, stream: Stream
) -> None:
    needs_removals(stream)
    foreign = GATEWAY + server("foreign.example.com", "mode: SIMPLE, credentialName: default/foreign")
    mesh.folder.apply_yaml(foreign, "default")
    finding = await wait_finding(mesh, "Secret default/foreign is in another namespace")
    assert finding["field"] == "spec.servers[12].tls"
    await refused(client, "foreign.example.com")


async def test_private_keys_are_nowhere_to_be_read(mesh: LocalMesh, gateway: Proxy, client: TlsClient) -> None:
    log = mesh.control_plane.log.read_text()
    pages = [json.dumps(await mesh.control_plane.debug(page)) for page in ("findings", "proxies", "pushes")]
    dump = json.dumps(await gateway.admin.config_dump())
    for text in (log, *pages, dump, gateway.log.read_text()):
        assert "PRIVATE KEY" not in text
        assert base64.b64encode(b"-----BEGIN PRIVATE KEY")[:24].decode() not in text
