"""A child process that never outlives this one, with its output in a file."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fairlead.mesh import tether

_GRACE: Final = 5.0
_TAIL_BYTES: Final = 64 * 1024


class ProcessEndedError(RuntimeError):
    """A process that was waited for has ended; the text holds the end of its log."""


class ChildProcess:
    """One command in its own session (Ctrl-C in the terminal does not reach it), tethered to this process.

    An async context manager: started when the block is entered, gone when it ends.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Prepare; ``command[0]`` is a path. Output is appended to ``log``."""
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """How the last run ended; None while it runs."""
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Start the command; does not wait for anything. RuntimeError when it is running."""
        if self.is_running:
            raise RuntimeError(f"{self.name} is running already")
        launcher = (sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if self._environment is None else {**os.environ, **self._environment},
                start_new_session=True,
            )

    async def terminate(self) -> int | None:
        """Ask it to end, kill it after five seconds; returns its exit code, or None if it never ran."""
        if self._process is None:
            return None
        if self.is_running:
            self._process.terminate()
            try:
                async with asyncio.timeout(_GRACE):
                    await self._process.wait()
            except TimeoutError:
                return await self.kill()
        return self._process.returncode

    async def kill(self) -> int | None:
        """End it at once, as a crash would; returns its exit code, or None if it never ran."""
        if self._process is None:
            return None
        if self.is_running:
            os.killpg(self._process.pid, signal.SIGKILL)
        return await self._process.wait()

    def check_running(self) -> None:
        """Raise ProcessEndedError unless it runs."""
        if not self.is_running:
            raise ProcessEndedError(f"{self.name} ended with exit code {self.returncode}\n{self.describe()}")

    def describe(self) -> str:
        """Where its log is and how it ends, for a failure message."""
        return f"--- {self.name}, log {self.log}:\n{self.log_tail()}"

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as output:
            output.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return "\n".join(output.read().decode(errors="replace").splitlines()[-lines:])

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.terminate()
