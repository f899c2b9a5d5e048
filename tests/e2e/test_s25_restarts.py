"""The control plane dies and comes back, Envoys restart, files change meanwhile: traffic never stops."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.conftest import SOAK
from tests.e2e.stage import GATEWAY, Entry, ingress_route, open_mesh, start_ingress

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)
RATE = 100
# After many failures Envoy waits for up to 30 seconds before it connects again.
RECONNECT = 60.0
# With FAIRLEAD_SOAK=1 a hundred in a row.
RESTARTS = 100 if SOAK else 3


# A mesh per test: whatever is started again must not outlive it.
@pytest_asyncio.fixture(loop_scope="session")
async def mesh(tmp_path: Path) -> AsyncIterator[LocalMesh]:
    async with open_mesh(tmp_path) as mesh:
        yield mesh


@pytest_asyncio.fixture(loop_scope="session")
async def sleep(mesh: LocalMesh, stream: Stream) -> Proxy:
    return await mesh.start_client("sleep", stream=stream)


@pytest_asyncio.fixture(loop_scope="session")
async def ingress(mesh: LocalMesh, stream: Stream) -> Proxy:
    return await start_ingress(mesh, stream)


@pytest_asyncio.fixture(loop_scope="session")
async def httpbin(mesh: LocalMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("httpbin")
    mesh.objects.apply_yaml(GATEWAY, "default")
    mesh.objects.apply_yaml(ingress_route(HOST, 8000), "default")
    await workload.add("v1", replicas=2)
    yield workload
    await workload.close()


@asynccontextmanager
async def load_on(*ways: tuple[Proxy, int]) -> AsyncIterator[list[LoadGenerator]]:
    """A constant load through the listeners of several proxies, of which no request may fail."""

    def sender(client: HttpClient) -> LoadGenerator:
        return LoadGenerator(lambda: client.send(REQUEST), RATE)

    async with AsyncExitStack() as stack:
        loads = []
        for proxy, port in ways:
            client = await stack.enter_async_context(proxy.client(port))
            await client.wait_ok(REQUEST, context=proxy.describe)
            loads.append(await stack.enter_async_context(sender(client)))
        yield loads
    for load in loads:
        assert not load.traffic.failed, load.traffic.describe_failures()


async def settled(mesh: LocalMesh, count: int, accept: Callable[[dict[str, Any]], bool] = bool) -> list[dict[str, Any]]:
    """Wait until so many proxies are connected and hold what they were sent; what the control plane says of them."""

    async def probe() -> list[dict[str, Any]]:
        proxies: list[dict[str, Any]] = await mesh.control_plane.debug("proxies")
        waiting = [
            (proxy["proxy"], name, status["state"])
            for proxy in proxies
            for name, status in proxy["types"].items()
            if status["state"] != "SYNCED"
        ]
        if len(proxies) != count or waiting or not all(map(accept, proxies)):
            raise NotYetError(f"{len(proxies)} of {count} proxies, not settled: {waiting}")
        return proxies

    return await wait_until(probe, context=mesh.describe)


def has_everything(proxy: dict[str, Any]) -> bool:
    """Whether a proxy has asked for all types that an HTTP proxy needs."""
    return {"cds", "eds", "lds", "rds"} <= set(proxy["types"])


@pytest.mark.soak
async def test_no_request_fails_while_the_control_plane_is_killed_again_and_again(
    mesh: LocalMesh, sleep: Proxy, ingress: Proxy, httpbin: Workload
) -> None:
    async with load_on((sleep, 8000), (ingress, 80)) as loads:
        for number in range(RESTARTS):
            await mesh.control_plane.kill()
            # What changes while nobody looks is in force afterwards.
            await httpbin.scale(2 + number % 3)
            for load in loads:
                await load.wait_count(10)
            await mesh.control_plane.start()
            for proxy in (sleep, ingress):
                await proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses, RECONNECT)
            for load in loads:
                fresh = await load.wait_count(20)
                assert fresh.by_instance().keys() <= httpbin.ready_addresses


async def test_after_a_reconnect_only_what_differs_is_sent(
    mesh: LocalMesh, sleep: Proxy, ingress: Proxy, httpbin: Workload, stream: Stream
) -> None:
    others = [mesh.workload(f"other-{number}") for number in range(5)]
    await others[0].add("v1")
    last = f"outbound|8000||{others[-1].service.host}"
    await sleep.wait_config(lambda config: last in config.clusters)
    await sleep.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
    async with load_on((sleep, 8000), (ingress, 80)):
        await mesh.control_plane.kill()
        changed = await mesh_change(mesh, sleep)
        proxies = await settled(mesh, 2, has_everything)
    sent = {name: status["resources"] for name, status in proxy_of(proxies, sleep)["types"].items()}
    config = await sleep.admin.config()
    if stream is Stream.DELTA:
        # Envoy: endpoints are always needed again, because a cluster may still wait for them.
        assert {name: sent[name] for name in ("cds", "lds", "rds")} == {"cds": 1, "lds": 0, "rds": 1}
    else:
        assert sent["cds"] > len(others)
    assert changed in config.clusters


async def mesh_change(mesh: LocalMesh, proxy: Proxy) -> str:
    """Add a service while the control plane is away, and bring that back; the name of the cluster."""
    added = mesh.workload("meanwhile")
    await mesh.control_plane.start()
    name = f"outbound|8000||{added.service.host}"
    await proxy.wait_config(lambda config: name in config.clusters)
    return name


def proxy_of(proxies: list[dict[str, Any]], proxy: Proxy) -> dict[str, Any]:
    """What the control plane says of one proxy."""
    (found,) = [each for each in proxies if proxy.ip in each["addresses"]]
    return found


async def test_an_envoy_restarts_alone_and_together_with_the_control_plane(
    mesh: LocalMesh, entry: Entry, sleep: Proxy, ingress: Proxy, httpbin: Workload
) -> None:
    other, port = (ingress, 80) if entry.proxy is sleep else (sleep, 8000)
    async with load_on((other, port)):
        for together in (False, True):
            await entry.proxy.kill()
            if together:
                await mesh.control_plane.kill()
            await httpbin.scale(3 if together else 1)
            await entry.proxy.start()
            if together:
                await mesh.control_plane.start()
            await entry.proxy.wait_ready()
            # An Envoy says that it is ready only when it can serve.
            for _ in range(20):
                answer = await entry.client.send(REQUEST)
                assert not answer.failed, f"{answer}\n{mesh.describe()}"
            for proxy in (sleep, ingress):
                await proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses)
