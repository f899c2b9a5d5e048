"""A machine outside of Kubernetes, with an Envoy that was started by hand, is part of the mesh like any pod."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.load import LoadGenerator, send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.workload import Workload

HOST = "legacy.example.internal"
CLUSTER = f"outbound|8000||{HOST}"


class Machine(EnvoyProcess):
    """The Envoy of a machine: its bootstrap is what the command line writes."""

    def __init__(self, mesh: LocalMesh, workdir: Path, name: str) -> None:
        self.ip, self.port = mesh.addresses.ip(), mesh.addresses.port()
        admin = mesh.addresses.port()
        arguments = ["--namespace", "default", "--name", name, "--ip", self.ip, "--labels", "app=legacy"]
        arguments += ["--capture", "none", "--xds", mesh.control_plane.xds, "--admin-port", str(admin)]
        bootstrap = workdir / f"{name}.yaml"
        command = [sys.executable, "-m", "fairlead", "bootstrap", "sidecar", *arguments]
        bootstrap.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        super().__init__(name, bootstrap, f"127.0.0.1:{admin}")


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pods(mesh: LocalMesh) -> Workload:
    workload = mesh.workload("httpbin")
    await workload.add()
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def machine(mesh: LocalMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """A machine with an application on its loopback, which its Envoy makes reachable."""
    machine = Machine(mesh, tmp_path_factory.mktemp("machine"), "vm-1")
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: legacy}}
spec:
  hosts: [{HOST}]
  location: MESH_INTERNAL
  ports: [{{number: 8000, name: http, protocol: HTTP}}]
  resolution: STATIC
  workloadSelector: {{labels: {{app: legacy}}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: legacy}}
spec:
  workloadSelector: {{labels: {{app: legacy}}}}
  ingress:
  - port: {{number: 9080, name: http, protocol: HTTP}}
    bind: {machine.ip}
    defaultEndpoint: 127.0.0.1:{machine.port}
  egress: [{{hosts: ["*/*"]}}]
---
{workload_entry("vm-1", machine.ip)}
""",
        "default",
    )
    async with httpbin.build_backend(Instance("legacy", "v1", "127.0.0.1", machine.port)), machine:
        yield machine


def workload_entry(name: str, ip: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: default}}
spec: {{address: {ip}, ports: {{http: 9080}}, labels: {{app: legacy}}, serviceAccount: legacy}}
"""


async def test_s22_pods_reach_the_machine(mesh: LocalMesh, sleep: Proxy, machine: Machine) -> None:
    async with HttpClient(sleep.address(8000)) as client:
        await client.wait_ok(Request("/ip", HOST), "legacy", context=mesh.describe)
    stats = await machine.admin.stats(r"cluster\.inbound\|9080\|\|.*upstream_rq_total")
    assert sum(stats.values()) > 0


async def test_s22_the_machine_reaches_pods(mesh: LocalMesh, pods: Workload, machine: Machine) -> None:
    async with HttpClient(f"{machine.ip}:8000") as client:
        answer = await client.wait_ok(Request("/ip", pods.service.host), "httpbin", context=mesh.describe)
    assert answer.instance in pods.ready_addresses


async def test_s22_machines_come_and_go_under_traffic(mesh: LocalMesh, sleep: Proxy, machine: Machine) -> None:
    other = mesh.addresses.ip()
    both = {f"{machine.ip}:9080", f"{other}:9080"}
    request = Request("/ip", HOST)
    async with (
        httpbin.build_backend(Instance("legacy", "v2", other, 9080)),
        HttpClient(sleep.address(8000)) as client,
    ):
        await client.wait_ok(request, "legacy", context=mesh.describe)
        async with LoadGenerator(lambda: client.send(request), rate=100) as load:
            (document,) = mesh.folder.apply_yaml(workload_entry("vm-2", other))
            await sleep.wait_healthy_hosts(CLUSTER, both)
            await load.wait_instance(f"{other}:9080")
            mesh.folder.delete(document)
            await sleep.wait_healthy_hosts(CLUSTER, {f"{machine.ip}:9080"})
            left = await load.wait_count(30)
        assert left.by_version().keys() == {"v1"}
        assert not load.traffic.failed, load.traffic.describe_failures()
        traffic = await send_many(lambda: client.send(request), 20)
        assert traffic.by_status() == {200: 20}
