"""Clusters that change and go, while requests are under way."""

import functools
from collections.abc import AsyncIterator

import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.documents import service_document
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.traffic import Answer
from fairlead.mesh.workload import Workload

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
PATHS = 500


def timeout_rule(seconds: int) -> str:
    """A rule that changes the cluster, so that Envoy warms it anew."""
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: httpbin}}
spec: {{host: {HOST}, trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {seconds}s}}}}}}}}
"""


def paths_that_answer(host: str, status: int) -> str:
    """A rule that takes a while to translate, and concerns no endpoint."""
    paths = (
        f"{{match: [{{uri: {{exact: /path-{number}}}}}], directResponse: {{status: {status}}}}}"
        for number in range(PATHS)
    )
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: paths}}
spec:
  hosts: [{host}]
  http: [{", ".join(paths)}, {{route: [{{destination: {{host: {host}}}}}]}}]
"""


def has_timeout(config: EnvoyConfig, wanted: str) -> bool:
    return bool(config.clusters[CLUSTER]["connect_timeout"] == wanted)


def has_status(status: int, answer: Answer) -> bool:
    return answer.status == status


def lacks(cluster: str, config: EnvoyConfig) -> bool:
    return cluster not in config.clusters


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: LocalMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("httpbin")
    await workload.scale(2)
    yield workload
    await workload.close()


async def test_case_10_b_a_changed_cluster_is_ready_at_once(mesh: LocalMesh, sleep: Proxy, httpbin: Workload) -> None:
    await sleep.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
    request = Request("/ip", HOST)
    async with sleep.client(8000) as client:
        # A listener comes after the endpoints that are behind it.
        await client.wait_ok(request, context=mesh.describe)
        async with LoadGenerator(lambda: client.send(request), rate=200) as load:
            await load.wait_count(1)
            for seconds in (3, 4, 5):
                (rule,) = mesh.folder.apply_yaml(timeout_rule(seconds), "default")
                config = await sleep.wait_config(functools.partial(has_timeout, wanted=f"{seconds}s"))
                # Envoy lists a cluster as active when it has warmed.
                assert CLUSTER in config.clusters
                stats = await sleep.admin.stats("cluster_manager.warming_clusters")
                assert stats["cluster_manager.warming_clusters"] == 0
            mesh.folder.delete(rule)
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_case_16_c_requests_never_find_a_route_without_its_cluster(mesh: LocalMesh, sleep: Proxy) -> None:
    async with sleep.client(8000) as client:
        for number in range(5):
            workload = mesh.workload(f"gone-{number}")
            await workload.scale(1)
            request = Request("/ip", workload.service.host)
            cluster = f"outbound|8000||{workload.service.host}"
            await sleep.wait_healthy_hosts(cluster, workload.ready_addresses)
            async with LoadGenerator(functools.partial(client.send, request), rate=300) as load:
                await load.wait_for(lambda answer: not answer.failed)
                mesh.folder.delete(service_document(workload.service))
                await sleep.wait_config(functools.partial(lacks, cluster))
            await workload.close()
    # Envoy counts requests whose route led to a cluster that it does not have.
    missed = {name: count for name, count in (await sleep.admin.stats("no_cluster")).items() if count}
    assert not missed


async def test_lost_endpoints_do_not_wait_for_a_rule_that_changes_with_them(mesh: LocalMesh, sleep: Proxy) -> None:
    workload = mesh.workload("shrinking")
    await workload.scale(4)
    host, cluster = workload.service.host, f"outbound|8000||{workload.service.host}"
    last = Request(f"/path-{PATHS - 1}", host)
    async with sleep.client(8000) as client:
        await sleep.wait_healthy_hosts(cluster, workload.ready_addresses)
        await client.wait_ok(Request("/ip", host), context=mesh.describe)
        async with LoadGenerator(lambda: client.send(Request("/ip", host)), rate=200) as load:
            await load.wait_count(1)
            for pod, status in zip(workload.pods[:3], (201, 202, 203), strict=True):
                mesh.folder.apply_yaml(paths_that_answer(host, status), "default")
                workload.mark_ready(pod, ready=False)
                await sleep.wait_healthy_hosts(cluster, workload.ready_addresses)
                # And the rule is not forgotten over it.
                await client.wait_for(last, functools.partial(has_status, status))
        assert not load.traffic.failed, load.traffic.describe_failures()
    await workload.close()
