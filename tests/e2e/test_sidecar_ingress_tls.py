"""TLS of clients outside of the mesh that ends at a sidecar, by the ingress of a Sidecar."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.tcp_echo import TcpEcho
from tests.e2e.authority import Authority, KeyPair
from tests.e2e.test_s15_tls_gateway import TlsClient, refused
from tests.held_connection import HeldConnection

HOST = "secured.example.com"
SIMPLE, MUTUAL, BYTES = 9443, 9444, 9445
HTTP, LINES = 18080, 19000


def sidecar_object(pair: KeyPair, roots: Path, crl: Path) -> str:
    files = f"serverCertificate: {pair.certificate}, privateKey: {pair.key}"
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: secured}}
spec:
  workloadSelector: {{labels: {{app: secured}}}}
  ingress:
  - port: {{number: {SIMPLE}, protocol: HTTPS, name: simple}}
    defaultEndpoint: 127.0.0.1:{HTTP}
    tls: {{mode: SIMPLE, {files}}}
  - port: {{number: {MUTUAL}, protocol: HTTPS, name: mutual}}
    defaultEndpoint: 127.0.0.1:{HTTP}
    tls: {{mode: MUTUAL, {files}, caCertificates: {roots}, caCrl: {crl}}}
  - port: {{number: {BYTES}, protocol: TLS, name: bytes}}
    defaultEndpoint: 127.0.0.1:{LINES}
    tls: {{mode: SIMPLE, {files}}}
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def revoked(authority: Authority) -> KeyPair:
    """A certificate that does not hold any more."""
    return authority.issue("revoked")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sidecar(mesh: LocalMesh, stream: Stream, authority: Authority, revoked: KeyPair) -> AsyncIterator[Proxy]:
    text = sidecar_object(authority.issue(HOST), authority.roots, authority.revoke(revoked))
    mesh.folder.apply_yaml(text, "default")
    pod = StandInPod("secured", "default", mesh.addresses.ip(), {"app": "secured"})
    mesh.folder.apply(pod_document(pod))
    application = Instance("secured", "v1", "127.0.0.1", HTTP)
    lines = Instance("secured", "v1", "127.0.0.1", LINES)
    async with Backend(application, httpbin.build_application(application)), TcpEcho(lines, "v1"):
        proxy = await mesh.start_sidecar(pod, stream)
        await TlsClient(f"{proxy.ip}:{SIMPLE}", authority.roots).wait(HOST)
        yield proxy


async def test_case_18_b_requests_and_bytes_behind_tls(sidecar: Proxy, authority: Authority) -> None:
    peer = await TlsClient(f"{sidecar.ip}:{SIMPLE}", authority.roots).get(HOST)
    assert (peer.names, peer.status) == ((HOST,), 200)
    context = ssl.create_default_context(cafile=str(authority.roots))
    async with HeldConnection(f"{sidecar.ip}:{BYTES}", tls=context, server_name=HOST) as held:
        await held.say()


async def test_case_18_b_plain_text_is_refused(sidecar: Proxy) -> None:
    for port in (SIMPLE, MUTUAL, BYTES):
        async with HeldConnection(f"{sidecar.ip}:{port}") as plain:
            with pytest.raises(ConnectionResetError):
                await plain.request(HOST)


async def test_certificates_of_clients(sidecar: Proxy, authority: Authority, revoked: KeyPair, tmp_path: Path) -> None:
    client = TlsClient(f"{sidecar.ip}:{MUTUAL}", authority.roots)
    assert (await client.get(HOST, authority.issue("somebody"))).status == 200
    await refused(client, HOST)
    await refused(client, HOST, Authority(tmp_path).issue("stranger"))
    await refused(client, HOST, authority.issue("late", expired=True))
    await refused(client, HOST, revoked)
