"""What the extractors of all indexes have in common."""

from collections.abc import Iterator
from typing import Any

from translator.objects.meta import MeshObject
from translator.objects.registry import ObjectKey

Pairs = Iterator[tuple[Any, Any]]


def by_namespace(key: ObjectKey, _source: MeshObject, _suffix: str) -> Pairs:
    """Objects by their namespace."""
    yield key.namespace, key
