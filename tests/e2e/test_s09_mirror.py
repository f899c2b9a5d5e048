"""Requests are mirrored to another cluster's gateway, first all of them, then a share, and then it is dead."""

from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import wait_until
from tests.e2e.backends import Script

HOST = "helloworld.default.svc.cluster.local"
REMOTE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: other-cluster
spec:
  hosts: [gateway.other-cluster.example.com]
  location: MESH_EXTERNAL
  ports: [{{number: 8000, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: {address}, ports: {{http: 15443}}}}]
"""


def mirrored(percentage: float) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: helloworld
spec:
  host: {HOST}
  subsets:
  - name: v1
    labels: {{version: v1}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: helloworld
spec:
  hosts: [{HOST}]
  http:
  - name: share-{percentage:g}
    route:
    - destination: {{host: {HOST}, subset: v1}}
    mirror: {{host: gateway.other-cluster.example.com, port: {{number: 8000}}}}
    mirrorPercentage: {{value: {percentage}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remote(mesh: LocalMesh) -> str:
    """The address of the other cluster's gateway; at first nobody is there."""
    workload = mesh.workload("helloworld")
    for version in ("v1", "v2"):
        await workload.add(version)
    address = mesh.addresses.ip()
    mesh.folder.apply_yaml(REMOTE.format(address=address), "default")
    return address


@pytest.mark.parametrize("percentage", [100, 30])
async def test_clients_are_answered_by_v1_and_the_other_cluster_gets_copies(
    mesh: LocalMesh, sleep: Proxy, remote: str, percentage: float
) -> None:
    mesh.folder.apply_yaml(mirrored(percentage), "default")
    await sleep.wait_config(lambda config: f"share-{percentage}" in str(config.routes))
    script = Script()
    async with script.build(Instance("other", "v1", remote, 15443)), HttpClient(sleep.address(8000)) as client:
        await client.wait_ok(Request("/ready", HOST), "helloworld", context=mesh.describe)
        traffic = await send_many(lambda: client.get("/hello", HOST), 300)
        assert not traffic.failed, traffic.describe_failures()
        assert traffic.by_version() == {"v1": 300}

        async def probe() -> None:
            assert count(script) >= (300 if percentage == 100 else 50), count(script)

        await wait_until(probe)
        # The copy keeps the Host, as with current versions of Istio; older ones appended "-shadow".
        assert {host for host, _ in script.seen} == {HOST}
        assert count(script) == 300 if percentage == 100 else 50 <= count(script) <= 130


async def test_a_dead_mirror_changes_nothing_for_clients(mesh: LocalMesh, sleep: Proxy, remote: str) -> None:
    mesh.folder.apply_yaml(mirrored(100), "default")
    await sleep.wait_config(lambda config: "share-100" in str(config.routes))
    async with HttpClient(sleep.address(8000)) as client:
        traffic = await send_many(lambda: client.get("/hello", HOST), 300)
    assert not traffic.failed, traffic.describe_failures()
    assert traffic.by_version() == {"v1": 300}


async def test_the_host_of_copies_ends_in_shadow_where_that_is_asked_for(tmp_path: Path) -> None:
    async with LocalMesh(tmp_path, arguments=("--shadow-host-suffix",)) as mesh:
        await mesh.workload("helloworld").add("v1")
        address = mesh.addresses.ip()
        mesh.folder.apply_yaml(REMOTE.format(address=address), "default")
        mesh.folder.apply_yaml(mirrored(100), "default")
        client_proxy = await mesh.start_client("sleep")
        script = Script()
        async with (
            script.build(Instance("other", "v1", address, 15443)),
            HttpClient(client_proxy.address(8000)) as client,
        ):
            await client.wait_ok(Request("/hello", HOST), "helloworld", context=mesh.describe)

            async def probe() -> None:
                assert script.seen

            await wait_until(probe)
        assert {host for host, _ in script.seen} == {f"{HOST}-shadow"}


def count(script: Script) -> int:
    """How many copies arrived."""
    return sum(path == "/hello" for _, path in script.seen)
