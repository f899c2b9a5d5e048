"""Limits of connections refuse what is too much, and endpoints that fail are ejected until they are well again."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.load import LoadGenerator, send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin as service
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.httpbin import Behaviour
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.outside import logging_at_once

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)


def rule(policy: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: httpbin}}
spec: {{host: {HOST}, trafficPolicy: {policy}}}
"""


class Pods:
    """The pods of httpbin, each of which can be made to fail."""

    def __init__(self, mesh: LocalMesh) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.workload: Workload = mesh.workload("httpbin", build_server=self._build)

    def fail(self, pod: StandInPod, *, failing: bool = True) -> None:
        behaviour = self.behaviours[pod.ip]
        behaviour.failure_status, behaviour.failure_share = 500, float(failing)

    def _build(self, instance: Instance) -> Backend:
        self.behaviours[instance.host] = Behaviour()
        return service.build_backend(instance, self.behaviours[instance.host])


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalMesh]:
    """A mesh that logs every request and its response flags."""
    logging = {"accessLogFile": "/dev/stdout", "accessLogFormat": "%RESPONSE_CODE% [%RESPONSE_FLAGS%]\n"}
    async with LocalMesh(tmp_path_factory.mktemp("mesh"), logging) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: LocalMesh) -> Proxy:
    with logging_at_once(mesh.workdir):
        return await mesh.start_client()


@pytest_asyncio.fixture(loop_scope="session")
async def pods(mesh: LocalMesh) -> AsyncIterator[Pods]:
    pods = Pods(mesh)
    yield pods
    pods.workload.remove(*pods.workload.pods)


@pytest_asyncio.fixture(loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        yield client


async def apply(mesh: LocalMesh, sleep: Proxy, policy: str, pods: Pods) -> None:
    """Put a policy in force, and let the client know all pods."""
    mesh.folder.apply_yaml(rule(policy), "default")

    def has_arrived(config: EnvoyConfig) -> bool:
        found = config.clusters[CLUSTER]
        outlier = "outlierDetection" in policy
        limits = found["circuit_breakers"]["thresholds"][0]
        return (
            ("outlier_detection" in found) is outlier
            and (limits["max_connections"] == 1) is ("maxConnections: 1" in policy)
            and config.healthy_hosts(CLUSTER) == pods.workload.ready_addresses
        )

    await sleep.wait_config(has_arrived)


async def ejected(sleep: Proxy) -> None:
    """Wait until a host is ejected: the thread that sends requests is told by another one."""

    async def probe() -> None:
        stats = await sleep.admin.stats(r"outbound\|8000.*ejections_active")
        if sum(stats.values()) != 1:
            raise NotYetError(f"not one host is ejected: {stats}")

    await wait_until(probe)


async def logged(sleep: Proxy, text: str) -> None:
    """Wait for a line in the access log; Envoy writes it out a little later."""

    async def probe() -> None:
        if text not in sleep.log.read_text():
            raise NotYetError(f"no {text} in the access log")

    await wait_until(probe)


POOL = """{connectionPool: {tcp: {maxConnections: 1},
                            http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1}}}"""


async def test_s10_what_exceeds_the_pool_is_refused_with_flag_uo(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, pods: Pods
) -> None:
    await pods.workload.add()
    await apply(mesh, sleep, POOL, pods)
    await client.wait_ok(REQUEST, context=mesh.describe)
    slow = Request("/delay/0.05", HOST)
    traffic = await send_many(lambda: client.send(slow), 30, concurrency=3)
    assert traffic.by_status().keys() == {200, 503}
    assert all(b"overflow" in answer.body for answer in traffic.failed)
    stats = await sleep.admin.stats("upstream_rq_pending_overflow")
    assert sum(stats.values()) >= len(traffic.failed)
    await logged(sleep, "503 [UO")


EJECTING = """{outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 3m,
                                  maxEjectionPercent: 100}}"""


async def test_s10_a_pod_that_answers_500_is_ejected(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, pods: Pods
) -> None:
    good, bad = await pods.workload.add(replicas=2)
    await apply(mesh, sleep, EJECTING, pods)
    pods.fail(bad)
    first = await client.wait_for(REQUEST, lambda answer: answer.status == 500, context=mesh.describe)
    assert first.instance == pods.workload.address(bad)
    await ejected(sleep)
    traffic = await send_many(lambda: client.send(REQUEST), 100)
    assert traffic.by_instance().keys() == {pods.workload.address(good)}
    assert not traffic.failed, traffic.describe_failures()


async def test_s10_with_all_pods_ejected_nobody_is_left_to_answer(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, pods: Pods
) -> None:
    (only,) = await pods.workload.add()
    await apply(mesh, sleep, EJECTING, pods)
    pods.fail(only)
    await client.wait_for(REQUEST, lambda answer: answer.status == 500, context=mesh.describe)
    # The panic threshold is 0: Envoy does not turn to a host that it has ejected.
    answer = await client.wait_for(REQUEST, lambda answer: answer.status == 503)
    assert answer.body == b"no healthy upstream"
    await logged(sleep, "503 [UH")


async def test_an_ejected_pod_returns(mesh: LocalMesh, sleep: Proxy, client: HttpClient, pods: Pods) -> None:
    _good, bad = await pods.workload.add(replicas=2)
    quick = EJECTING.replace("interval: 1s", "interval: 50ms").replace("3m", "50ms")
    await apply(mesh, sleep, quick, pods)
    pods.fail(bad)
    await client.wait_for(REQUEST, lambda answer: answer.status == 500, context=mesh.describe)
    pods.fail(bad, failing=False)
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        await load.wait_instance(pods.workload.address(bad))
        fresh = await load.wait_count(100)
    assert fresh.by_instance().keys() == pods.workload.ready_addresses
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_a_new_pod_warms_up(mesh: LocalMesh, sleep: Proxy, client: HttpClient, pods: Pods) -> None:
    await pods.workload.add(replicas=2)
    await apply(mesh, sleep, "{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 2s}}}", pods)
    await client.wait_ok(REQUEST, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        # The window of the pods that are there has to pass first: for 2 seconds all are equally cold.
        await load.wait_count(500)
        (late,) = await pods.workload.add()
        address = pods.workload.address(late)
        await load.wait_instance(address)
        cold = await load.wait_count(60)
        assert 0 < cold.by_instance()[address] / len(cold) < 0.25
        await load.wait_count(500)
        warm = await load.wait_count(150)
    assert warm.by_instance()[address] / len(warm) > 0.25
    assert not load.traffic.failed, load.traffic.describe_failures()
