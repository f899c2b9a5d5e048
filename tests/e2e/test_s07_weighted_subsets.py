"""Two versions of one service behind a gateway, half of the requests each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.workload import Workload
from tests.e2e.stage import collect_split

CONFIGURATION = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: nginx
spec:
  selector:
    istio: ingressgateway
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*.example.org"]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: nginx
spec:
  host: nginx.default.svc.cluster.local
  subsets:
  - name: v116
    labels: {version: "1.16"}
  - name: v117
    labels: {version: "1.17"}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: nginx
spec:
  hosts: [nginx.example.org]
  gateways: [nginx]
  http:
  - route:
    - destination: {host: nginx.default.svc.cluster.local, subset: v116}
      weight: 50
    - destination: {host: nginx.default.svc.cluster.local, subset: v117}
      weight: 50
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nginx(mesh: LocalMesh) -> Workload:
    workload = mesh.workload("nginx", ports=(StandInPort(8000, 8080),))
    for version in ("1.16", "1.17"):
        await workload.add(version, replicas=3)
    mesh.folder.apply_yaml(CONFIGURATION, "default")
    return workload


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, ingress: Proxy, nginx: Workload) -> AsyncIterator[HttpClient]:
    request = Request("/", "nginx.example.org")
    async with HttpClient(ingress.address(80)) as client:
        await client.wait_ok(request, context=mesh.describe)
        for subset, version in (("v116", "1.16"), ("v117", "1.17")):
            addresses = {nginx.address(pod) for pod in nginx.pods if pod.labels["version"] == version}
            await ingress.wait_healthy_hosts(nginx.service.cluster_name(subset), addresses)
        yield client


@pytest.mark.parametrize("host", ["nginx.example.org", "nginx.example.org:30934"])
async def test_each_version_gets_half_with_and_without_a_port_in_the_host(
    client: HttpClient, nginx: Workload, host: str
) -> None:
    halves = {"1.16": 0.5, "1.17": 0.5}
    traffic = await collect_split(lambda: client.get("/", host), halves, count=2000, tolerance=0.03)
    assert traffic.by_instance().keys() == nginx.ready_addresses


async def test_a_host_that_the_gateway_does_not_serve_is_not_found(client: HttpClient) -> None:
    for host in ("nginx.example.com", "other.example.org", "example.org"):
        assert (await client.get("/", host)).status == 404
