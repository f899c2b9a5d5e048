"""The objects of one cluster on their way into the mesh: decoded, judged, and handed over in batches."""

from collections.abc import Callable
from typing import Final

import msgspec

from fairlead.pace import Pace
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.judgement import judge
from fairlead.sources.kubernetes.faults import FaultBook
from fairlead.sources.kubernetes.reflector import Change, Identity
from fairlead.sources.kubernetes.served import Collection
from translator.decode import decode_json
from translator.objects.meta import MeshObject
from translator.objects.registry import PRIMARY, Kind, ObjectKey
from translator.store import Write

Observer = Callable[[Collection, ObjectKey, msgspec.Raw | None], None]
"""Sees every change of an object, undecoded: what the mesh does not read of it matters to somebody else."""

# So many objects go into the store together: what decoded them is not kept waiting for all of a page.
_BATCH: Final = 500


class ObjectReader:
    """Receives the changes of a cluster's collections.

    An object that is unfit for use is a finding, and its last good version stays in force until the object is gone.
    """

    def __init__(self, cluster: str, faults: FaultBook, sink: Sink, observer: Observer | None = None) -> None:
        self._cluster = cluster
        self._faults = faults
        self._sink = sink
        self._observer = observer

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:
        """Decode and hand over, in turns with the rest of the loop."""
        kind = collection.kind
        if kind is None:
            return
        pace = Pace()
        writes: list[Write] = []
        for change in changes:
            key = self._key(kind, change.identity)
            if self._observer is not None:
                self._observer(collection, key, change.raw)
            writes += self._take(key, change.raw)
            if len(writes) >= _BATCH:
                gathered, writes = writes, []
                await self._sink(Batch(gathered, received))
            await pace.rest_if_due()
        if writes:
            await self._sink(Batch(writes, received))

    def _key(self, kind: Kind, identity: Identity) -> ObjectKey:
        namespace, name = identity
        return ObjectKey(kind, namespace, name, self._cluster)

    def _take(self, key: ObjectKey, raw: msgspec.Raw | None) -> tuple[Write, ...]:
        if raw is None:
            self._faults.note(key, ())
            return (Write(key, None),)
        found = self._judge(key, raw)
        return (Write(key, found),) if found is not None else ()

    def _judge(self, key: ObjectKey, raw: msgspec.Raw) -> MeshObject | None:
        judged = judge(decode_json(key.kind, bytes(raw)), tolerant=True)
        findings = judged.findings
        if findings and self._cluster != PRIMARY:
            findings = tuple(msgspec.structs.replace(each, key=key, subject=str(key)) for each in findings)
        self._faults.note(key, findings)
        return judged.object
