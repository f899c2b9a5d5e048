"""A real control plane as a child process."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from fairlead.mesh.connector import build_connector
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.process import ChildProcess
from fairlead.mesh.waiting import DEADLINE, NotYetError, wait_until

_READY = 200


class ControlPlaneProcess(ChildProcess):
    """``fairlead serve`` on a source; an async context manager that is ready when the block is entered."""

    def __init__(
        self,
        source: Path | Sequence[str],
        addresses: tuple[str, str],
        log: Path,
        *arguments: str,
        namespace: NetworkNamespace | None = None,
    ) -> None:
        """Prepare: the addresses (``host:port``) to listen on are for xDS and for the admin interface.

        The source is a folder, or the arguments that name another one.
        """
        xds, admin = addresses
        followed = ("--config-dir", str(source)) if isinstance(source, Path) else source
        serve = ("serve", *followed, "--xds", xds, "--admin", admin)
        command = (sys.executable, "-m", "fairlead", *serve, *arguments)
        super().__init__("control plane", namespace.command(command) if namespace else command, log)
        self._namespace = namespace
        self.xds = xds
        self.admin = admin

    async def wait_ready(self, deadline: float = DEADLINE) -> None:
        """Wait until the folder is read and proxies are served. ProcessEndedError or DeadlineExceededError."""

        async def probe() -> None:
            self.check_running()
            async with self._request("/ready") as response:
                if response.status != _READY:
                    raise NotYetError(f"/ready answers {response.status}")

        await wait_until(probe, deadline=deadline, context=self.describe)

    async def restart(self) -> None:
        """End it in an orderly way, start it again on the same addresses and wait until it is ready."""
        await self.terminate()
        await self.start()
        await self.wait_ready()

    async def debug(self, page: str) -> Any:  # noqa: ANN401 - JSON
        """A debug page of its admin interface: "proxies", "pushes", "findings"."""
        async with self._request(f"/debug/{page}") as response:
            response.raise_for_status()
            return await response.json()

    def records(self) -> list[dict[str, Any]]:
        """Its log so far, one record per line of JSON; other lines become ``{"event": LINE}``."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [_record(line) for line in lines if line.strip()]

    async def wait_record(self, deadline: float = DEADLINE, **fields: object) -> dict[str, Any]:
        """Wait for a log record with these fields, and return the first. DeadlineExceededError otherwise."""

        async def probe() -> dict[str, Any]:
            for record in self.records():
                if fields.items() <= record.items():
                    return record
            raise NotYetError(f"no log record with {fields}")

        return await wait_until(probe, deadline=deadline, context=self.describe)

    @asynccontextmanager
    async def _request(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        async with (
            aiohttp.ClientSession(f"http://{self.admin}", connector=build_connector(self._namespace)) as session,
            session.get(path) as response,
        ):
            yield response

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready."""
        await self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.terminate()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.terminate()


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"event": line}
    return record if isinstance(record, dict) else {"event": line}
