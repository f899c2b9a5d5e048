"""Several workers share the xDS port. One of them is killed under load, and no request fails."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.e2e.stage import GATEWAY, ingress_route, start_ingress

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"
REQUEST = Request("/ip", HOST)
RATE = 100
RECONNECT = 60.0


@pytest_asyncio.fixture(loop_scope="session")
async def mesh(tmp_path: Path) -> AsyncIterator[LocalMesh]:
    async with LocalMesh(tmp_path, arguments=("--workers", "2")) as mesh:
        yield mesh


@pytest_asyncio.fixture(loop_scope="session")
async def httpbin(mesh: LocalMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("httpbin")
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(ingress_route(HOST, 8000), "default")
    await workload.add("v1", replicas=2)
    yield workload
    await workload.close()


async def connected(mesh: LocalMesh, count: int) -> list[dict[str, Any]]:
    """Wait until so many proxies are connected, to whichever worker, and hold what they were sent."""

    async def probe() -> list[dict[str, Any]]:
        proxies: list[dict[str, Any]] = await mesh.control_plane.debug("proxies")
        states = [status["state"] for proxy in proxies for status in proxy["types"].values()]
        if len(proxies) != count or set(states) != {"SYNCED"}:
            raise NotYetError(f"{len(proxies)} of {count} proxies, {states}")
        return proxies

    return await wait_until(probe, deadline=RECONNECT, context=mesh.describe)


async def test_a_worker_dies_under_load_and_no_request_fails(
    mesh: LocalMesh, httpbin: Workload, stream: Stream
) -> None:
    sleep = await mesh.start_client("sleep", stream=stream)
    ingress = await start_ingress(mesh, stream)
    ways: tuple[tuple[Proxy, int], ...] = ((sleep, 8000), (ingress, 80))
    async with AsyncExitStack() as stack:
        loads = []
        for proxy, port in ways:
            client = await stack.enter_async_context(proxy.client(port))
            await client.wait_ok(REQUEST, context=proxy.describe)
            loads.append(await stack.enter_async_context(LoadGenerator(partial(client.send, REQUEST), RATE)))
        for turn in range(2):
            served = {proxy["worker"] for proxy in await connected(mesh, 2)}
            pids = {worker["worker"]: worker["pid"] for worker in await mesh.control_plane.debug("workers")}
            os.kill(pids[min(served)], signal.SIGKILL)
            await httpbin.scale(3 - turn)
            for proxy, _ in ways:
                await proxy.wait_healthy_hosts(CLUSTER, httpbin.ready_addresses, RECONNECT)
            for load in loads:
                await load.wait_count(20)
        await replaced(mesh, pids)
    for load in loads:
        assert not load.traffic.failed, load.traffic.describe_failures()


async def replaced(mesh: LocalMesh, before: dict[int, int]) -> None:
    """Wait until all workers are ready, and at least one is another process."""

    async def probe() -> None:
        workers = await mesh.control_plane.debug("workers")
        if len(workers) != len(before) or not all(worker["ready"] for worker in workers):
            raise NotYetError(str(workers))
        if {worker["worker"]: worker["pid"] for worker in workers} == before:
            raise NotYetError("no worker is new")

    await wait_until(probe, deadline=RECONNECT, context=mesh.describe)
