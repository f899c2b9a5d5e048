"""Workers as processes: who serves whom, what the admin port says of all of them, and how they end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fairlead.address import Address
from fairlead.app import ListenError
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import ServeSettings
from fairlead.workers.supervisor import Supervisor, WorkerError, reserve_port
from tests.integration.serving import ANYWHERE, DeltaClient, identity
from xds.types import ENDPOINT

WEB = "outbound|8000||web.default.svc.cluster.local"
CLIENTS = 12


@pytest.fixture
async def plane(root: Path, tmp_path: Path) -> AsyncIterator[ControlPlaneProcess]:
    with Addresses() as addresses:
        ip = addresses.ip()
        listening = (str(Address(ip, 15010)), str(Address(ip, 15014)))
        async with ControlPlaneProcess(root, listening, tmp_path / "plane.log", "--workers", "2") as plane:
            yield plane


@pytest.fixture
async def clients(plane: ControlPlaneProcess) -> AsyncIterator[list[DeltaClient]]:
    async with AsyncExitStack() as stack:
        address = Address.parse(plane.xds)
        clients = [await stack.enter_async_context(DeltaClient(address)) for _ in range(CLIENTS)]
        for number, client in enumerate(clients):
            await client.introduce(identity(f"client-{number}"))
            await client.until(partial(has_web, client))
            await client.subscribe(ENDPOINT, [WEB])
            await client.until(partial(reaches, client, "10.1.0.1"))
        yield clients


def has_web(client: DeltaClient) -> bool:
    """Whether a client knows the service."""
    return client.clusters() == {WEB}


def reaches(client: DeltaClient, address: str) -> bool:
    """Whether a client knows this endpoint of the service, and no other."""
    return client.endpoints(WEB) == {address}


async def metrics(plane: ControlPlaneProcess, name: str) -> dict[str, float]:
    """The samples of a metric without further labels, by worker."""
    async with aiohttp.request("GET", f"http://{plane.admin}/metrics") as response:
        text = await response.text()
    samples = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in samples}


async def test_the_port_is_shared_and_the_admin_port_tells_of_all(
    plane: ControlPlaneProcess, clients: list[DeltaClient], root: Path, healthy: str
) -> None:
    proxies = await plane.debug("proxies")
    assert {proxy["proxy"] for proxy in proxies} == {f"client-{each}.default" for each in range(CLIENTS)}
    assert {proxy["worker"] for proxy in proxies} == {1, 2}
    assert sum((await metrics(plane, "fairlead_proxies")).values()) == CLIENTS
    assert await metrics(plane, "fairlead_objects") == {"1": 2.0, "2": 2.0}
    assert (await plane.debug("connections"))["totalClients"] == CLIENTS
    assert len(await plane.debug("syncz")) == CLIENTS
    (root / "web.yaml").write_text(healthy.replace("[10.1.0.1]", "[10.1.0.2]"))
    for client in clients:
        await client.until(partial(reaches, client, "10.1.0.2"))
    pushes = await plane.debug("pushes")
    assert {push["worker"] for push in pushes if push["responses"]} == {1, 2}
    assert set((await plane.debug("loop"))["workers"]) == {"1", "2"}
    assert WEB in str(await plane.debug("config_dump?proxyID=client-3.default"))


async def test_a_worker_that_dies_is_replaced_and_the_others_go_on(
    plane: ControlPlaneProcess, clients: list[DeltaClient], root: Path, healthy: str
) -> None:
    serving = {proxy["proxy"]: proxy["worker"] for proxy in await plane.debug("proxies")}
    pids = {worker["worker"]: worker["pid"] for worker in await plane.debug("workers")}
    os.kill(pids[1], signal.SIGKILL)
    (root / "web.yaml").write_text(healthy.replace("[10.1.0.1]", "[10.1.0.2]"))
    for number, client in enumerate(clients):
        if serving[f"client-{number}.default"] == 2:
            await client.until(partial(reaches, client, "10.1.0.2"))
    # Until it is really gone, the kernel may give it a connection that is reset then.
    await plane.wait_record(event="worker.died", worker=1, reason="SIGKILL")
    async with DeltaClient(Address.parse(plane.xds)) as fresh:
        await fresh.introduce(identity("fresh"))
        await fresh.until(partial(has_web, fresh))

    async def probe() -> None:
        workers = {worker["worker"]: worker for worker in await plane.debug("workers")}
        if set(workers) != {1, 2} or not workers[1]["ready"] or workers[1]["restarts"] != 1:
            raise NotYetError(str(workers))
        assert workers[2]["pid"] == pids[2]

    await wait_until(probe, context=plane.describe)


async def test_workers_end_with_whoever_started_them(plane: ControlPlaneProcess) -> None:
    pids = [worker["pid"] for worker in await plane.debug("workers")]
    await plane.kill()

    async def probe() -> None:
        alive = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]
        if any(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in alive):
            raise NotYetError(f"{alive} still run")

    await wait_until(probe)


async def test_an_orderly_end_is_that_of_all(plane: ControlPlaneProcess, clients: list[DeltaClient]) -> None:
    pids = [worker["pid"] for worker in await plane.debug("workers")]
    await plane.terminate()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    stopped = [record["worker"] for record in plane.records() if record["event"] == "serve.stopping"]
    assert sorted(stopped) == [1, 2]


async def test_a_taken_port_is_told_before_anything_is_started(root: Path) -> None:
    with Addresses() as addresses:
        address = Address(addresses.ip(), addresses.port())
        server = await asyncio.start_server(lambda *_: None, address.host, address.port)
        async with server:
            with pytest.raises(ListenError, match="is the port taken"):
                reserve_port(address)


async def test_workers_that_cannot_start_end_the_whole() -> None:
    broken: Any = "no path"
    settings = ServeSettings(config_dir=broken, xds=ANYWHERE, admin=ANYWHERE, workers=2)
    with pytest.raises(ExceptionGroup) as failure:
        await Supervisor(settings).run()
    assert failure.group_contains(WorkerError, match="before it was ready")
