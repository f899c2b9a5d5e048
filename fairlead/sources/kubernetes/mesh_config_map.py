"""The mesh-wide configuration out of the ConfigMap ``istio``, laid over that of a file."""

from typing import Final

import msgspec

from fairlead.finding import SCHEMA_ERROR, Finding
from fairlead.mesh_config import Document, read_document, read_mesh_config
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.kubernetes.faults import FaultBook
from fairlead.sources.kubernetes.reflector import Change
from fairlead.sources.kubernetes.served import Collection
from fairlead.sources.yaml_reader import YamlError
from translator.diagnostics import Severity
from translator.objects.core import ConfigMap
from translator.objects.registry import Kind, ObjectKey

NAME: Final = "istio"
_FIELD: Final = "mesh"


class MeshConfigReader:
    """Receives the ConfigMap. One that cannot be read is a finding, and the last good one stays in force."""

    def __init__(self, namespace: str, base: Document, faults: FaultBook, sink: Sink) -> None:
        self.collection = Collection(Kind.CONFIG_MAP, "", "v1", "configmaps").named(namespace, NAME)
        self._key = ObjectKey(Kind.CONFIG_MAP, namespace, NAME)
        self._base = base
        self._faults = faults
        self._sink = sink

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:  # noqa: ARG002 - a Receiver
        """Put the newest version in force."""
        raw = changes[-1].raw
        try:
            text = msgspec.json.decode(raw, type=ConfigMap).data.get(_FIELD, "") if raw is not None else ""
            mesh, faults = read_mesh_config(self._base, read_document(text.encode()))
        except YamlError as error:
            mesh, faults = None, (f"line {error.line}: {error.reason}",)
        except msgspec.DecodeError as error:
            mesh, faults = None, (str(error),)
        self._faults.note(self._key, tuple(map(self._finding, faults)))
        if mesh is not None:
            await self._sink(Batch([], received, mesh=mesh))

    def _finding(self, fault: str) -> Finding:
        return Finding(
            severity=Severity.ERROR,
            code=SCHEMA_ERROR,
            subject=str(self._key),
            path=f"data.{_FIELD}",
            message=f"{fault}; the last good mesh configuration stays in force",
            key=self._key,
        )
