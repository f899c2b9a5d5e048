"""The control plane that is measured: one of our own, a peer, or one that runs already."""

import compileall
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

import msgspec

from fairlead.bench.messages import Endpoint
from fairlead.bench.plan import Plan
from fairlead.bench.usage import Usage, usage_of
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.process import ChildProcess

OURSELVES: Final = "fairlead"


class Subject:
    """Where it is, and what can be learned of it; of one that is not a child of ours that is little.

    ``loaded``: how many seconds it took from its start until it was ready.
    """

    def __init__(self, name: str, endpoint: Endpoint, process: ChildProcess | None = None, loaded: float = 0.0) -> None:
        self.name = name
        self.endpoint = endpoint
        self._process = process
        self.loaded = loaded

    def usage(self) -> Usage | None:
        """What it uses; None if that cannot be seen from here."""
        pid = self._process.pid if self._process else None
        return usage_of(pid) if pid is not None else None

    async def pushes(self) -> list[dict[str, Any]]:
        """The ledger of its pushes, the oldest first; empty if it has none."""
        return list(reversed(await self._debug("pushes") or []))

    async def loop(self) -> dict[str, Any]:
        """How late its event loop was; empty if it does not say."""
        return dict(await self._debug("loop") or {})

    async def _debug(self, page: str) -> Any:  # noqa: ANN401 - JSON
        return await self._process.debug(page) if isinstance(self._process, ControlPlaneProcess) else None


@asynccontextmanager
async def own_subject(plan: Plan, config: Path, workdir: Path) -> AsyncIterator[Subject]:
    """``fairlead serve`` on a folder or a cluster that is filled, as a child process."""
    with Addresses() as addresses:
        xds, admin = addresses.port(), addresses.port()
        listen = (f"127.0.0.1:{xds}", f"127.0.0.1:{admin}")
        source = config if plan.kubeconfig is None else _cluster_source(plan.kubeconfig)
        process = ControlPlaneProcess(source, listen, workdir / "fairlead.log", *plan.serve)
        _compile_packages()
        started = monotonic()
        await process.start()
        try:
            await process.wait_ready(plan.timeout)
            endpoint = Endpoint(host="127.0.0.1", port=xds, delta=plan.delta)
            yield Subject(OURSELVES, endpoint, process, monotonic() - started)
        finally:
            await process.terminate()


def _compile_packages() -> None:
    """Have the bytecode at hand that an installation has; a checkout may compile at every start instead.

    (``PYTHONDONTWRITEBYTECODE``). Where it cannot be written it is as it is.
    """
    root = Path(__file__).parents[2]
    for package in ("fairlead", "translator", "xds", "protos"):
        compileall.compile_dir(root / package, quiet=2)


def _cluster_source(kubeconfig: str) -> list[str]:
    return ["--kubernetes", *(("--kubeconfig", kubeconfig) if kubeconfig else ())]


def foreign_subject(endpoint: Endpoint, *, delta: bool) -> Subject:
    """A control plane that somebody else started."""
    return Subject(str(endpoint), msgspec.structs.replace(endpoint, delta=delta))
