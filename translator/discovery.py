"""What is let into the store: of namespaces that are not discovered, objects wait until theirs is."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from translator.label_selector import selects
from translator.objects.meta import LabelSelector, MeshObject
from translator.objects.registry import SERVICE_KINDS, Kind, ObjectKey
from translator.store import Store, Write

# Kubernetes gives every namespace this label, so that a single one can be selected.
_NAME_LABEL: Final = "kubernetes.io/metadata.name"

# Cluster and namespace.
_Place = tuple[str, str]


class DiscoveryFilter:
    """Stands before a store, and lets in what belongs to a namespace that one of the selectors selects.

    Istio: without selectors everything is discovered; objects without namespace always are. The root namespace is no
    exception. A namespace that comes to be selected, or ceases to be, brings or takes its objects. Every cluster's
    namespaces have labels of their own. Beside the primary cluster, services and what is behind them are read only:
    the configuration of the mesh is that of the primary one.
    """

    def __init__(self, store: Store, selectors: tuple[LabelSelector, ...]) -> None:
        self._store = store
        self._selectors = selectors
        self._outside: dict[ObjectKey, MeshObject] = {}

    def admit(self, writes: Iterable[Write]) -> Iterable[Write]:
        """The writes for the store that a change of objects amounts to."""
        known = (write for write in writes if not write.key.cluster or write.key.kind in SERVICE_KINDS)
        return list(self._sift(list(known))) if self._selectors else known

    def reselect(self, selectors: tuple[LabelSelector, ...]) -> list[Write]:
        """Put other selectors in force; returns the writes that this amounts to."""
        self._selectors = selectors
        keys = (*self._store.keys(), *self._outside)
        places = sorted({(key.cluster, key.namespace) for key in keys if key.namespace})
        return [write for place in places for write in self._move(place, {})]

    def _sift(self, writes: list[Write]) -> Iterator[Write]:
        # The namespaces first: what else arrives with them is then judged by their new labels.
        renamed = {
            (write.key.cluster, write.key.name): write.value for write in writes if write.key.kind is Kind.NAMESPACE
        }
        for place in renamed:
            yield from self._move(place, renamed)
        for write in writes:
            key = write.key
            if not key.namespace or self._is_selected((key.cluster, key.namespace), renamed):
                yield write
            elif write.value is None:
                self._outside.pop(key, None)
            else:
                self._outside[key] = write.value

    def _move(self, place: _Place, renamed: Mapping[_Place, MeshObject | None]) -> Iterator[Write]:
        """Bring the objects of a namespace in, or take them out, wherever they are not on the right side."""
        cluster, namespace = place
        if self._is_selected(place, renamed):
            for key in [key for key in self._outside if key.namespace == namespace and key.cluster == cluster]:
                yield Write(key, self._outside.pop(key))
            return
        stored = list(self._store.keys())
        for key in [key for key in stored if key.namespace == namespace and key.cluster == cluster]:
            source = self._store.get(key)
            if source is not None:
                self._outside[key] = source
            yield Write(key, None)

    def _is_selected(self, place: _Place, renamed: Mapping[_Place, MeshObject | None]) -> bool:
        if not self._selectors:
            return True
        cluster, namespace = place
        key = ObjectKey(Kind.NAMESPACE, "", namespace, cluster)
        source = renamed[place] if place in renamed else self._store.get(key)
        labels = {_NAME_LABEL: namespace, **(source.metadata.labels if source else {})}
        return any(selects(selector, labels) for selector in self._selectors)
