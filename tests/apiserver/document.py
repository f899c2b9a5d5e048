"""What objects are here: documents as decoded JSON, never changed in place once they are stored."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]


def metadata_of(document: Mapping[str, Any]) -> Document:
    """Its metadata; empty when it has none."""
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def name_of(document: Mapping[str, Any]) -> str:
    """Its name, "" when it has none yet."""
    return str(metadata_of(document).get("name") or "")


def namespace_of(document: Mapping[str, Any]) -> str:
    """Its namespace, "" when it has none."""
    return str(metadata_of(document).get("namespace") or "")


def revision_of(document: Mapping[str, Any]) -> int:
    """The revision at which it was written, 0 when it was not."""
    return int(metadata_of(document).get("resourceVersion") or 0)


def with_metadata(document: Document, **fields: object) -> Document:
    """A copy with these fields of the metadata set; those that are None are removed."""
    merged = metadata_of(document) | fields
    return document | {"metadata": {name: value for name, value in merged.items() if value is not None}}


def without(mapping: Document, *names: str) -> Document:
    """A copy without these fields."""
    return {name: value for name, value in mapping.items() if name not in names}


def find(document: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON
    """The value at a path of field names joined by dots; None when there is none."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
