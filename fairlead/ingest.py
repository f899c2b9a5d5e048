"""The one place where what sources read becomes part of the mesh."""

from time import perf_counter

from fairlead.analysis import LiveAnalysis
from fairlead.findings import FindingBoard
from fairlead.ledger import Cause
from fairlead.metrics import Metrics
from fairlead.pace import Pace
from fairlead.pusher import Pusher
from fairlead.sources.batch import Batch
from translator.objects.registry import ObjectKey
from translator.translator import Translator


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
        """Apply a batch; the push comes when all of it is applied."""
        read = perf_counter()
        if batch.findings is not None:
            self._board.replace("source", batch.findings)
        pace = Pace()
        written: list[ObjectKey] = []
        for write in batch.writes:
            touched = self._translator.apply((write,))
            if touched:
                written.append(write.key)
            await pace.rest_if_due()
        if not written:
            return
        self._metrics.writes.inc(len(written))
        self._metrics.objects.set(len(self._translator.db.store))
        self._analysis.note(written)
        self._pusher.push(Cause(tuple(map(str, written)), batch.received, perf_counter(), read))
