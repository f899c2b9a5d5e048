"""A TCP service of which a fifth of the connections goes to the second version."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import TcpClient
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.stage import collect_split

HOST = "tcp-echo.default.svc.cluster.local"
CONFIGURATION = f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: tcp-echo
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 31400, name: tcp, protocol: TCP}}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: tcp-echo
spec:
  host: {HOST}
  subsets:
  - name: v1
    labels: {{version: v1}}
  - name: v2
    labels: {{version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: tcp-echo
spec:
  hosts: [{HOST}]
  gateways: [mesh, tcp-echo]
  tcp:
  - route:
    - destination: {{host: {HOST}, port: {{number: 9000}}, subset: v1}}
      weight: 80
    - destination: {{host: {HOST}, port: {{number: 9000}}, subset: v2}}
      weight: 20
"""


@pytest_asyncio.fixture(loop_scope="session", params=["sidecar", "gateway"])
async def client(
    request: pytest.FixtureRequest, mesh: LocalMesh, sleep: Proxy, echo: Workload, tcp_ingress: Proxy
) -> AsyncIterator[TcpClient]:
    client = (
        sleep.tcp_client(9000, echo.service.cluster_ip)
        if request.param == "sidecar"
        else TcpClient(tcp_ingress.address(31400), tcp_ingress.clients)
    )

    async def probe() -> None:
        answer = await client.send()
        assert not answer.failed, answer

    await wait_until(probe, context=mesh.describe)
    yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def echo(mesh: LocalMesh) -> Workload:
    workload = mesh.workload(
        "tcp-echo",
        ports=(StandInPort(9000, 9100, "tcp"),),
        build_server=lambda instance: TcpEcho(instance, instance.version),
    )
    for version in ("v1", "v2"):
        await workload.add(version)
    mesh.folder.apply_yaml(CONFIGURATION, "default")
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tcp_ingress(mesh: LocalMesh, stream: Stream) -> Proxy:
    return await mesh.start_gateway({31400: mesh.addresses.port()}, stream=stream)


async def test_the_split_holds_over_500_connections(client: TcpClient) -> None:
    await collect_split(client.send, {"v1": 0.8, "v2": 0.2}, count=500, tolerance=0.04)
