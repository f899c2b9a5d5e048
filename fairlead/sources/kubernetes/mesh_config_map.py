"""MeshConfig and MeshNetworks out of the ConfigMap ``istio``, the former laid over that of a file."""

from typing import Final

import msgspec

from fairlead.finding import SCHEMA_ERROR, Finding
from fairlead.mesh_config import (
    MESH_KEY,
    NETWORKS_KEY,
    Document,
    ReadMeshConfig,
    ReadMeshNetworks,
    read_document,
    read_mesh_config,
    read_mesh_networks,
)
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.kubernetes.faults import FaultBook
from fairlead.sources.kubernetes.reflector import Change
from fairlead.sources.kubernetes.served import Collection
from fairlead.sources.yaml_reader import YamlError
from translator.diagnostics import Severity
from translator.objects.core import ConfigMap
from translator.objects.mesh_networks import MeshNetworks
from translator.objects.registry import Kind, ObjectKey

NAME: Final = "istio"


class MeshConfigReader:
    """Receives the ConfigMap. One that cannot be read is a finding, and the last good one stays in force."""

    def __init__(self, namespace: str, base: Document, networks: MeshNetworks, faults: FaultBook, sink: Sink) -> None:
        self.collection = Collection(Kind.CONFIG_MAP, "", "v1", "configmaps").named(namespace, NAME)
        self._key = ObjectKey(Kind.CONFIG_MAP, namespace, NAME)
        self._base = base
        self._networks = networks
        self._faults = faults
        self._sink = sink

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:  # noqa: ARG002 - a Receiver
        """Put the newest version in force."""
        raw = changes[-1].raw
        try:
            data = msgspec.json.decode(raw, type=ConfigMap).data if raw is not None else {}
        except msgspec.DecodeError as error:
            self._faults.note(self._key, (self._finding(MESH_KEY, str(error)),))
            return
        mesh, faults = self._read_mesh(data.get(MESH_KEY, ""))
        networks, more = self._read_networks(data.get(NETWORKS_KEY))
        findings = [self._finding(MESH_KEY, fault) for fault in faults]
        self._faults.note(self._key, (*findings, *(self._finding(NETWORKS_KEY, fault) for fault in more)))
        if mesh is not None or networks is not None:
            await self._sink(Batch([], received, mesh=mesh, networks=networks))

    def _read_mesh(self, text: str) -> ReadMeshConfig:
        try:
            return read_mesh_config(self._base, read_document(text.encode()))
        except YamlError as error:
            return ReadMeshConfig(None, (f"line {error.line}: {error.reason}",))

    def _read_networks(self, text: str | None) -> ReadMeshNetworks:
        if text is None:
            return ReadMeshNetworks(self._networks)
        try:
            return read_mesh_networks(read_document(text.encode()))
        except YamlError as error:
            return ReadMeshNetworks(None, (f"line {error.line}: {error.reason}",))

    def _finding(self, field: str, fault: str) -> Finding:
        return Finding(
            severity=Severity.ERROR,
            code=SCHEMA_ERROR,
            subject=str(self._key),
            path=f"data.{field}",
            message=f"{fault}; the last good mesh configuration stays in force",
            key=self._key,
        )
