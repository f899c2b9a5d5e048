"""Follows a folder of YAML and JSON files, and hands over what changed within milliseconds of the change."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import structlog

from fairlead.finding import Place
from fairlead.pace import Later, Pace
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.catalog import Catalog
from fairlead.sources.folder import DEFAULT_FILE_LIMIT, FolderReader, Identity, Reading
from fairlead.sources.tree import is_document
from fairlead.sources.watch import RETRY, FolderWatch, watch_folder
from translator.objects.registry import Kind, ObjectKey
from translator.store import Write

SETTLE: Final = 0.1
"""Seconds for which an object has to be gone before it is removed: editors rewrite files and rename others."""

_RESCAN: Final = 5.0  # network file systems tell of nothing that others change
# Looking at a large folder takes long: it may cost one part in so many of a core.
_RESCAN_SHARE: Final = 200
# What may hold certificates.
_MATERIAL: Final = frozenset({Kind.SECRET, Kind.CONFIG_MAP})


class _Counts(msgspec.Struct):
    """How many writes there are of each kind of objects, and how many of all remove one."""

    kinds: Counter[Kind] = msgspec.field(default_factory=Counter)
    removed: int = 0

    def add(self, write: Write) -> None:
        """One more."""
        self.kinds[write.key.kind] += 1
        self.removed += write.value is None


class DirectorySource:
    """One folder. A context manager, because it owns a worker thread: parsing must not hold up the event loop."""

    def __init__(self, root: Path, *, file_limit: int = DEFAULT_FILE_LIMIT) -> None:
        self._root = root.absolute()
        self._reader = FolderReader(self._root, file_limit)
        self._catalog = Catalog()
        self._later = Later()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="folder")
        self._log: Any = structlog.get_logger("fairlead.source")
        self._hints: set[str] = set()
        self._everything = False
        self._noticed = 0.0
        self._rescan = _RESCAN
        self._event = asyncio.Event()
        self._watching = self._new_watch()
        self._watched: Identity | None = None
        self._lost = ""
        self._unwatched = ""

    def place_of(self, key: ObjectKey, path: str = "") -> Place | None:
        """Where the version of an object that is in force stands, or a field of it."""
        return self._catalog.place_of(key, path)

    def describe(self) -> dict[str, Any]:
        """What is followed: fields of a log record."""
        return {"folder": str(self._root)}

    def complaint(self) -> str:
        """Why what is known may be old; empty if all is well."""
        return self._lost

    async def settled(self) -> None:
        """Whatever the mesh asks for by name was read with all the rest."""

    async def load(self, sink: Sink) -> None:
        """Read the whole folder for the first time."""
        self._notice(None)
        await self._look(sink)

    async def follow(self, sink: Sink) -> None:
        """Hand over every change, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="folder watch")
            while True:
                await self._wait()
                await self._look(sink)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def _watch(self) -> None:
        """Have the system tell of changes; starts over whenever another folder stands at the path."""
        while True:
            try:
                await self._watching.run(self._notice)
            except OSError as error:
                # Without a watch the folder is looked at in the rhythm of these attempts.
                self._notice(None)
                self._note_unwatched(str(error))
                await asyncio.sleep(RETRY)
            self._watching = self._new_watch()

    def _new_watch(self) -> FolderWatch:
        return watch_folder(self._root, concerns=_concerns)

    def _notice(self, paths: frozenset[str] | None) -> None:
        """Something changed: these paths, or anything."""
        if not self._event.is_set():
            self._noticed = perf_counter()
        self._everything |= paths is None
        self._hints |= paths or frozenset()
        self._event.set()

    async def _wait(self) -> None:
        expiry = self._catalog.next_expiry
        patience = RETRY if self._lost else self._rescan
        if expiry is not None:
            patience = min(patience, max(0.0, expiry + SETTLE - monotonic()))
        timer = asyncio.get_running_loop().call_later(patience, self._notice, None)
        try:
            await self._event.wait()
        finally:
            timer.cancel()

    async def _look(self, sink: Sink) -> None:
        hints = None if self._everything else frozenset(self._hints)
        received = self._noticed
        self._hints.clear()
        self._everything = False
        self._event.clear()
        reading = await self._read(hints)
        if reading.lost:
            self._note_lost(reading.lost)
            return
        self._note_found(reading)
        files = len(reading.changes)
        writes, counts = await self._take_over(reading)
        findings = self._catalog.take_findings()
        if not _MATERIAL.isdisjoint(counts.kinds):
            # What looks into it takes longer to import than the event loop may wait.
            await asyncio.get_running_loop().run_in_executor(self._worker, import_module, "translator.secrets.pem")
        if writes or findings is not None:
            await sink(Batch(writes, received, findings))
            self._later.do(partial(self._report, counts, files))

    async def _read(self, hints: frozenset[str] | None) -> Reading:
        """Look at the folder: in the worker thread, unless that would take longer than getting there and back."""
        unfinished = self._watching.being_written()
        reading = self._reader.glance(hints, unfinished) if hints is not None else None
        if reading is None:
            loop, started = asyncio.get_running_loop(), perf_counter()
            reading = await loop.run_in_executor(self._worker, self._reader.look, hints, unfinished)
            if hints is None and not reading.changes:
                self._rescan = max(_RESCAN, (perf_counter() - started) * _RESCAN_SHARE)
        return self._reader.without(reading, self._watching.being_written()) if reading.changes else reading

    async def _take_over(self, reading: Reading) -> tuple[list[Write], _Counts]:
        """Make writes of what was read, which is let go of file by file: it is as large as the mesh may be."""
        pace = Pace()
        now = monotonic()
        reading.changes.reverse()
        while reading.changes:
            name, parsed = reading.changes.pop()
            taking = self._catalog.remove(name, now) if parsed is None else self._catalog.replace(name, parsed, now)
            for _ in taking:
                await pace.rest_if_due()
            await pace.rest_if_due()
        for _ in self._catalog.expire(now - SETTLE):
            await pace.rest_if_due()
        writes: list[Write] = []
        counts = _Counts()
        for write in self._catalog.take_writes():
            writes.append(write)
            counts.add(write)
            await pace.rest_if_due()
        if not reading.is_settled:
            asyncio.get_running_loop().call_later(SETTLE, self._notice, None)
        return writes, counts

    def _note_unwatched(self, reason: str) -> None:
        """Say so once: the reason may last, such as a system that has no watches left."""
        if self._unwatched != reason and not self._lost:
            self._unwatched = reason
            self._log.warning(
                "source.watch.failed",
                folder=str(self._root),
                reason=reason,
                effect=f"the folder is looked at every {RETRY} seconds instead",
            )

    def _note_lost(self, reason: str) -> None:
        self._catalog.spare(monotonic())
        if self._lost != reason:
            self._lost = reason
            self._log.error(
                "source.lost",
                folder=str(self._root),
                reason=reason,
                objects=len(self._catalog),
                effect="everything that was read from it stays in force until the folder is back",
            )

    def _note_found(self, reading: Reading) -> None:
        if self._lost:
            self._lost = ""
            self._watched = None
            self._watching.stop()
            self._log.info("source.found", folder=str(self._root), effect="its content is in force again")
        if reading.identity != self._watched:
            if self._watched is not None:
                self._watching.stop()
            self._watched = reading.identity

    def _report(self, counts: _Counts, files: int) -> None:
        if not counts.kinds:
            return
        self._log.info(
            "source.changed",
            files=files,
            written=counts.kinds.total() - counts.removed,
            removed=counts.removed,
            objects=len(self._catalog),
            kinds={str(kind): count for kind, count in counts.kinds.most_common()},
        )
        if counts.removed and not len(self._catalog):
            self._log.warning(
                "source.emptied",
                folder=str(self._root),
                effect="the folder holds no objects any more: neither does the mesh",
            )


def _concerns(name: str) -> bool:
    """Whether a file of this name may say something. Mounted ConfigMaps change by replacing the link ``..data``."""
    return is_document(name) or name.startswith("..")
