"""Which namespaces are discovered: objects of all others wait outside of the store until theirs is."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from translator.label_selector import selects
from translator.objects.meta import LabelSelector, MeshObject
from translator.objects.registry import Kind, ObjectKey
from translator.store import Store, Write

# Kubernetes gives every namespace this label, so that a single one can be selected.
_NAME_LABEL: Final = "kubernetes.io/metadata.name"


class DiscoveryFilter:
    """Stands before a store, and lets in what belongs to a namespace that one of the selectors selects.

    Istio: without selectors everything is discovered; objects without namespace always are. The root namespace is no
    exception. A namespace that comes to be selected, or ceases to be, brings or takes its objects.
    """

    def __init__(self, store: Store, selectors: tuple[LabelSelector, ...]) -> None:
        self._store = store
        self._selectors = selectors
        self._outside: dict[ObjectKey, MeshObject] = {}

    def admit(self, writes: Iterable[Write]) -> Iterable[Write]:
        """The writes for the store that a change of objects amounts to."""
        return list(self._sift(list(writes))) if self._selectors else writes

    def reselect(self, selectors: tuple[LabelSelector, ...]) -> list[Write]:
        """Put other selectors in force; returns the writes that this amounts to."""
        self._selectors = selectors
        keys = (*self._store.keys(), *self._outside)
        return [write for name in sorted({key.namespace for key in keys} - {""}) for write in self._move(name, {})]

    def _sift(self, writes: list[Write]) -> Iterator[Write]:
        # The namespaces first: what else arrives with them is then judged by their new labels.
        renamed = {write.key.name: write.value for write in writes if write.key.kind is Kind.NAMESPACE}
        for name in renamed:
            yield from self._move(name, renamed)
        for write in writes:
            namespace = write.key.namespace
            if not namespace or self._is_selected(namespace, renamed):
                yield write
            elif write.value is None:
                self._outside.pop(write.key, None)
            else:
                self._outside[write.key] = write.value

    def _move(self, namespace: str, renamed: Mapping[str, MeshObject | None]) -> Iterator[Write]:
        """Bring the objects of a namespace in, or take them out, wherever they are not on the right side."""
        if self._is_selected(namespace, renamed):
            for key in [key for key in self._outside if key.namespace == namespace]:
                yield Write(key, self._outside.pop(key))
            return
        stored = list(self._store.keys())
        for key in [key for key in stored if key.namespace == namespace]:
            source = self._store.get(key)
            if source is not None:
                self._outside[key] = source
            yield Write(key, None)

    def _is_selected(self, namespace: str, renamed: Mapping[str, MeshObject | None]) -> bool:
        if not self._selectors:
            return True
        key = ObjectKey(Kind.NAMESPACE, "", namespace)
        source = renamed[namespace] if namespace in renamed else self._store.get(key)
        labels = {_NAME_LABEL: namespace, **(source.metadata.labels if source else {})}
        return any(selects(selector, labels) for selector in self._selectors)
