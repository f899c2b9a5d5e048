"""A cluster as the source: how long until proxies are served, until a change is acknowledged, and what idling costs."""

import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvloop
import yaml

from bench.measure import milliseconds, percentile, resident_megabytes, show
from bench.population import Document, Population
from bench.push import acknowledged, newest
from fairlead.address import Address
from fairlead.app import ControlPlane
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.logs import configure_logging
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.proxy import Proxy
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import KubeconfigAccess
from translator.model.proxy import Capture, Role

POPULATION: Final = Population(1_000)
ROUNDS: Final = 200
WARM_UP: Final = 20
PAUSE: Final = 0.02
DEADLINE: Final = 120.0
CHURN_SECONDS: Final = 10
CHURN_RATE: Final = 50
# What API servers keep of a pod that nobody here reads: real pods have several kilobytes of it.
_PADDING: Final = [{"manager": "kubelet", "operation": "Update", "fieldsV1": {f"f:field-{n}": {} for n in range(150)}}]


class ApiServerProcess:
    """``bench.api_server``, and how to write to it."""

    def __init__(self, commands: asyncio.StreamWriter, answers: asyncio.StreamReader, port: int) -> None:
        self.port = port
        self._commands = commands
        self._answers = answers

    async def put(self, documents: Iterable[Document]) -> list[float]:
        """Write objects; returns when each was written."""
        written = []
        for document in documents:
            self._commands.write(json.dumps(document).encode() + b"\n")
            written.append(float(await self._answers.readline()))
        return written

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for it."""
        cluster = {"name": "bench", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "bench", "context": {"cluster": "bench", "user": "bench"}}
        content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "bench", "user": {}}]}
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "bench", **content}))
        return path


def run() -> None:
    """Measure and print the tables."""
    configure_logging(io.StringIO())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure())


async def measure() -> None:
    """All figures on one mesh."""
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as folder, Addresses() as addresses:
        async with api_server() as server:
            await server.put(padded(POPULATION.documents()))
            before = resident_megabytes()
            async with serving(server, Path(folder), addresses.port()) as (plane, seconds):
                growth = resident_megabytes() - before
                read = (f"{len(plane.translator.db.store):,}", f"{seconds:.2f} s", f"{growth:.0f} MB")
                show("A cluster read for the first time", ("objects", "ready after", "memory"), [read])
                idle = [await cost(server, rate) for rate in (0, CHURN_RATE)]
                show("Idle, by irrelevant events of pods", ("events a second", "of a core"), idle)
                async with client(plane, addresses, Path(folder)):
                    row = await changes(server, plane)
                columns = ("services", "p50", "p90", "p99", "max")
                show("EndpointSlice written -> ACK of a real Envoy", columns, [row])


@asynccontextmanager
async def client(plane: ControlPlane, addresses: Addresses, workdir: Path) -> AsyncIterator[None]:
    """A sidecar that knows the whole mesh."""
    identity = ProxyIdentity(
        role=Role.SIDECAR, name="client", namespace="team-0", addresses=(addresses.ip(),), capture=Capture.NONE
    )
    settings = BootstrapSettings(xds=plane.xds_address, admin_port=addresses.port())
    async with Proxy(identity, settings, workdir) as envoy:
        await envoy.wait_config(lambda found: len(found.endpoints) >= POPULATION.services, DEADLINE)
        yield


async def changes(server: ApiServerProcess, plane: ControlPlane) -> tuple[str, ...]:
    """One endpoint of one service goes and comes back, one change at a time."""
    number = POPULATION.services // 2
    samples = []
    for turn in range(WARM_UP + ROUNDS):
        await asyncio.sleep(PAUSE)
        seen = newest(plane)
        (written,) = await server.put([POPULATION.slice(number, POPULATION.endpoints - 1 + turn % 2)])
        samples.append(await acknowledged(plane, seen) - written)
    kept = samples[WARM_UP:]
    figures = (percentile(kept, 0.5), percentile(kept, 0.9), percentile(kept, 0.99), max(kept))
    return (f"{POPULATION.services:,}", *map(milliseconds, figures))


async def cost(server: ApiServerProcess, rate: int) -> tuple[str, str]:
    """The share of a core that this process uses while pods change in ways that mean nothing to a mesh."""
    started, used = time.perf_counter(), time.process_time()
    if rate:
        (pod,) = padded([POPULATION.pod(0, 0)])
        await server.put([{"churn": pod, "times": CHURN_SECONDS * rate, "rate": rate}])
    else:
        await asyncio.sleep(CHURN_SECONDS)
    share = (time.process_time() - used) / (time.perf_counter() - started)
    return (str(rate), f"{share:.1%}")


def padded(documents: Iterable[Document]) -> Iterable[Document]:
    """The documents, pods with what comes with them in practice."""
    for document in documents:
        if document["kind"] == "Pod":
            document["metadata"]["managedFields"] = _PADDING
        yield document


@asynccontextmanager
async def api_server() -> AsyncIterator[ApiServerProcess]:
    """An empty API server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.api_server", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    commands, answers = process.stdin, process.stdout
    if commands is None or answers is None:
        raise RuntimeError("a child process without pipes")
    try:
        yield ApiServerProcess(commands, answers, int(await answers.readline()))
    finally:
        commands.close()
        await process.wait()


@asynccontextmanager
async def serving(server: ApiServerProcess, workdir: Path, port: int) -> AsyncIterator[tuple[ControlPlane, float]]:
    """A control plane in this process on a cluster, and how long it took to be ready."""
    access = KubeconfigAccess(path=str(server.write_kubeconfig(workdir / "kubeconfig")))
    plane = ControlPlane(
        ServeSettings(
            kubernetes=KubernetesSettings(primary=access, writes_status=False),
            xds=Address("127.0.0.1", port),
            admin=Address("127.0.0.1", 0),
            grace=0.0,
        )
    )
    started = time.perf_counter()
    running = asyncio.create_task(plane.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await plane.ready.wait()
        yield plane, time.perf_counter() - started
    finally:
        plane.stop()
        await running
