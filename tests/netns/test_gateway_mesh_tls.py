"""A gateway whose clients are sidecars with certificates of the mesh (ISTIO_MUTUAL): requests, and bytes."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPod, StandInPort, StandInService, endpoint_slice_document
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.mesh import GATEWAY_NAMESPACE
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.authority import Authority
from tests.held_connection import HeldConnection

LABELS = {"app": "edge", "istio": "edge"}
REQUESTS, BYTES = "requests.example.com", "bytes.example.com"
# Where clients believe the hosts to be; nobody is there.
VIRTUAL = "198.51.100.1"
CONFIGURATION = f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: requests}}
spec:
  hosts: [{REQUESTS}]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.9}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: bytes}}
spec:
  hosts: [{BYTES}]
  addresses: [{VIRTUAL}]
  ports: [{{number: 9000, name: tcp, protocol: TCP}}]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.9}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{istio: edge}}
  servers:
  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [{REQUESTS}], tls: {{mode: ISTIO_MUTUAL}}}}
  - {{port: {{number: 15443, name: tls, protocol: TLS}}, hosts: [{BYTES}], tls: {{mode: ISTIO_MUTUAL}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: edge}}
spec:
  host: edge.istio-system.svc.cluster.local
  trafficPolicy:
    portLevelSettings:
    - {{port: {{number: 443}}, tls: {{mode: ISTIO_MUTUAL, sni: {REQUESTS}}}}}
    - {{port: {{number: 15443}}, tls: {{mode: ISTIO_MUTUAL, sni: {BYTES}}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: requests}}
spec:
  hosts: [{REQUESTS}]
  gateways: [mesh, edge]
  http:
  - match: [{{gateways: [mesh]}}]
    route: [{{destination: {{host: edge.istio-system.svc.cluster.local, port: {{number: 443}}}}}}]
  - match: [{{gateways: [edge]}}]
    route: [{{destination: {{host: inside, port: {{number: 8000}}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bytes}}
spec:
  hosts: [{BYTES}]
  gateways: [mesh, edge]
  tcp:
  - match: [{{gateways: [mesh], port: 9000}}]
    route: [{{destination: {{host: edge.istio-system.svc.cluster.local, port: {{number: 15443}}}}}}]
  - match: [{{gateways: [edge], port: 15443}}]
    route: [{{destination: {{host: inside, port: {{number: 9000}}}}}}]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    folder = tmp_path_factory.mktemp("mesh")
    async with NamespaceMesh(folder, identities=MeshIdentities(folder / "identities")) as mesh:
        mesh.folder.apply_yaml(CONFIGURATION, "default")
        inside = mesh.workload(
            "inside",
            ports=(StandInPort(8000, 8080, "http"), StandInPort(9000, 9000, "tcp")),
            build_server=lambda each: TcpEcho(each, each.version) if each.port == 9000 else httpbin.build_backend(each),
        )
        await inside.add(labels={"security.istio.io/tlsMode": "istio"})
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: NamespaceMesh) -> Proxy:
    """The gateway, which sidecars reach as a service."""
    ports = {443: mesh.addresses.port(), 15443: mesh.addresses.port()}
    proxy = await mesh.start_gateway(ports, name="edge", labels=LABELS)
    listened = tuple(StandInPort(number, target, f"http-{number}") for number, target in ports.items())
    service = StandInService("edge", GATEWAY_NAMESPACE, listened, "10.96.255.1")
    mesh.folder.apply(endpoint_slice_document(service, [StandInPod("edge-1", GATEWAY_NAMESPACE, proxy.ip, LABELS)]))
    return proxy


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh, gateway: Proxy) -> Proxy:
    return await mesh.start_client("sleep")


async def test_requests_of_a_sidecar_pass_with_the_identity_of_their_sender(mesh: NamespaceMesh, sleep: Proxy) -> None:
    async with HttpClient(f"{VIRTUAL}:80", sleep.clients) as client:
        answer = await client.wait_ok(Request("/headers", REQUESTS), "inside", context=mesh.describe)
    told = {name.lower(): value for name, value in answer.json["headers"].items()}["x-forwarded-client-cert"]
    # What the gateway says of the client, and behind it what the last sidecar says of the gateway.
    client_part, _, gateway_part = told.partition(",By=")
    assert "URI=spiffe://cluster.local/ns/default/sa/default" in client_part
    assert "URI=spiffe://cluster.local/ns/istio-system/sa/default" in gateway_part


async def test_case_28_bytes_of_a_sidecar_pass(mesh: NamespaceMesh, sleep: Proxy, gateway: Proxy) -> None:
    client = TcpClient(f"{VIRTUAL}:9000", sleep.clients)

    async def answered() -> None:
        answer = await client.send()
        if answer.failed:
            raise NotYetError(str(answer))

    await wait_until(answered, context=mesh.describe)
    stats = await gateway.admin.stats(rf"_{gateway.ports[15443]}\.ssl\.handshake$")
    assert sum(stats.values()) > 0, stats


@pytest.mark.parametrize(("host", "port"), [(REQUESTS, 443), (BYTES, 15443)])
async def test_who_has_no_certificate_of_the_mesh_is_refused(
    mesh: NamespaceMesh, gateway: Proxy, tmp_path: Path, host: str, port: int
) -> None:
    pair = Authority(tmp_path).issue("stranger")
    for shown in (None, pair):
        context = ssl.create_default_context()
        # Certificates of the mesh are for no name that a client could have asked for.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        with pytest.raises(OSError, match=r"."):
            async with HeldConnection(
                gateway.address(port), mesh.network.outside, tls=context, server_name=host
            ) as held:
                await held.request(host)
