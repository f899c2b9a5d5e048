"""The peers as child processes: each is given the resources in a folder and the changes over a socket."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import fairlead
from fairlead.bench.destination import Destination, Write
from fairlead.bench.load import Document
from fairlead.bench.messages import Endpoint
from fairlead.bench.peers.sovereign import SOVEREIGN, sovereign_subject
from fairlead.bench.peers.translated import Portion, TranslatedLoad
from fairlead.bench.plan import Peer, Plan
from fairlead.bench.subject import Subject
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import wait_until

_BUILT: Final = Path(str(fairlead.__file__)).parents[1] / "bench" / "peers"
_GO: Final = _BUILT / "gocontrolplane" / "build" / "gocontrolplane"
_LENGTH: Final = 4


def peer_command(peer: Peer) -> list[str] | None:
    """How a peer is started, without its addresses; None when it is not built."""
    match peer:
        case Peer.BARE:
            return [sys.executable, "-m", "fairlead.bench.peers.bare"]
        case Peer.GO_CONTROL_PLANE:
            return [str(_GO)] if _GO.exists() else None
        case Peer.GO_CONTROL_PLANE_LINEAR:
            return [str(_GO), "--linear"] if _GO.exists() else None
        case Peer.SOVEREIGN:
            return [str(SOVEREIGN)] if SOVEREIGN.exists() else None


class PeerDestination:
    """Sends a peer finished resources. What it takes to translate them is not part of the time of a change."""

    def __init__(self, load: TranslatedLoad, control: Path) -> None:
        self._load = load
        self._control = control
        self._writer: asyncio.StreamWriter | None = None

    async def fill(self, documents: Iterable[Document]) -> None:
        """The peer has read the load when it was started."""

    def prepare(self, documents: Iterable[Document]) -> Write:
        """Translate some objects."""
        body = b"".join(
            len(each).to_bytes(_LENGTH) + each for each in map(Portion.encode, self._load.change(documents))
        )
        frame = len(body).to_bytes(_LENGTH) + body

        async def write() -> None:
            if self._writer is None:
                _, self._writer = await asyncio.open_unix_connection(self._control)
            self._writer.write(frame)

        return write

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()


@asynccontextmanager
async def peer_subject(
    peer: Peer, plan: Plan, load: TranslatedLoad, workdir: Path
) -> AsyncIterator[tuple[Subject, Destination]]:
    """A peer that serves the load, as a child process."""
    command = peer_command(peer)
    if command is None:
        raise ValueError(f"{peer} is not built: 'make bench-peers' in a checkout builds it")
    serve = (
        sovereign_subject(plan, load, workdir)
        if peer is Peer.SOVEREIGN
        else _streaming(peer, command, plan, load, workdir)
    )
    async with serve as served:
        yield served


@asynccontextmanager
async def _streaming(
    peer: Peer, command: list[str], plan: Plan, load: TranslatedLoad, workdir: Path
) -> AsyncIterator[tuple[Subject, PeerDestination]]:
    resources, control = workdir / "resources", workdir / f"{peer}.sock"
    load.export(resources)
    with Addresses() as addresses:
        port = addresses.port()
        listen = ("--listen", f"127.0.0.1:{port}", "--resources", str(resources), "--control", str(control))
        process = ChildProcess(peer.value, [*command, *listen], workdir / f"{peer}.log")
        destination = PeerDestination(load, control)
        started = monotonic()
        await process.start()
        try:
            await wait_until(lambda: _reach(process, port, control), deadline=plan.timeout, context=process.describe)
            endpoint = Endpoint(host="127.0.0.1", port=port, delta=plan.delta)
            yield Subject(peer.value, endpoint, process, monotonic() - started), destination
        finally:
            destination.close()
            await process.terminate()


async def _reach(process: ChildProcess, port: int, control: Path) -> None:
    process.check_running()
    _, proxies = await asyncio.open_connection("127.0.0.1", port)
    proxies.close()
    _, changes = await asyncio.open_unix_connection(control)
    changes.close()
