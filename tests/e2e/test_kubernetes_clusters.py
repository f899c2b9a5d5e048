"""Two Kubernetes clusters are one mesh: their pods serve together what both have, and a cluster can go under load."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.mesh.clients import Request
from fairlead.mesh.documents import namespace_document, node_document
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.workload import Workload
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer
from tests.e2e.cluster_mesh import ClusterMesh, ClusterObjects, open_cluster_mesh
from tests.integration.clusters import put_remote_secret

CLUSTER = "outbound|8000||{}.{}.svc.cluster.local"
RATE = 200


@asynccontextmanager
async def open_second_cluster(workdir: Path) -> AsyncIterator[ClusterObjects]:
    """Another cluster, of which nobody knows yet."""
    async with ApiServer() as server:
        server.put(*mesh_definitions(), namespace_document("default"), namespace_document("kube-system"))
        server.put(node_document())
        yield ClusterObjects(server, workdir / "east")


async def cluster_updates(proxy: Proxy) -> float:
    """How many times a proxy was sent clusters."""
    return sum((await proxy.admin.stats(r"cluster_manager\.cds\.update_success")).values())


async def test_case_46_two_clusters_serve_together_until_one_goes(tmp_path: Path) -> None:
    async with open_cluster_mesh(tmp_path) as mesh, open_second_cluster(tmp_path) as east:
        mesh.objects.apply(namespace_document("kube-system"))
        here, dns = mesh.workload("httpbin"), mesh.workload("dns", "kube-system")
        there = Workload(here.service, east, mesh.addresses)
        far_dns = Workload(dns.service, east, mesh.addresses)
        try:
            for workload in (here, dns, there, far_dns):
                await workload.add()
            put_remote_secret(mesh.server, "east", ("east", east.server.kubeconfig()))
            sleep = await mesh.start_client()
            shared = CLUSTER.format("httpbin", "default")
            await sleep.wait_healthy_hosts(shared, here.ready_addresses | there.ready_addresses)
            # What every cluster has of its own is not shared.
            await sleep.wait_healthy_hosts(CLUSTER.format("dns", "kube-system"), dns.ready_addresses)
            await see_the_second_cluster_go(mesh, sleep, here, there)
        finally:
            await there.close()
            await far_dns.close()


async def see_the_second_cluster_go(mesh: ClusterMesh, sleep: Proxy, here: Workload, there: Workload) -> None:
    """The load goes on, with the pods of the first cluster alone, and nothing but endpoints is sent."""
    shared, request = CLUSTER.format("httpbin", "default"), Request("/ip", "httpbin.default.svc.cluster.local")
    async with sleep.client(8000) as client:
        await client.wait_ok(request, context=mesh.describe)
        async with LoadGenerator(lambda: client.send(request), RATE) as load:
            for address in here.ready_addresses | there.ready_addresses:
                await load.wait_instance(address)
            before = await cluster_updates(sleep)
            mesh.server.remove("v1", "Secret", "east", "istio-system")
            await sleep.wait_healthy_hosts(shared, here.ready_addresses)
            fresh = await load.wait_count(100)
            assert fresh.by_instance().keys() == here.ready_addresses
        assert not load.traffic.failed, load.traffic.describe_failures()
    assert await cluster_updates(sleep) == before
