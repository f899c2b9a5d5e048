"""A mesh that is read once and not followed: what ``translate`` and ``validate`` look at."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import monotonic

from envoy.config.core.v3 import base_pb2
from google.protobuf import json_format

from fairlead.analysis import locate
from fairlead.finding import Finding, Place
from fairlead.identity import ProxyIdentity
from fairlead.mesh_findings import find_in_mesh
from fairlead.sources.catalog import Catalog
from fairlead.sources.document import ParsedFile
from fairlead.sources.folder import DEFAULT_FILE_LIMIT, FolderReader, read_file
from translator.analysis.findings import object_findings
from translator.model.proxy import parse_node
from translator.objects.core import Pod
from translator.objects.registry import ObjectKey
from translator.settings import Settings
from translator.store import Write
from translator.translator import Translator
from translator.view import View


class OfflineMesh:
    """The objects of some folders and files in a translator of their own, and what is wrong with their documents."""

    def __init__(self, settings: Settings, files: Iterable[tuple[str, ParsedFile]]) -> None:
        self.translator = Translator(settings)
        self._catalog = Catalog()
        self.file_count = 0
        for name, parsed in files:
            for _ in self._catalog.replace(name, parsed, monotonic()):
                pass
            self.file_count += 1
        self.keys = self._apply(self._catalog.take_writes())
        self.findings = (*find_in_mesh(settings.mesh), *(self._catalog.take_findings() or ()))

    def place_of(self, key: ObjectKey, path: str = "") -> Place | None:
        """Where an object stands, or a field of it."""
        return self._catalog.place_of(key, path)

    def analyze(self) -> tuple[Finding, ...]:
        """What the objects say together."""
        db = self.translator.db
        found = [finding for key in self.keys for finding in locate(object_findings(db, key), self.place_of)]
        return tuple(found)

    def pod_ip(self, namespace: str, name: str) -> str:
        """The IP of a pod, if it is one of the objects."""
        pod = self.translator.db.get(Pod, namespace, name)
        return pod.status.pod_ip if pod is not None else ""

    def view_of(self, identity: ProxyIdentity) -> View:
        """What a proxy would get."""
        node = json_format.ParseDict(identity.node(), base_pb2.Node())
        view = self.translator.bind(parse_node(node)).view
        for _ in view.refresh():
            pass
        view.commit()
        return view

    def _apply(self, writes: Iterable[Write]) -> tuple[ObjectKey, ...]:
        applied = tuple(writes)
        self.translator.apply(applied)
        return tuple(sorted(write.key for write in applied))


def read_paths(paths: Sequence[Path]) -> Iterable[tuple[str, ParsedFile]]:
    """Every file of some folders, and some files, by the names under which people know them.

    Raises OSError for a folder that cannot be read.
    """
    for path in paths:
        if not path.is_dir():
            yield str(path), read_file(path, str(path), DEFAULT_FILE_LIMIT)
            continue
        reading = FolderReader(path).look()
        if reading.lost:
            raise OSError(f"{path}: {reading.lost}")
        for name, parsed in reading.changes:
            if parsed is not None:
                yield name, parsed
