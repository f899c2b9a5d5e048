"""Where the load is written: what the control plane reads."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from fairlead.bench.load import Document

_DRAFT: Final = ".draft"

Write = Callable[[], Awaitable[None]]
"""Does what was prepared: the time of a change begins with this call."""


class Destination(Protocol):
    """Keeps objects for a control plane to read."""

    async def fill(self, documents: Iterable[Document]) -> None:
        """Write the whole load."""

    def prepare(self, documents: Iterable[Document]) -> Write:
        """Prepare to write some objects anew."""


class FolderDestination:
    """A folder of files, in JSON (which everybody reads faster) or in YAML.

    Objects that change have a file of their own; what stays as it is shares one per namespace and kind.
    """

    _OWN_FILE: Final = frozenset({"EndpointSlice", "VirtualService", "Service"})

    def __init__(self, root: Path, *, yaml: bool = False) -> None:
        self.root = root
        self._suffix = "yaml" if yaml else "json"
        self._encode = msgspec.yaml.encode if yaml else msgspec.json.encode

    async def fill(self, documents: Iterable[Document]) -> None:
        """Write the whole load; the folder is made if it does not exist."""
        shared: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            if document["kind"] in self._OWN_FILE:
                _replace(self._path(_own_path(document)), self._encode(document))
            else:
                shared[_shared_path(document)].append(document)
        for path, items in shared.items():
            _replace(self._path(path), self._encode({"apiVersion": "v1", "kind": "List", "items": items}))

    def prepare(self, documents: Iterable[Document]) -> Write:
        """Replace the files of some objects, each at once: a reader sees the old or the new text."""
        encoded = [(self._path(_own_path(document)), self._encode(document)) for document in documents]

        async def write() -> None:
            for path, text in encoded:
                _replace(path, text)

        return write

    def _path(self, name: str) -> Path:
        """Where a file is to be; its folder is made if it does not exist."""
        path = self.root / f"{name}.{self._suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _replace(path: Path, text: bytes) -> None:
    draft = path.with_name(f".{path.name}{_DRAFT}")
    draft.write_bytes(text)
    draft.replace(path)


def _own_path(document: Document) -> str:
    metadata = document["metadata"]
    return f"{metadata.get('namespace', '.')}/{document['kind']}-{metadata['name']}".lower()


def _shared_path(document: Document) -> str:
    return f"{document['metadata'].get('namespace', '.')}/{document['kind']}s".lower()
