"""Sidecars send requests for an external host to an egress gateway, which sends them out."""

import psutil
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod, StandInPort, StandInService, endpoint_slice_document
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import GATEWAY_NAMESPACE, LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services.backend import Instance
from tests.e2e.backends import Script

HOST = "external.example.com"
LABELS = {"app": "istio-egressgateway", "istio": "egressgateway"}
EXTERNAL_PORT = 8080
CONFIGURATION = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: external
spec:
  hosts: [external.example.com]
  location: MESH_EXTERNAL
  ports: [{{number: 8000, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: {address}, ports: {{http: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: egress
spec:
  selector: {{istio: egressgateway}}
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [external.example.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: through-the-egress-gateway
spec:
  hosts: [external.example.com]
  gateways: [mesh, egress]
  http:
  - match: [{{gateways: [mesh], port: 8000}}]
    route:
    - destination: {{host: istio-egressgateway.istio-system.svc.cluster.local, port: {{number: 80}}}}
  - match: [{{gateways: [egress], port: 80}}]
    route:
    - destination: {{host: external.example.com, port: {{number: 8000}}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def egress(mesh: LocalMesh, stream: Stream) -> Proxy:
    """The egress gateway, which sidecars reach as a service."""
    port = mesh.addresses.port()
    proxy = await mesh.start_gateway({80: port}, name="istio-egressgateway", labels=LABELS, stream=stream)
    service = StandInService(LABELS["app"], GATEWAY_NAMESPACE, (StandInPort(80, port, "http-80"),), "10.96.255.1")
    pod = StandInPod("istio-egressgateway-1", GATEWAY_NAMESPACE, proxy.ip, LABELS)
    mesh.folder.apply(endpoint_slice_document(service, [pod]))
    return proxy


async def test_the_external_host_is_called_by_the_egress_gateway_alone(
    mesh: LocalMesh, sleep: Proxy, egress: Proxy
) -> None:
    address = mesh.addresses.ip()
    mesh.folder.apply_yaml(CONFIGURATION.format(address=address, port=EXTERNAL_PORT), "default")
    script = Script()
    external = script.build(Instance("external", "v1", address, EXTERNAL_PORT))
    async with external, HttpClient(sleep.address(8000)) as client:
        ready = Request("/", HOST)
        await client.wait_for(
            ready, lambda answer: answer.status == 200 and came_from(egress, answer.json["peer"]), context=mesh.describe
        )
        traffic = await send_many(lambda: client.get("/anything", HOST), 50)
        assert not traffic.failed, traffic.describe_failures()
        assert all(came_from(egress, answer.json["peer"]) for answer in traffic)
        assert {answer.json["host"] for answer in traffic} == {HOST}


def came_from(proxy: Proxy, peer: str) -> bool:
    """Whether a connection (``ip:port``) is a proxy's. All addresses are of one machine, so its process is asked."""
    process = psutil.Process(proxy.pid)
    connections = [found for each in (process, *process.children()) for found in each.net_connections(kind="tcp")]
    return peer in {f"{each.laddr.ip}:{each.laddr.port}" for each in connections}
