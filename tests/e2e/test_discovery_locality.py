"""Traffic stays near, goes where it is told to, and moves on when what is near dies: without a failed request."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.load import LoadGenerator, send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.workload import Workload

LOCALITY = "topology.istio.io/locality"
HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)


class Zones:
    """The pods of httpbin in zones, whose machines can fail."""

    def __init__(self, mesh: LocalMesh) -> None:
        self._servers: dict[str, Backend] = {}
        self.workload: Workload = mesh.workload("httpbin", build_server=self._build)

    async def add(self, locality: str, replicas: int = 1, labels: Mapping[str, str] | None = None) -> frozenset[str]:
        """Pods in a locality; their addresses."""
        place = {LOCALITY: locality.replace("/", ".")}
        pods = await self.workload.add(replicas=replicas, labels={**place, **(labels or {})})
        return frozenset(map(self.workload.address, pods))

    async def die(self, addresses: frozenset[str]) -> None:
        """Machines fail: nothing listens there any more, and nobody has told the mesh."""
        await asyncio.gather(*(self._servers[address].stop() for address in addresses))

    def drain(self, addresses: frozenset[str]) -> None:
        """Pods become unready."""
        leaving = [pod for pod in self.workload.pods if self.workload.address(pod) in addresses]
        self.workload.mark_ready(*leaving, ready=False)

    def _build(self, instance: Instance) -> Backend:
        return self._servers.setdefault(instance.address, httpbin.build_backend(instance))


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: LocalMesh) -> Proxy:
    """A client in zone r1/z1."""
    labels = {"app": "sleep", LOCALITY: "r1.z1", "cell": "blue"}
    pod = StandInPod("sleep", "default", mesh.addresses.ip(), labels)
    mesh.folder.apply(pod_document(pod))
    return await mesh.start_sidecar(pod)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        yield client


# Requests that are under way when a machine fails are nobody's to save but the client's who sends them once more.
RETRIES = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: httpbin}}
spec:
  hosts: [{HOST}]
  http: [{{route: [{{destination: {{host: {HOST}}}}}], retries: {{attempts: 5, retryOn: "reset,connect-failure"}}}}]
"""


@pytest_asyncio.fixture(loop_scope="session")
async def zones(mesh: LocalMesh) -> AsyncIterator[Zones]:
    zones = Zones(mesh)
    mesh.folder.apply_yaml(RETRIES, "default")
    yield zones
    zones.workload.remove(*zones.workload.pods)


async def apply(mesh: LocalMesh, sleep: Proxy, balancer: str, priorities: Mapping[int, int]) -> None:
    """Put a locality setting in force; wait until so many endpoints have each priority."""
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: httpbin}}
spec:
  host: {HOST}
  trafficPolicy:
    loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {balancer}}}
    outlierDetection: {{consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 100}}
""",
        "default",
    )

    def arrived(config: object) -> bool:
        found: dict[int, int] = {}
        for group in config.endpoints[CLUSTER]["endpoints"]:  # type: ignore[attr-defined]
            priority = group.get("priority", 0)
            found[priority] = found.get(priority, 0) + len(group["lb_endpoints"])
        return found == priorities and "outlier_detection" in config.clusters[CLUSTER]  # type: ignore[attr-defined]

    await sleep.wait_config(arrived)


async def test_when_a_zone_dies_the_next_one_takes_over(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, zones: Zones
) -> None:
    near, far = await zones.add("r1/z1", 2), await zones.add("r1/z2", 2)
    await apply(mesh, sleep, "{enabled: true}", {0: 2, 1: 2})
    await client.wait_ok(REQUEST, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        before = await load.wait_count(60)
        assert before.by_instance().keys() == near
        await zones.die(near)
        for address in far:
            await load.wait_instance(address)
        after = await load.wait_count(100)
    assert after.by_instance().keys() == far
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_when_a_zone_is_drained_the_next_one_takes_over_and_gives_back(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, zones: Zones
) -> None:
    near, other, far = await zones.add("r1/z1", 2), await zones.add("r1/z2", 2), await zones.add("r2/z1", 2)
    await apply(mesh, sleep, "{enabled: true}", {0: 2, 1: 2, 2: 2})
    await client.wait_ok(REQUEST, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        for expected in (other, far):
            zones.drain(near if expected is other else other)
            await load.wait_for(lambda answer, expected=expected: answer.instance in expected)  # type: ignore[misc]
            await sleep.wait_healthy_hosts(CLUSTER, zones.workload.ready_addresses)
            assert (await load.wait_count(60)).by_instance().keys() == expected
        zones.workload.mark_ready(*zones.workload.pods)
        await sleep.wait_healthy_hosts(CLUSTER, near | other | far)
        assert (await load.wait_count(60)).by_instance().keys() == near
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_traffic_is_distributed_over_zones(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, zones: Zones
) -> None:
    near, far = await zones.add("r1/z1"), await zones.add("r2/z1")
    nowhere = await zones.add("r3/z1")
    await apply(mesh, sleep, "{distribute: [{from: r1/*, to: {r1/*: 80, r2/*: 20}}]}", {0: 2})
    await client.wait_ok(REQUEST, context=mesh.describe)
    traffic = await send_many(lambda: client.send(REQUEST), 500)
    assert not traffic.failed, traffic.describe_failures()
    counts = traffic.by_instance()
    assert not counts.keys() & nowhere
    # Envoy takes the localities in turns by weight.
    assert 0.72 < sum(counts[address] for address in near) / len(traffic) < 0.88
    assert counts.keys() == near | far
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        await zones.die(near)
        await load.wait_for(lambda answer: answer.instance in far)
        after = await load.wait_count(100)
    assert after.by_instance().keys() == far
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_failover_follows_labels(mesh: LocalMesh, sleep: Proxy, client: HttpClient, zones: Zones) -> None:
    blue = await zones.add("r2/z9", 2, {"cell": "blue"})
    green = await zones.add("r1/z1", 2, {"cell": "green"})
    await apply(mesh, sleep, "{failoverPriority: [cell]}", {0: 2, 1: 2})
    await client.wait_ok(REQUEST, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(REQUEST), rate=200) as load:
        assert (await load.wait_count(60)).by_instance().keys() == blue
        await zones.die(blue)
        await load.wait_for(lambda answer: answer.instance in green)
        assert (await load.wait_count(100)).by_instance().keys() == green
    assert not load.traffic.failed, load.traffic.describe_failures()
