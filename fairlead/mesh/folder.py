"""A folder of YAML that a control plane follows, changed the way careful editors change files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import yaml

from fairlead.mesh.documents import Document


class MeshObjects(Protocol):
    """Where the objects of a mesh are written, for its control plane to follow."""

    @property
    def source(self) -> Path | tuple[str, ...]:
        """What ``fairlead serve`` is to follow: a folder, or arguments that name another source."""

    def apply(self, *documents: Document) -> None:
        """Write objects; one that was written before is replaced."""

    def apply_yaml(self, text: str, namespace: str | None = None) -> list[Document]:
        """Write every object of a YAML text, into a namespace if it names none; return them."""

    def delete(self, *documents: Document) -> None:
        """Remove objects that were applied; only kind, name and namespace matter."""


class ConfigFolder:
    """Keeps one file per object, so that every change of an object is one event in the folder."""

    def __init__(self, root: Path) -> None:
        """Use a folder, making it if it does not exist."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> Path:
        """What ``fairlead serve`` is to follow."""
        return self.root

    def apply(self, *documents: Document) -> None:
        """Write objects, each to its own file; an object written before is replaced."""
        for document in documents:
            self.write_text(self._file_of(document), yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))

    def apply_yaml(self, text: str, namespace: str | None = None) -> list[Document]:
        """Write every object of a YAML text to its own file, into a namespace if it names none; return them."""
        documents = list(parse_documents(text, namespace))
        self.apply(*documents)
        return documents

    def delete(self, *documents: Document) -> None:
        """Remove objects that were applied; only kind, name and namespace matter. FileNotFoundError if one is not."""
        for document in documents:
            self.remove(self._file_of(document))

    def write_text(self, name: str, text: str) -> Path:
        """Write a file at once: readers see the old or the new text, never a part."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text)
        draft.replace(path)
        return path

    def remove(self, name: str) -> None:
        """Remove a file. FileNotFoundError if there is none."""
        (self.root / name).unlink()

    @staticmethod
    def _file_of(document: Document) -> str:
        metadata = document["metadata"]
        return f"{metadata.get('namespace', '.')}/{document['kind']}-{metadata['name']}.yaml".lower()


def parse_documents(text: str, namespace: str | None = None) -> Iterator[Document]:
    """The non-empty documents of a YAML text, put into a namespace where they name none."""
    documents: Iterator[Any] = yaml.load_all(text, Loader=yaml.CSafeLoader)
    for document in documents:
        if document:
            if namespace and document["kind"] not in {"Namespace", "Node"}:
                document["metadata"].setdefault("namespace", namespace)
            yield document
