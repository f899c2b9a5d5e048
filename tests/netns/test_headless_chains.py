"""Headless TCP services whose endpoints share a listener: it changes in place as they come and go."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.documents import StandInPod, StandInPort, StandInService, endpoint_slice_document, service_document
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from tests.held_connection import HeldConnection
from tests.listener_updates import ListenerUpdates, listener_updates
from tests.netns.applications import serve_lines

LISTENER = "0.0.0.0_9000"
SERVICE = StandInService("lines", "default", (StandInPort(9000, 9000, "tcp"),), "")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    async with NamespaceMesh(tmp_path_factory.mktemp("mesh"), arguments=("--headless-chains",)) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pods(mesh: NamespaceMesh) -> tuple[StandInPod, ...]:
    """Two pods of the service, of which the first is an endpoint so far."""
    workload = mesh.workload(SERVICE.name, ports=SERVICE.ports, build_server=serve_lines)
    pods = await workload.add(replicas=2)
    mesh.folder.apply(service_document(SERVICE), endpoint_slice_document(SERVICE, pods[:1]))
    return pods


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh, pods: tuple[StandInPod, ...]) -> Proxy:
    proxy = await mesh.start_client()
    await proxy.wait_config(lambda config: pods[0].ip in str(config.listeners.get(LISTENER)))
    return proxy


async def test_case_09_a_endpoints_come_and_go_without_an_end_to_the_connections_of_others(
    mesh: NamespaceMesh, sleep: Proxy, pods: tuple[StandInPod, ...]
) -> None:
    first, second = (f"{pod.ip}:9000" for pod in pods)
    async with HeldConnection(first, sleep.clients) as held:
        await held.say()
        before = await listener_updates(sleep)
        mesh.folder.apply(endpoint_slice_document(SERVICE, pods))
        await sleep.wait_config(lambda config: pods[1].ip in str(config.listeners[LISTENER]))
        assert await listener_updates(sleep) - before == ListenerUpdates(in_place=1)
        async with HeldConnection(second, sleep.clients) as other:
            await other.say()
        # Both were known as connections to the service, not passed on as to anybody.
        stats = await sleep.admin.stats(r"^cluster\.outbound\|9000\|\|lines\..*\.upstream_cx_total$")
        assert sum(stats.values()) == 2, stats
        mesh.folder.apply(endpoint_slice_document(SERVICE, pods[:1]))
        await sleep.wait_config(lambda config: pods[1].ip not in str(config.listeners[LISTENER]))
        await held.say()
        assert await listener_updates(sleep) - before == ListenerUpdates(in_place=2, draining_chains=1)
