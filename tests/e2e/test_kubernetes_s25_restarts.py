"""The API server dies and comes back, forgets, stalls, and loses connections: traffic never stops."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.apiserver.errors import internal, too_many_requests
from tests.apiserver.faults import Fault
from tests.apiserver.server import ApiServer
from tests.apiserver.watching import End
from tests.conftest import SOAK
from tests.e2e.cluster_mesh import ClusterMesh, open_cluster_mesh
from tests.e2e.stage import GATEWAY, ingress_route, start_ingress
from tests.e2e.test_s25_restarts import load_on

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)
# With back-off of up to half a minute.
CONVERGENCE = 60.0
ROUNDS = 100 if SOAK else 2
STORM_ROUNDS = 200 if SOAK else 5


@pytest.fixture(scope="module")
def stream() -> Stream:
    """How the proxies speak with the control plane."""
    return Stream.DELTA


# A mesh per test: whatever is broken must not outlive it.
@pytest_asyncio.fixture(loop_scope="session")
async def mesh(tmp_path: Path) -> AsyncIterator[ClusterMesh]:
    async with open_cluster_mesh(tmp_path) as mesh:
        yield mesh


@pytest_asyncio.fixture(loop_scope="session")
async def sleep(mesh: ClusterMesh, stream: Stream) -> Proxy:
    return await mesh.start_client("sleep", stream=stream)


@pytest_asyncio.fixture(loop_scope="session")
async def ingress(mesh: ClusterMesh, stream: Stream) -> Proxy:
    return await start_ingress(mesh, stream)


@pytest_asyncio.fixture(loop_scope="session")
async def httpbin(mesh: ClusterMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("httpbin")
    mesh.objects.apply_yaml(GATEWAY, "default")
    mesh.objects.apply_yaml(ingress_route(HOST, 8000), "default")
    await workload.add("v1", replicas=2)
    yield workload
    await workload.close()


async def only_ready_pods_answer(loads: list[LoadGenerator], proxies: tuple[Proxy, ...], httpbin: Workload) -> None:
    """Wait until the proxies know the pods that are ready; then nobody else may answer."""
    for proxy in proxies:
        await proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses, CONVERGENCE)
    for load in loads:
        fresh = await load.wait_count(20)
        assert fresh.by_instance().keys() <= httpbin.ready_addresses


@pytest.mark.soak
@pytest.mark.parametrize("forgets", [False, True], ids=["remembers", "forgets"])
async def test_no_request_fails_while_the_api_server_is_killed_again_and_again(
    mesh: ClusterMesh,
    sleep: Proxy,
    ingress: Proxy,
    httpbin: Workload,
    forgets: bool,  # noqa: FBT001
) -> None:
    async with load_on((sleep, 8000), (ingress, 80)) as loads:
        for number in range(ROUNDS):
            await mesh.server.kill()
            # What changes while nobody looks is in force afterwards; its history may be compacted by then.
            await httpbin.scale(2 + number % 3)
            if forgets:
                mesh.server.compact()
            for load in loads:
                await load.wait_count(10)
            await mesh.server.start()
            await only_ready_pods_answer(loads, (sleep, ingress), httpbin)


async def test_without_its_api_server_the_mesh_goes_on_and_takes_new_proxies(
    mesh: ClusterMesh, sleep: Proxy, httpbin: Workload
) -> None:
    async with load_on((sleep, 8000)):
        await mesh.server.kill()
        mesh.objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}})
        newcomer = await mesh.start_client("newcomer")
        await newcomer.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
        async with newcomer.client(8000) as client:
            await client.wait_ok(REQUEST, context=newcomer.describe)
        await mesh.server.start()
        await httpbin.scale(4)
        for proxy in (sleep, newcomer):
            await proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses, CONVERGENCE)


async def test_both_die_and_whoever_comes_first_serves_what_is_true(
    mesh: ClusterMesh, sleep: Proxy, ingress: Proxy, httpbin: Workload
) -> None:
    async with load_on((sleep, 8000), (ingress, 80)) as loads:
        await mesh.control_plane.kill()
        await mesh.server.kill()
        await httpbin.scale(3)
        await mesh.control_plane.start()
        await mesh.server.start()
        await mesh.control_plane.wait_ready(CONVERGENCE)
        await only_ready_pods_answer(loads, (sleep, ingress), httpbin)


@asynccontextmanager
async def storm(server: ApiServer, dice: random.Random) -> AsyncIterator[None]:
    """Whatever can happen to connections happens, again and again, until the block ends."""

    async def blow() -> None:
        while True:
            match dice.randrange(6):
                case 0:
                    server.drop_connections()
                case 1:
                    server.end_watches(dice.choice([End.CLOSE, End.DROP]))
                case 2:
                    server.compact()
                    server.end_watches(End.DROP)
                case 3:
                    server.faults.add(Fault("watch", times=2, error=internal("etcdserver: leader changed")))
                case 4:
                    server.faults.add(Fault("list", times=1, error=too_many_requests(1)))
                case _:
                    server.faults.add(Fault("watch", times=1, drop=True))
            await asyncio.sleep(dice.uniform(0.02, 0.2))

    blowing = asyncio.create_task(blow())
    try:
        yield
    finally:
        blowing.cancel()
        await asyncio.wait([blowing])
        server.faults.clear()


@pytest.mark.soak
async def test_no_request_fails_in_a_storm_of_lost_connections(
    mesh: ClusterMesh, sleep: Proxy, ingress: Proxy, httpbin: Workload
) -> None:
    dice = random.Random(7)
    async with load_on((sleep, 8000), (ingress, 80)) as loads:
        async with storm(mesh.server, dice):
            for _ in range(STORM_ROUNDS):
                # Those of version v1 stay: news of Pods may be through long before those of EndpointSlices, and
                # an endpoint whose pod is gone is none.
                await httpbin.scale(dice.randint(0, 4), "v2")
                for load in loads:
                    await load.wait_count(20)
        await only_ready_pods_answer(loads, (sleep, ingress), httpbin)
    assert await findings(mesh) == []


async def findings(mesh: ClusterMesh) -> list[str]:
    """What the control plane says is wrong, once it says so no longer of the API server."""

    async def probe() -> list[str]:
        found = [str(finding) for finding in await mesh.control_plane.debug("findings")]
        if found:
            raise NotYetError(str(found))
        return found

    return await wait_until(probe, deadline=CONVERGENCE, context=mesh.describe)
