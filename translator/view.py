"""Views: the live set of Envoy resources that one class of proxies sees, kept current piece by piece.

A View watches one query per resource. When something changes, only the resources whose inputs were touched are
looked at again; the rest of the View costs nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, Final, NamedTuple

from translator.clusters.selection import cluster_references
from translator.database import Database
from translator.endpoints.selection import endpoint_references, unknown_assignment
from translator.engine import Node, Query, QueryFailedError
from translator.listeners.selection import listener_references
from translator.model.proxy import ViewKey
from translator.reference import ResourceReference
from translator.routes.selection import route_references, unknown_route
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl

References = Query[Database, [ViewKey], tuple[ResourceReference, ...]]


class Generator(NamedTuple):
    """How resources of one type come about: which there are, and what to answer for a name that is not there."""

    type_url: TypeUrl
    references: References
    fallback: Callable[[str], Resource | None]


GENERATORS: Final = (
    Generator(CLUSTER, cluster_references, lambda _name: None),
    Generator(ENDPOINT, endpoint_references, unknown_assignment),
    Generator(LISTENER, listener_references, lambda _name: None),
    Generator(ROUTE, route_references, unknown_route),
)


class Failure(NamedTuple):
    """A resource, or the list of a type's resources, that could not be built; its last good version stays."""

    type_url: TypeUrl
    name: str
    error: QueryFailedError


class _Table:
    """The resources of one type: the node that lists them, and a node and last good value for each."""

    __slots__ = ("generator", "listing", "nodes", "references", "resources")

    def __init__(self, generator: Generator, listing: Node) -> None:
        self.generator = generator
        self.listing = listing
        self.references: dict[str, ResourceReference] = {}
        self.nodes: dict[str, Node] = {}
        self.resources: dict[str, Resource] = {}


class View:
    """What one class of proxies sees. Made by ``Translator.acquire``; implements ``xds.view.View``.

    ``refresh`` brings it up to date and says what changed; until then ``resources`` show the state before.
    """

    def __init__(self, db: Database, key: ViewKey, announce: Callable[["View"], None]) -> None:
        self.key = key
        self.users = 0
        self.failures: dict[tuple[TypeUrl, str], Failure] = {}
        self._db = db
        self._announce = announce
        self._tables: dict[TypeUrl, _Table] = {}
        self._owners: dict[Node, tuple[_Table, str | None]] = {}
        self._stale: dict[Node, None] = {}
        self._changed: dict[TypeUrl, set[str]] = {}
        for generator in GENERATORS:
            listing = db.watch(generator.references, (key,), self)
            table = self._tables[generator.type_url] = _Table(generator, listing)
            self._owners[listing] = (table, None)
            self._stale[listing] = None

    @property
    def is_stale(self) -> bool:
        """Whether something that the View is made of may have changed since the last refresh."""
        return bool(self._stale)

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        """The current resources of a type by name."""
        table = self._tables.get(type_url)
        return table.resources if table else {}

    def fallback(self, type_url: TypeUrl, name: str) -> Resource | None:
        """Envoy waits for endpoints and routes that it has once heard of: unknown ones are answered empty."""
        table = self._tables.get(type_url)
        return table.generator.fallback(name) if table else None

    def invalidated(self, node: Node) -> None:
        """Called by the engine: a watched node may have changed."""
        if not self._stale:
            self._announce(self)
        self._stale[node] = None

    def refresh(self) -> Iterator[None]:
        """Bring every stale resource up to date, yielding after each so that the caller can take turns.

        More may become stale while the caller has its turn; the iteration ends when nothing is. Then call
        ``take_changes``.
        """
        while self._stale:
            # Lists first: a resource that is no longer listed is not worth building.
            node = next((each for each in self._stale if self._owners[each][1] is None), None)
            node = node or next(iter(self._stale))
            del self._stale[node]
            table, name = self._owners[node]
            if name is None:
                self._relist(table)
            else:
                self._rebuild(table, name, node)
            yield

    def take_changes(self) -> Mapping[TypeUrl, Set[str]]:
        """The names that changed since the last call, by type."""
        changed, self._changed = self._changed, {}
        return changed

    def node(self, type_url: TypeUrl, name: str) -> Node | None:
        """The node behind a resource: what ``Engine.origins`` explains."""
        table = self._tables.get(type_url)
        return table.nodes.get(name) if table else None

    def close(self) -> None:
        """Let go of everything; the View must not be used afterwards."""
        for node in self._owners:
            self._db.unwatch(node, self)
        self._owners.clear()
        self._tables.clear()
        self._stale.clear()

    def _relist(self, table: _Table) -> None:
        wanted = self._pull(table, "", table.listing)
        if wanted is None:
            return
        references = {reference.name: reference for reference in wanted}
        for name, before in table.references.items():
            after = references.get(name)
            if after is None or after != before:
                self._drop(table, name)
                if after is None and table.resources.pop(name, None) is not None:
                    self._note(table, name)
        for name, reference in references.items():
            if name not in table.nodes:
                node = self._db.watch(reference.query, reference.args, self)
                table.nodes[name] = node
                self._owners[node] = (table, name)
                self._stale[node] = None
        table.references = references

    def _rebuild(self, table: _Table, name: str, node: Node) -> None:
        key = (table.generator.type_url, name)
        before = table.resources.get(name)
        try:
            after: Resource | None = self._db.pull(node)
        except QueryFailedError as error:
            self.failures[key] = Failure(*key, error)
            return
        self.failures.pop(key, None)
        if after == before:
            return
        if after is None:
            del table.resources[name]
        else:
            table.resources[name] = after
        self._note(table, name)

    def _pull(self, table: _Table, name: str, node: Node) -> Iterable[ResourceReference] | None:
        key = (table.generator.type_url, name)
        try:
            wanted: Iterable[ResourceReference] = self._db.pull(node)
        except QueryFailedError as error:
            self.failures[key] = Failure(*key, error)
            return None
        self.failures.pop(key, None)
        return wanted

    def _drop(self, table: _Table, name: str) -> None:
        node = table.nodes.pop(name)
        self._owners.pop(node, None)
        self._stale.pop(node, None)
        self.failures.pop((table.generator.type_url, name), None)
        self._db.unwatch(node, self)

    def _note(self, table: _Table, name: str) -> None:
        self._changed.setdefault(table.generator.type_url, set()).add(name)

    def __repr__(self) -> str:
        counts: dict[str, Any] = {table.listing.query.name: len(table.resources) for table in self._tables.values()}
        return f"View({self.key.role} in {self.key.namespace}, {counts})"
