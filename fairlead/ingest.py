"""The one place where what sources read becomes part of the mesh."""

from time import perf_counter
from typing import Final

import msgspec

from fairlead.analysis import LiveAnalysis
from fairlead.findings import FindingBoard
from fairlead.ledger import SHOWN, Cause
from fairlead.memory import spare_survivors
from fairlead.mesh_findings import find_in_mesh
from fairlead.metrics import Metrics
from fairlead.pace import Pace
from fairlead.pusher import Pusher
from fairlead.sources.batch import Batch
from translator.objects.registry import ObjectKey
from translator.translator import Translator

# From so many objects in one batch on, what they leave behind is spared by the garbage collector.
_BULK: Final = 1_000
# Seconds at a stretch: a collection of the youngest garbage comes on top.
_SLICE: Final = 0.002


class Ingest:
    """Writes batches to the translator, in turns with the rest of the loop, and has the effect pushed."""

    def __init__(
        self,
        translator: Translator,
        pusher: Pusher,
        analysis: LiveAnalysis,
        board: FindingBoard,
        metrics: Metrics,
    ) -> None:
        self._translator = translator
        self._pusher = pusher
        self._metrics = metrics
        self._analysis = analysis
        self._board = board

    async def __call__(self, batch: Batch) -> None:
        """Apply a batch, of which no writes are left then; the push comes when all of it is applied."""
        read = perf_counter()
        if batch.findings is not None:
            self._board.replace("source", batch.findings)
        self._configure(batch, read)
        self._resolve(batch, read)
        pace = Pace(_SLICE)
        keys: list[ObjectKey] = []
        for write in batch.writes:
            if self._translator.apply((write,)):
                keys.append(write.key)
                self._metrics.istio.note_write(write)
            if pace.is_due:
                if len(keys) > _BULK:
                    spare_survivors()
                await pace.rest()
        await pace.drop(batch.writes)
        if not keys:
            return
        self._metrics.writes.inc(len(keys))
        self._metrics.objects.set(len(self._translator.db.store))
        shown = tuple(map(str, keys[:SHOWN]))
        self._pusher.push(Cause(shown, batch.received, perf_counter(), read, len(keys) - len(shown)))
        # After the push, which this would hold up: findings are looked for when it is over.
        for key in keys:
            self._analysis.note(key)
            await pace.rest_if_due()
        await pace.drop(keys)

    def _configure(self, batch: Batch, read: float) -> None:
        if batch.mesh is None and batch.networks is None:
            return
        before = self._translator.db.settings
        mesh = before.mesh if batch.mesh is None else batch.mesh
        networks = before.networks if batch.networks is None else batch.networks
        after = msgspec.structs.replace(before, mesh=mesh, networks=networks)
        if after == before:
            return
        self._translator.db.replace_settings(after)
        self._board.replace("mesh", find_in_mesh(mesh))
        self._pusher.push(Cause(("MeshConfig",), batch.received, perf_counter(), read))

    def _resolve(self, batch: Batch, read: float) -> None:
        for name, addresses in (batch.addresses or {}).items():
            if self._translator.db.replace_addresses(name, addresses):
                self._pusher.push(Cause((f"DNS name {name.name}",), batch.received, perf_counter(), read))
