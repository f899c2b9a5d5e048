"""Where the load is written: what the control plane reads."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from fairlead.bench.load import Document

_DRAFT: Final = ".draft"


class Destination(Protocol):
    """Keeps objects for a control plane to read."""

    async def fill(self, documents: Iterable[Document]) -> None:
        """Write the whole load."""

    async def apply(self, documents: Iterable[Document]) -> None:
        """Write some objects anew, at once."""


class FolderDestination:
    """A folder of files, in JSON (which everybody reads faster) or in YAML.

    Objects that change have a file of their own; what stays as it is shares one per namespace and kind.
    """

    _OWN_FILE: Final = frozenset({"EndpointSlice", "VirtualService", "Service"})

    def __init__(self, root: Path, *, yaml: bool = False) -> None:
        self.root = root
        self._yaml = yaml

    async def fill(self, documents: Iterable[Document]) -> None:
        """Write the whole load; the folder is made if it does not exist."""
        shared: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            if document["kind"] in self._OWN_FILE:
                self._write(_own_path(document), document)
            else:
                shared[_shared_path(document)].append(document)
        for path, items in shared.items():
            self._write(path, {"apiVersion": "v1", "kind": "List", "items": items})

    async def apply(self, documents: Iterable[Document]) -> None:
        """Replace the files of some objects, each at once: a reader sees the old or the new text."""
        for document in documents:
            self._write(_own_path(document), document)

    def _write(self, name: str, document: Document) -> None:
        path = self.root / f"{name}.{'yaml' if self._yaml else 'json'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}{_DRAFT}")
        draft.write_bytes(msgspec.yaml.encode(document) if self._yaml else msgspec.json.encode(document))
        draft.replace(path)


def _own_path(document: Document) -> str:
    metadata = document["metadata"]
    return f"{metadata.get('namespace', '.')}/{document['kind']}-{metadata['name']}".lower()


def _shared_path(document: Document) -> str:
    return f"{document['metadata'].get('namespace', '.')}/{document['kind']}s".lower()
