"""All pods of a cluster are replaced, batch by batch, under load: no request fails, and none goes astray afterwards."""

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.conftest import SOAK
from tests.e2e.cluster_mesh import ClusterMesh, open_cluster_mesh
from tests.e2e.fleet import PORT, Fleet
from tests.e2e.stage import GATEWAY, ingress_route, start_ingress

# In make soak ten thousand pods.
SERVICES, REPLICAS = (100, 100) if SOAK else (10, 40)
BATCH = 10
RATE = 100
CONVERGENCE = 120.0


async def endpoints_agree(proxy: Proxy, fleet: Fleet) -> None:
    """Wait until a proxy has the endpoints of every service of the fleet, and no others."""
    expected = {service.cluster_name(): fleet.instances(service) for service in fleet.services}

    async def probe() -> None:
        held: dict[str, frozenset[str]] = {}
        for status in await proxy.admin.clusters():
            hosts = [host["address"]["socket_address"] for host in status.get("host_statuses", ())]
            held[status["name"]] = frozenset(f"{each['address']}:{each['port_value']}" for each in hosts)
        wrong = {name: len(held.get(name, ())) for name in expected if held.get(name) != expected[name]}
        if wrong:
            raise NotYetError(f"clusters with other endpoints, and how many: {wrong}")

    await wait_until(probe, deadline=CONVERGENCE, interval=0.25)


@pytest_asyncio.fixture(loop_scope="session")
async def mesh(tmp_path: Path) -> AsyncIterator[ClusterMesh]:
    async with open_cluster_mesh(tmp_path) as mesh:
        yield mesh


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(mesh: ClusterMesh) -> AsyncIterator[Fleet]:
    async with Fleet(mesh.objects, mesh.addresses, SERVICES, REPLICAS) as fleet:
        mesh.objects.apply_yaml(GATEWAY, "default")
        for service in fleet.services:
            mesh.objects.apply_yaml(ingress_route(service.host, PORT, service.name), "default")
        yield fleet


@asynccontextmanager
async def load_on_all(fleet: Fleet, *ways: tuple[Proxy, int]) -> AsyncIterator[list[LoadGenerator]]:
    """A constant load on all services in turns, through the listeners of several proxies; no request may fail."""
    hosts = itertools.cycle([service.host for service in fleet.services])

    def sender(client: HttpClient) -> LoadGenerator:
        return LoadGenerator(lambda: client.send(Request("/", next(hosts))), RATE)

    async with AsyncExitStack() as stack:
        loads = []
        for proxy, port in ways:
            client = await stack.enter_async_context(proxy.client(port))
            for service in fleet.services:
                await client.wait_ok(Request("/", service.host), context=proxy.describe)
            loads.append(await stack.enter_async_context(sender(client)))
        yield loads
    for load in loads:
        assert not load.traffic.failed, load.traffic.describe_failures()


@pytest.mark.soak
@pytest.mark.timeout(1800 if SOAK else 120)
async def test_no_request_fails_while_every_pod_is_replaced(mesh: ClusterMesh, fleet: Fleet) -> None:
    sleep, ingress = await mesh.start_client("sleep"), await start_ingress(mesh, Stream.DELTA)
    for proxy in (sleep, ingress):
        await endpoints_agree(proxy, fleet)
    async with load_on_all(fleet, (sleep, PORT), (ingress, 80)) as loads:
        await fleet.roll(BATCH, random.Random(3))
        for proxy in (sleep, ingress):
            await endpoints_agree(proxy, fleet)
        for load in loads:
            fresh = await load.wait_count(5 * SERVICES, CONVERGENCE)
            assert fresh.by_instance().keys() <= fleet.all_instances
