"""A TCP service of two versions, of which one gets a fifth of the connections."""

from collections.abc import AsyncIterator

import pytest_asyncio

from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.stage import collect_split

HOST = "tcp-echo.default.svc.cluster.local"
RULES = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: tcp-echo}}
spec:
  host: {HOST}
  subsets:
  - {{name: one, labels: {{version: one}}}}
  - {{name: two, labels: {{version: two}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: tcp-echo}}
spec:
  hosts: [{HOST}]
  tcp:
  - match: [{{port: 9000}}]
    route:
    - {{destination: {{host: {HOST}, subset: one}}, weight: 80}}
    - {{destination: {{host: {HOST}, subset: two}}, weight: 20}}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def echo(mesh: LocalMesh) -> AsyncIterator[Workload]:
    ports = (StandInPort(9000, 9000, "tcp"),)
    workload = mesh.workload("tcp-echo", ports=ports, build_server=lambda each: TcpEcho(each, each.version))
    for version in ("one", "two"):
        await workload.add(version)
    mesh.folder.apply_yaml(RULES, "default")
    yield workload
    workload.remove(*workload.pods)
    await workload.close()


async def test_a_fifth_of_the_connections_goes_to_the_second_version(
    mesh: LocalMesh, sleep: Proxy, echo: Workload
) -> None:
    client = sleep.tcp_client(9000, echo.service.cluster_ip)

    async def weighted() -> None:
        seen = {(await client.send()).version for _ in range(40)}
        if seen != {"one", "two"}:
            raise NotYetError(f"answers of {seen}")

    await wait_until(weighted, context=mesh.describe)
    await collect_split(client.send, {"one": 0.8, "two": 0.2}, count=500, tolerance=0.05)
