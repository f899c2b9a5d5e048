"""A worker as its supervisor sees it: a child process that tells how far it is."""

import asyncio
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from time import monotonic

import msgspec

from fairlead.address import Address
from fairlead.settings import ServeSettings
from fairlead.workers.report import Report


class WorkerProcess:
    """One life of a worker."""

    def __init__(self, settings: ServeSettings) -> None:
        self.number = settings.worker or 0
        self.started_at = monotonic()
        self.admin: Address | None = None
        self.is_ready = False
        self._settings = settings
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The number of the process; 0 before it is started."""
        return self._process.pid if self._process else 0

    async def run(self) -> int:
        """Start it and listen to it until it ends; returns its exit code, negative for a signal."""
        # A session of its own: signals from the terminal are for the supervisor alone.
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fairlead.workers.worker", stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        try:
            await self._introduce(process)
            await self._listen(process)
        finally:
            self.is_ready = False
            if process.returncode is None:
                await self.stop(0.0)
        return await process.wait()

    async def stop(self, patience: float) -> None:
        """End it in order, and by force when that takes longer than ``patience`` seconds."""
        process = self._process
        if process is None:
            return
        _signal(process, signal.SIGTERM if patience else signal.SIGKILL)
        try:
            async with asyncio.timeout(patience or None):
                await process.wait()
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()

    async def _introduce(self, process: Process) -> None:
        if process.stdin is None:
            return
        content = pickle.dumps(self._settings)
        process.stdin.write(b"%d\n%b" % (len(content), content))
        try:
            await process.stdin.drain()
        except ConnectionError:
            return

    async def _listen(self, process: Process) -> None:
        while process.stdout is not None and (line := await process.stdout.readline()):
            report = msgspec.json.decode(line, type=Report)
            self.admin = Address("127.0.0.1", report.admin_port)
            self.is_ready = report.ready


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return


def describe_exit(code: int) -> str:
    """How a process ended, for people."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
