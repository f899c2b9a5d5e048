"""What queries read: the store's rows and index entries and the mesh-wide settings, every read recorded."""

from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple, TypeVar, cast

from translator.demand import ON_DEMAND, Demand
from translator.discovery import DiscoveryFilter
from translator.engine import Engine
from translator.indexes import INDEXES
from translator.node import Token
from translator.objects.meta import MeshObject
from translator.objects.registry import KIND_OF, PRIMARY, ObjectKey
from translator.settings import Settings
from translator.store import Entry, Index, IndexEntry, Member, Store, Touched, Write

T = TypeVar("T", bound=MeshObject)

_SETTINGS: Final = "settings"


class DnsName(NamedTuple):
    """A name of which queries read the addresses."""

    name: str


class Database(Engine):
    """The engine over one store; the first argument of every query of the translator."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.store = Store(INDEXES, settings.domain_suffix)
        self._discovery = DiscoveryFilter(self.store, settings.mesh.discovery_selectors)
        self._settings = settings
        self.demand: Demand[ObjectKey] = Demand()
        self.names: Demand[DnsName] = Demand()
        self._addresses: dict[DnsName, tuple[str, ...]] = {}

    @property
    def settings(self) -> Settings:
        """The mesh-wide settings; a query that reads them is evaluated again when they are replaced."""
        if self._frame is not None:
            self.record(_SETTINGS)
        return self._settings

    def replace_settings(self, settings: Settings) -> None:
        """Put other mesh-wide settings in force. Equal settings change nothing.

        Raises ValueError for another domain suffix: every index holds names that end in it.
        """
        if settings.domain_suffix != self._settings.domain_suffix:
            message = "the domain suffix of a running mesh cannot change"
            raise ValueError(message)
        if settings != self._settings:
            selectors, before = settings.mesh.discovery_selectors, self._settings.mesh.discovery_selectors
            moved = self.store.apply(self._discovery.reselect(selectors)) if selectors != before else ()
            self._settings = settings
            self.invalidate((_SETTINGS, *moved))

    def apply(self, writes: Iterable[Write]) -> set[Touched]:
        """Write to the store and mark what depends on the difference; returns what really changed."""
        touched = self.store.apply(self._discovery.admit(writes))
        if touched:
            self.invalidate(touched)
        return touched

    def replace_addresses(self, name: DnsName, addresses: tuple[str, ...]) -> bool:
        """Say which addresses a name has; whether that is something new. Equal addresses change nothing."""
        if addresses == self._addresses.get(name, ()):
            return False
        if addresses:
            self._addresses[name] = addresses
        else:
            del self._addresses[name]
        self.invalidate((name,))
        return True

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """The addresses of a DNS name; none as long as nobody has looked it up (``names``)."""
        key = DnsName(name)
        self.record(key)
        self.names.note(key)
        return self._addresses.get(key, ())

    def row(self, key: ObjectKey) -> MeshObject | None:
        """The object under a key, or None."""
        self._read(key)
        return self.store.get(key)

    def get(self, kind: type[T], namespace: str, name: str, cluster: str = PRIMARY) -> T | None:
        """The object of a struct type by namespace (empty for cluster-scoped kinds) and name, or None."""
        key = ObjectKey(KIND_OF[kind], namespace, name, cluster)
        self._read(key)
        return cast("T | None", self.store.get(key))

    def members(self, index: Index[Entry, Member], entry: Entry) -> tuple[Member, ...]:
        """The sorted members of one index entry. Readers depend on this entry, not on the rows behind it."""
        token = IndexEntry(index.name, cast("Hashable", entry))
        self.record(token)
        return self.store.members(token)

    def origin_objects(self, tokens: Iterable[Token]) -> tuple[ObjectKey, ...]:
        """Of recorded tokens, the objects that exist: the provenance that people are shown, sorted."""
        return tuple(
            sorted(token for token in tokens if isinstance(token, ObjectKey) and self.store.get(token) is not None)
        )

    def _read(self, key: ObjectKey) -> None:
        self.record(key)
        if key.kind in ON_DEMAND:
            self.demand.note(key)
