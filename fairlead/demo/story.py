"""The story of the demonstration: weights move and endpoints come and go under load, and nothing fails."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from fairlead.demo import objects
from fairlead.demo.acknowledgement import wait_acknowledged
from fairlead.demo.scoreboard import Change, Scoreboard, Split
from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.workload import Workload

# Requests per second on each path, and how many make a sample: chance then stays well within the tolerance.
_RATE: Final = 150
_SAMPLE: Final = 600
_REPLICAS: Final = (2, 5, 1)
_WEIGHTS: Final = (100, 90, 50, 0, 50)
_FIRST_WEIGHT: Final = 50
_ALL: Final = 100


class Story:
    """A running mesh under load, and the scenes that are played on it."""

    def __init__(self, mesh: LocalMesh, shop: Workload, gateway: LoadGenerator, sidecar: LoadGenerator) -> None:
        self.board = Scoreboard(gateway.traffic, sidecar.traffic)
        self._mesh = mesh
        self._shop = shop
        self._gateway = gateway
        self._sidecar = sidecar
        self._v2_is_served = True

    async def play(self) -> None:
        """Every scene once."""
        for weight in _WEIGHTS:
            await self.shift(weight)
        for replicas in _REPLICAS:
            await self.scale(replicas)

    async def play_for_ever(self) -> None:
        """A canary that comes and goes, and a deployment that breathes, until somebody has seen enough."""
        replicas = itertools.cycle((3, 5, 2, 1))
        for weight in itertools.cycle((100, 75, 50, 25, 50, 75)):
            await self.shift(weight)
            await self.scale(next(replicas))

    async def shift(self, weight: int) -> None:
        """Give v1 another share of the traffic and see what each path makes of it."""
        board = self.board
        board.scene = f"v1 gets {weight} % of the traffic"
        board.splits.append(Split(weight / 100))
        written = time.time()
        self._mesh.folder.apply(objects.weights(weight))
        key = f"VirtualService default/{objects.SERVICE}"
        acknowledged = await wait_acknowledged(self._mesh.control_plane, key, written)
        self._v2_is_served = weight < _ALL
        board.note(f"weights {weight}/{100 - weight}: in force {(acknowledged - written) * 1e3:.1f} ms after the file")
        gateway, sidecar = await asyncio.gather(self._gateway.wait_count(_SAMPLE), self._sidecar.wait_count(_SAMPLE))
        board.splits[-1] = Split(weight / 100, gateway.share("v1"), sidecar.share("v1"))

    async def scale(self, replicas: int) -> None:
        """Have another number of pods of v2, and time the way from the file to the first request served."""
        board, shop = self.board, self._shop
        present = {shop.address(pod) for pod in shop.pods}
        board.scene = f"v2 scales to {replicas}"
        pods = [pod for pod in shop.pods if pod.labels["version"] == "v2"]
        what = f"v2: {len(pods)} -> {replicas}"
        await shop.scale(replicas, "v2")
        written = shop.endpoints_written
        started = asyncio.get_running_loop().time() - (time.time() - written)
        key = f"EndpointSlice default/{objects.SERVICE}-pods"
        acknowledged = await wait_acknowledged(self._mesh.control_plane, key, written)
        added = {shop.address(pod) for pod in shop.pods} - present
        served = None
        # Without a share of the traffic there is no request that a new pod could serve.
        if added and self._v2_is_served:
            answer = await self._gateway.wait_for(lambda answer: answer.instance in added)
            served = answer.sent + answer.latency - started
        board.endpoints = len(shop.pods)
        board.changes.append(Change(what, acknowledged - written, served))
        board.note(f"{what}: {len(added)} new endpoints")
        await self._gateway.wait_count(_SAMPLE // 3)


@asynccontextmanager
async def stage(workdir: Path, report: Callable[[str], None], *, intercepted: bool = False) -> AsyncIterator[Story]:
    """Build the mesh and put it under load; everything ends with the block. ``report`` is told of each step.

    If it is intercepted, pods are network namespaces, each with a sidecar. Raises NamespaceError where that is not
    possible.
    """
    async with AsyncExitStack() as running:
        report("starting the control plane")
        mesh = await running.enter_async_context(NamespaceMesh(workdir) if intercepted else LocalMesh(workdir))
        if intercepted:
            report("starting pods: network namespaces, each with a sidecar that intercepts its traffic")
        shop = mesh.workload(objects.SERVICE)
        await shop.add("v1", 2)
        await shop.add("v2", 1)
        mesh.folder.apply(objects.gateway(), objects.subsets(), objects.weights(_FIRST_WEIGHT))
        report("starting a gateway and a sidecar: real Envoys")
        port = mesh.addresses.port()
        gateway = await mesh.start_gateway({80: port})
        sidecar = await mesh.start_client("customer")
        loads = [
            await _load(running, gateway.client(80), Request("/", objects.HOST)),
            await _load(running, sidecar.client(shop.service.ports[0].number), Request("/", objects.SERVICE)),
        ]
        story = Story(mesh, shop, *loads)
        story.board.endpoints = len(shop.pods)
        yield story


async def _load(running: AsyncExitStack, unopened: HttpClient, request: Request) -> LoadGenerator:
    client = await running.enter_async_context(unopened)
    await client.wait_ok(request, objects.SERVICE)
    return await running.enter_async_context(LoadGenerator(lambda: client.send(request), _RATE))
