"""Pods come, go, and change their readiness under constant load."""

from collections.abc import AsyncIterator, Sequence

import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.documents import StandInPod
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.workload import Workload
from tests.e2e.stage import GATEWAY, Entry, ingress_route

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)
RATE = 300


@pytest_asyncio.fixture(loop_scope="session")
async def httpbin(mesh: LocalMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("httpbin")
    mesh.objects.apply_yaml(GATEWAY, "default")
    mesh.objects.apply_yaml(ingress_route(HOST, 8000), "default")
    await workload.add("v1")
    yield workload
    workload.remove(*workload.pods)
    await workload.close()


async def scale(entry: Entry, httpbin: Workload, load: LoadGenerator, replicas: int) -> None:
    """Scale and see every new pod answer, then nobody answer who should not."""
    before = httpbin.ready_addresses
    await httpbin.scale(replicas)
    for address in httpbin.ready_addresses - before:
        await load.wait_instance(address)
    await only_ready_pods_answer(entry, httpbin, load)


async def only_ready_pods_answer(entry: Entry, httpbin: Workload, load: LoadGenerator) -> None:
    await entry.proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
    fresh = await load.wait_count(100)
    assert fresh.by_instance().keys() <= httpbin.ready_addresses


async def test_no_request_fails_while_a_pod_is_ready(mesh: LocalMesh, entry: Entry, httpbin: Workload) -> None:
    await entry.client.wait_ok(REQUEST, context=mesh.describe)
    await entry.proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
    async with LoadGenerator(lambda: entry.client.send(REQUEST), RATE) as load:
        for replicas in (2, 5, 1):
            await scale(entry, httpbin, load, replicas)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_readiness_decides_who_gets_requests(mesh: LocalMesh, entry: Entry, httpbin: Workload) -> None:
    (late,) = await httpbin.add("v1", ready=False)
    await entry.client.wait_ok(REQUEST, context=mesh.describe)
    await entry.proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
    async with LoadGenerator(lambda: entry.client.send(REQUEST), RATE) as load:
        fresh = await load.wait_count(100)
        assert httpbin.address(late) not in fresh.by_instance()
        for ready in (True, False, True):
            httpbin.mark_ready(late, ready=ready)
            if ready:
                await load.wait_instance(httpbin.address(late))
            await only_ready_pods_answer(entry, httpbin, load)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_without_pods_the_answer_is_503_and_with_pods_all_is_well_again(
    mesh: LocalMesh, entry: Entry, httpbin: Workload
) -> None:
    await entry.client.wait_ok(REQUEST, context=mesh.describe)
    gone: Sequence[StandInPod] = httpbin.pods
    async with LoadGenerator(lambda: entry.client.send(REQUEST), RATE) as load:
        await httpbin.scale(0)
        await load.wait_for(lambda answer: answer.status == 503)
        await entry.proxy.wait_healthy_hosts(CLUSTER, frozenset())
        without_pods = await load.wait_count(100)
        back = await httpbin.add("v1", replicas=2)
        for pod in back:
            await load.wait_instance(httpbin.address(pod))
        await entry.proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
        with_pods = await load.wait_count(100)
    assert without_pods.by_status() == {503: len(without_pods)}
    assert not [answer for answer in load.traffic if answer.error], "reset, refused or hanging requests"
    # Envoy's own answer for response flag UH (no healthy host); NC (no cluster) has an empty body.
    assert {answer.body for answer in without_pods} <= {b"no healthy upstream", b""}
    assert with_pods.by_status() == {200: len(with_pods)}, with_pods.describe_failures()
    assert not with_pods.by_instance().keys() & {httpbin.address(pod) for pod in gone}
