"""The tables of objects and their indexes.

A row is an object under its key; an index groups *members* (hostnames, keys, ...) under *entries*, as a
function of each row alone. Applying writes tells exactly which rows and which index entries changed, so that
readers of one entry are not disturbed by a change of another. A write that leaves an object equal to what is
stored (only its status or resourceVersion moved) changes nothing.

Several Kubernetes clusters stand side by side: a source puts the name of its cluster (Istio: the cluster ID) into the
keys that it writes, ``PRIMARY`` for the cluster that holds the configuration, whose own name is
``Settings.cluster_id``. Of other clusters objects of ``SERVICE_KINDS`` only are let in (``translator.discovery``).
A cluster goes by a None for each of its keys, in any order; it needs no announcement before its first object.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from translator.objects.meta import MeshObject
from translator.objects.registry import Kind, ObjectKey
from translator.wide import WideDict

O_contra = TypeVar("O_contra", contravariant=True)
Entry = TypeVar("Entry", bound=Hashable)
Member = TypeVar("Member", bound=Hashable)


class _Comparable(Hashable, Protocol):
    def __lt__(self, other: Any, /) -> bool: ...  # noqa: ANN401 - members of one index compare among themselves


class Index(Generic[Entry, Member]):
    """The declaration of one index: which (entry, member) pairs each kind of object contributes.

    An extractor gets the object with its key, and the DNS suffix of Kubernetes services, with which short names are
    resolved. Members of an entry are kept sorted, so they must be comparable with each other.
    """

    __slots__ = ("extractors", "name")

    def __init__(
        self, name: str, extractors: Mapping[Kind, Callable[[ObjectKey, Any, str], Iterable[tuple[Entry, Member]]]]
    ) -> None:
        self.name = name
        self.extractors = extractors

    def __repr__(self) -> str:
        return f"<index {self.name}>"


class IndexEntry(NamedTuple):
    """Names one entry of one index: what a reader of it depends on."""

    name: str
    entry: Hashable


class Write(NamedTuple):
    """One change of one object; ``value`` is None when the object is gone."""

    key: ObjectKey
    value: MeshObject | None


Touched = ObjectKey | IndexEntry


# So many members of an entry are kept in a tuple.
_FEW: Final = 32


class _Bucket:
    """The members of an index entry that has many, or some that several rows contribute, sorted.

    ``repeated`` counts the further rows.
    """

    __slots__ = ("members", "ordered", "repeated")

    def __init__(self, ordered: Iterable[_Comparable]) -> None:
        self.ordered = list(ordered)
        self.repeated: dict[_Comparable, int] | None = None
        self.members: tuple[Any, ...] | None = None

    def add(self, member: _Comparable) -> bool:
        position = bisect_left(self.ordered, member)
        if self.ordered[position : position + 1] == [member]:
            self.repeated = self.repeated or {}
            self.repeated[member] = self.repeated.get(member, 0) + 1
            return False
        self.ordered.insert(position, member)
        self.members = None
        return True

    def remove(self, member: _Comparable) -> bool:
        repeated = self.repeated
        if repeated and member in repeated:
            repeated[member] -= 1
            if not repeated[member]:
                del repeated[member]
            return False
        del self.ordered[bisect_left(self.ordered, member)]
        self.members = None
        return True

    def snapshot(self) -> tuple[Any, ...]:
        if self.members is None:
            self.members = tuple(self.ordered)
        return self.members


class _Table:
    """What one index holds: by entry the members. Mostly that is one of one row, and a tuple of it is all there is."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[_Comparable, ...] | _Bucket] = {}

    def members(self, entry: Hashable) -> tuple[Any, ...]:
        """The sorted members of an entry."""
        known = self._entries.get(entry, ())
        return known.snapshot() if isinstance(known, _Bucket) else known

    def add(self, entry: Hashable, member: _Comparable) -> bool:
        """A row contributes a member; returns whether none did before."""
        known = self._entries.get(entry, ())
        if not isinstance(known, _Bucket):
            if len(known) < _FEW and member not in known:
                at = bisect_left(known, member)
                self._entries[entry] = (*known[:at], member, *known[at:])
                return True
            known = self._entries[entry] = _Bucket(known)
        return known.add(member)

    def remove(self, entry: Hashable, member: _Comparable) -> bool:
        """A row does not contribute a member any more; returns whether none does now."""
        known = self._entries[entry]
        if isinstance(known, _Bucket):
            is_gone = known.remove(member)
            left: object = known.ordered
        else:
            is_gone = True
            left = self._entries[entry] = tuple(each for each in known if each != member)
        if not left:
            del self._entries[entry]
        return is_gone


class Store:
    """All objects by key, and the indexes over them."""

    def __init__(self, indexes: Iterable[Index[Any, Any]], domain_suffix: str) -> None:
        self._domain_suffix = domain_suffix
        self._rows: WideDict[ObjectKey, MeshObject] = WideDict()
        self._tables: dict[str, _Table] = {}
        self._indexes_of: dict[Kind, list[Index[Any, Any]]] = {kind: [] for kind in Kind}
        for index in indexes:
            self._tables[index.name] = _Table()
            for kind in index.extractors:
                self._indexes_of[kind].append(index)

    def get(self, key: ObjectKey) -> MeshObject | None:
        """The object under a key, or None."""
        return self._rows.get(key)

    def members(self, entry: IndexEntry) -> tuple[Any, ...]:
        """The sorted members of an index entry; empty when no row contributes to it."""
        return self._tables[entry.name].members(entry.entry)

    def keys(self) -> Iterable[ObjectKey]:
        """Every stored key."""
        return self._rows.keys()

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, writes: Iterable[Write]) -> set[Touched]:
        """Carry out writes in order; returns the rows and index entries that are different afterwards."""
        touched: set[Touched] = set()
        for key, value in writes:
            before = self._rows.get(key)
            if before == value:
                continue
            if value is None:
                del self._rows[key]
            else:
                self._rows[key] = value
            touched.add(key)
            self._reindex(key, before, value, touched)
        return touched

    def _reindex(
        self, key: ObjectKey, before: MeshObject | None, after: MeshObject | None, touched: set[Touched]
    ) -> None:
        for index in self._indexes_of[key.kind]:
            extract = index.extractors[key.kind]
            old = set(extract(key, before, self._domain_suffix)) if before is not None else set()
            new = set(extract(key, after, self._domain_suffix)) if after is not None else set()
            table = self._tables[index.name]
            for entry, member in old - new:
                if table.remove(entry, member):
                    touched.add(IndexEntry(index.name, entry))
            for entry, member in new - old:
                if table.add(entry, member):
                    touched.add(IndexEntry(index.name, entry))
