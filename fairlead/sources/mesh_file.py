"""Follows the file with the settings of the mesh."""

from pathlib import Path
from time import perf_counter
from typing import Final

from fairlead.finding import SCHEMA_ERROR, Finding, Place
from fairlead.findings import FindingBoard
from fairlead.settings import SettingsError, load_mesh
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.watch import iter_changes
from translator.diagnostics import Severity

# Events get lost on network file systems, and where the system has no watches left (seconds).
_RESCAN: Final = 5.0
_ORIGIN: Final = "mesh file"


class MeshFile:
    """One file of mesh-wide settings. One that cannot be used is a finding; the last good version stays in force."""

    def __init__(self, path: Path, board: FindingBoard) -> None:
        self._path = path.absolute()
        self._board = board
        self._seen: tuple[int, ...] | None = None

    async def follow(self, sink: Sink) -> None:
        """Hand over every change, until cancelled."""
        # The folder: editors put another file in the place of the one that is watched, and so does Kubernetes.
        async for _ in iter_changes(self._path.parent, patience=_RESCAN):
            await self._look(sink)

    async def _look(self, sink: Sink) -> None:
        noticed, identity = perf_counter(), self._identity()
        if identity == self._seen:
            return
        self._seen = identity
        try:
            mesh, networks = load_mesh(self._path)
        except SettingsError as error:
            self._board.replace(_ORIGIN, map(self._finding, str(error).splitlines()))
            return
        self._board.replace(_ORIGIN, ())
        await sink(Batch([], noticed, mesh=mesh, networks=networks))

    def _identity(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)

    def _finding(self, fault: str) -> Finding:
        return Finding(
            severity=Severity.ERROR,
            code=SCHEMA_ERROR,
            subject="MeshConfig",
            message=f"{fault}; the last good settings stay in force",
            place=Place(str(self._path)),
        )
