"""All simulated proxies, in processes of their own, as the bench sees them."""

import asyncio
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self

import msgspec

from fairlead.bench.failure import BenchError
from fairlead.bench.messages import (
    Command,
    Configured,
    Connect,
    Count,
    Disconnect,
    Endpoint,
    Expect,
    Expecting,
    Failed,
    Pipe,
    Prepare,
    Prepared,
    Progress,
    Report,
    Seen,
    Totals,
)
from fairlead.bench.polls import join_polls
from fairlead.mesh.process import ChildProcess

_START: Final = 30.0


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """All proxies are configured: seconds of each to its first response and to all, and of all together."""

    first: list[float]
    complete: list[float]
    elapsed: float


class Fleet:
    """The processes and their proxies; an async context manager that is prepared when the block is entered."""

    def __init__(
        self, endpoint: Endpoint, nodes: Sequence[bytes], workdir: Path, *, connections: int, processes: int
    ) -> None:
        self._endpoint = endpoint
        self._nodes = list(nodes)
        self._workdir = workdir
        self._connections = connections
        self._count = max(1, min(processes, len(nodes)))
        self._children: list[ChildProcess] = []
        self._pipes: list[Pipe] = []
        self._readers: list[asyncio.Task[None]] = []
        self._joined: asyncio.Queue[Pipe] = asyncio.Queue()
        self._news = asyncio.Event()
        self._failure: Failed | None = None
        self._prepared = 0
        self._progress: dict[int, int] = {}
        self._configured: dict[int, Configured] = {}
        self._expecting: dict[int, list[int]] = {}
        self._seen: dict[int, list[array[float]]] = {}
        self._totals: list[Totals] = []

    @property
    def size(self) -> int:
        """How many proxies there are."""
        return len(self._nodes)

    @property
    def pids(self) -> list[int]:
        """Of its processes, as far as they run."""
        return [child.pid for child in self._children if child.pid is not None]

    @property
    def configured(self) -> int:
        """How many of them have all that they asked for, as far as is known."""
        return sum(self._progress.values())

    async def connect(self, seconds: float, timeout: float) -> Connected:  # noqa: ASYNC109 - a limit for all of it
        """Connect all proxies, spread over some seconds, and wait until they are configured."""
        self._configured.clear()
        self._progress.clear()
        started = monotonic()
        self._broadcast(Connect(seconds))
        await self._until(
            lambda: len(self._configured) == self._count,
            timeout,
            lambda: f"{self.configured:,} of {self.size:,} proxies are configured",
        )
        return Connected(
            first=[each for report in self._configured.values() for each in array("d", report.first)],
            complete=[each for report in self._configured.values() for each in array("d", report.complete)],
            elapsed=monotonic() - started,
        )

    async def disconnect(self) -> None:
        """Break all connections off."""
        self._broadcast(Disconnect())

    async def expect(self, change: Expect, timeout: float) -> int:  # noqa: ASYNC109 - as above
        """Announce a change; how many proxies it concerns."""
        self.announce(change)
        number = change.number
        await self._until(lambda: len(self._expecting[number]) == self._count, timeout, lambda: "no answer")
        return sum(self._expecting[number])

    def announce(self, change: Expect) -> None:
        """As ``expect``, without waiting."""
        self._expecting[change.number] = []
        self._seen[change.number] = []
        self._broadcast(change)

    def is_seen(self, number: int) -> bool:
        """Whether all concerned proxies have acknowledged a change."""
        concerned = self._expecting[number]
        wanted = sum(count > 0 for count in concerned)
        return len(concerned) == self._count and len(self._seen[number]) == wanted

    async def seen(self, number: int, timeout: float) -> list[float]:  # noqa: ASYNC109 - as above
        """Wait until they have; when each of them did, by the monotonic clock, the first one first."""
        missed = f"change {number} did not reach all proxies: does the control plane read what is written?"
        await self._until(lambda: self.is_seen(number), timeout, lambda: missed)
        return self.take_seen(number)

    def take_seen(self, number: int) -> list[float]:
        """The times of a change that was seen; they are forgotten here."""
        del self._expecting[number]
        return sorted(time for times in self._seen.pop(number) for time in times)

    def check(self) -> None:
        """Raise BenchError when a process of proxies could not go on."""
        if self._failure is not None:
            raise BenchError(". ".join(filter(None, (self._failure.reason, self._failure.hint))))

    async def totals(self, *, mark: bool = False) -> Totals:
        """What all proxies received until now; with ``mark``, whom something reaches is counted anew."""
        self._totals.clear()
        self._broadcast(Count(mark))
        await self._until(lambda: len(self._totals) == self._count, _START, lambda: "no answer")
        by_type: dict[str, int] = {}
        for totals in self._totals:
            for name, count in totals.by_type.items():
                by_type[name] = by_type.get(name, 0) + count
        return Totals(
            responses=sum(each.responses for each in self._totals),
            bytes=sum(each.bytes for each in self._totals),
            touched=sum(each.touched for each in self._totals),
            reconnections=sum(each.reconnections for each in self._totals),
            by_type=by_type,
            polls=join_polls([each.polls for each in self._totals if each.polls is not None]),
        )

    async def __aenter__(self) -> Self:
        """Start the processes and hand out the proxies."""
        path = self._workdir / "clients.sock"
        self._server = await asyncio.start_unix_server(self._join, path)
        try:
            await self._start(path)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        await self.close()

    async def close(self) -> None:
        """End the processes."""
        self._server.close()
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for pipe in self._pipes:
            await pipe.close()
        for child in self._children:
            await child.kill()

    async def _start(self, path: Path) -> None:
        for number in range(self._count):
            log = self._workdir / f"clients-{number}.log"
            command = (sys.executable, "-m", "fairlead.bench.worker", str(path))
            child = ChildProcess(f"clients {number}", command, log)
            self._children.append(child)
            await child.start()
        async with asyncio.timeout(_START):
            self._pipes = [await self._joined.get() for _ in range(self._count)]
        for number, pipe in enumerate(self._pipes):
            nodes = self._nodes[number :: self._count]
            connections = -(-self._connections // self._count)
            self._readers.append(asyncio.get_running_loop().create_task(self._read(number, pipe)))
            pipe.send(Prepare(self._endpoint, nodes, connections))
        await self._until(lambda: self._prepared == self._count, _START, lambda: "the proxies' process does not answer")

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._joined.put_nowait(Pipe(reader, writer, Report))

    async def _read(self, process: int, pipe: Pipe) -> None:
        while (report := await pipe.receive()) is not None:
            self._note(process, report)
            self._news.set()
        child = self._children[process]
        self._failure = Failed(f"a process of simulated proxies ended: {child.describe()}")
        self._news.set()

    def _note(self, process: int, report: Report) -> None:
        match report:
            case Prepared():
                self._prepared += 1
            case Progress(configured):
                self._progress[process] = configured
            case Configured():
                self._progress[process] = len(array("d", report.first))
                self._configured[process] = report
            case Expecting(number, proxies):
                self._expecting[number].append(proxies)
            case Seen(number, times):
                self._seen[number].append(array("d", times))
            case Totals():
                self._totals.append(report)
            case Failed():
                self._failure = self._failure or report

    def _broadcast(self, command: Command) -> None:
        for pipe in self._pipes:
            pipe.send(command)

    async def _until(self, reached: Callable[[], bool], timeout: float, seen: Callable[[], str]) -> None:  # noqa: ASYNC109 - see above
        try:
            async with asyncio.timeout(timeout):
                while not reached():
                    self.check()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise BenchError(f"not within {timeout:g} s: {seen()}; a higher --timeout gives it more time") from error
