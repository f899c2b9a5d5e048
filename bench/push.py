"""From a changed EndpointSlice to the ACK of a real Envoy that knows the whole mesh.

Measured twice: from writing the slice's file, and from writing the decoded object to the store.
"""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from bench.measure import milliseconds, percentile, show
from bench.population import Document, Population, write_of
from fairlead.address import Address
from fairlead.app import ControlPlane
from fairlead.bench.workdir import temporary_folder
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.ledger import Cause, Push
from fairlead.logs import configure_logging
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.proxy import Proxy
from fairlead.settings import ServeSettings
from translator.model.proxy import Capture, Role

ROUNDS = 200
WARM_UP = 20
PAUSE = 0.02
DEADLINE = 120.0


def run(services: tuple[int, ...] = (100, 1_000)) -> None:
    """Measure and print the table."""
    configure_logging(io.StringIO())
    rows = []
    for count in services:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows += runner.run(measure(Population(count)))
    show("EndpointSlice changed -> ACK of a real Envoy, idle", ("from", "services", "p50", "p90", "p99", "max"), rows)


async def measure(population: Population) -> list[tuple[str, ...]]:
    """Both rows for one size of mesh."""
    with temporary_folder() as workdir, Addresses() as addresses:
        config = workdir / "config"
        write_population(config, population)
        async with serving(config, addresses.port()) as (plane, xds):
            identity = ProxyIdentity(
                role=Role.SIDECAR, name="client", namespace="team-0", addresses=(addresses.ip(),), capture=Capture.NONE
            )
            settings = BootstrapSettings(xds=xds, admin_port=addresses.port())
            async with Proxy(identity, settings, workdir) as envoy:
                await envoy.wait_config(lambda found: len(found.endpoints) >= population.services, DEADLINE)
                return [
                    await row("file written", population, plane, lambda each: write_file(config, each)),
                    await row("store written", population, plane, lambda each: write_store(plane, each)),
                ]


async def row(
    what: str, population: Population, plane: ControlPlane, change: Callable[[Document], None]
) -> tuple[str, ...]:
    """One endpoint of one service goes and comes back, one change at a time."""
    number = population.services // 2
    samples = []
    for turn in range(WARM_UP + ROUNDS):
        await asyncio.sleep(PAUSE)
        seen = newest(plane)
        started = time.perf_counter()
        change(population.slice(number, population.endpoints - 1 + turn % 2 if turn else population.endpoints - 1))
        samples.append(await acknowledged(plane, seen) - started)
    kept = samples[WARM_UP:]
    figures = (percentile(kept, 0.5), percentile(kept, 0.9), percentile(kept, 0.99), max(kept))
    return (what, f"{population.services:,}", *map(milliseconds, figures))


async def acknowledged(plane: ControlPlane, seen: int) -> float:
    """When the push after number ``seen`` was acknowledged, by the clock of ``time.perf_counter``."""
    async with asyncio.timeout(DEADLINE):
        while True:
            push = next(iter(plane.ledger), None)
            if push is not None and push.number > seen and push.last_ack is not None:
                return push.received + push.last_ack
            await asyncio.sleep(0.001)


def newest(plane: ControlPlane) -> int:
    """The number of the newest push."""
    push: Push | None = next(iter(plane.ledger), None)
    return push.number if push else 0


def write_file(config: Path, document: Document) -> None:
    """Replace the file of a slice as an editor does."""
    target = slice_file(config, document)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(json.dumps(document))
    temporary.rename(target)


def write_store(plane: ControlPlane, document: Document) -> None:
    """Write the decoded slice past the source."""
    write = write_of(document)
    received = time.perf_counter()
    plane.translator.apply([write])
    plane.pusher.push(Cause((str(write.key),), received, time.perf_counter()))


def write_population(config: Path, population: Population) -> None:
    """A folder with one file for each slice, and one for the rest of each service."""
    config.mkdir()
    for number in range(population.services):
        slice_ = population.slice(number, population.endpoints)
        slice_file(config, slice_).write_text(json.dumps(slice_))
        rest = [population.service(number), *(population.pod(number, each) for each in range(population.endpoints))]
        listed = {"apiVersion": "v1", "kind": "List", "items": rest}
        (config / f"service-{number}.json").write_text(json.dumps(listed))


def slice_file(config: Path, document: Document) -> Path:
    """Where a slice is kept."""
    return config / f"{document['metadata']['name']}.json"


@asynccontextmanager
async def serving(config: Path, port: int) -> AsyncIterator[tuple[ControlPlane, Address]]:
    """A control plane in this process, ready, and the address at which Envoys connect."""
    address = Address("127.0.0.1", port)
    plane = ControlPlane(ServeSettings(config_dir=config, xds=address, admin=Address("127.0.0.1", 0), grace=0.0))
    running = asyncio.create_task(plane.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await plane.ready.wait()
        yield plane, plane.xds_address
    finally:
        plane.stop()
        await running
