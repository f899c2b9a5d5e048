"""Views: the live set of Envoy resources that one class of proxies sees, kept current piece by piece.

A View watches one query per resource. When something changes, only the resources whose inputs were touched are
looked at again; the rest of the View costs nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, Final, NamedTuple, cast

from translator.clusters.selection import cluster_references
from translator.database import Database
from translator.endpoints.losses import Loss, find_loss
from translator.endpoints.selection import endpoint_references, unknown_assignment
from translator.engine import Query, QueryFailedError
from translator.fiber import Due, Fiber, never
from translator.listeners.selection import listener_references
from translator.model.proxy import ViewKey
from translator.node import Node, find_flaws
from translator.proxyless.selection import (
    call_cluster_references,
    call_listener_references,
    call_route_references,
)
from translator.proxyless.server_listener import server_listener
from translator.reference import ResourceReference
from translator.routes.selection import route_references, unknown_route
from translator.secrets.selection import secret_references
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl
from xds.view import Catalogue

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
    Generator(SECRET, secret_references, lambda _name: None),
)

# gRPC waits a while for what is not there; an empty answer would end the wait. Which servers there are only they know.
PROXYLESS_GENERATORS: Final = (
    Generator(CLUSTER, call_cluster_references, lambda _name: None),
    Generator(ENDPOINT, endpoint_references, lambda _name: None),
    Generator(LISTENER, call_listener_references, server_listener),
    Generator(ROUTE, call_route_references, lambda _name: None),
)


class Failure(NamedTuple):
    """A resource, or the list of a type's resources (no name), that could not be built; its last good version stays.

    With a ``part`` only that could not be built, such as one virtual host of a route table. ``node`` is what failed.
    """

    type_url: TypeUrl
    name: str
    error: QueryFailedError
    part: str = ""
    node: Node | None = None


class _Table:
    """The resources of one type: the node that lists them, and a node and last good value for each.

    ``names`` tells which resource a node makes. ``staged`` holds what a refresh found to be different (None: gone)
    until all of it comes into force together.
    """

    __slots__ = ("_drift", "generator", "listing", "names", "nodes", "resources", "staged")

    def __init__(self, generator: Generator, listing: Node) -> None:
        self.generator = generator
        self.listing = listing
        self.nodes: dict[str, Node] = {}
        self.names: dict[Node, str] = {}
        self.resources = Catalogue()
        self.staged: dict[str, Resource | None] = {}
        # What the digest of the resources will change by.
        self._drift = 0

    def stage(self, name: str, resource: Resource | None) -> None:
        """Note what there is under a name now. Compared and hashed here, for ``commit`` is one step."""
        before = self.resources.get(name)
        if before is not resource and before != resource:
            self._drift += _digest(resource) - _digest(self.staged.get(name, before))
            self.staged[name] = resource
        elif name in self.staged:
            self._drift += _digest(resource) - _digest(self.staged.pop(name))

    def put(self, name: str) -> None:
        """Put what is staged for one name in force."""
        resource = self.staged.pop(name)
        if resource is not None:
            difference = resource.digest - _digest(self.resources.get(name))
            self._drift -= difference
            self.resources.digest += difference
            self.resources[name] = resource

    def commit(self) -> AbstractSet[str]:
        """Put what is staged in force; returns the names that are different now."""
        staged, self.staged = self.staged, {}
        self.resources.digest += self._drift
        self._drift = 0
        # At first there are very many, of which none can be gone.
        gone = [name for name, resource in staged.items() if resource is None] if self.resources else ()
        self.resources.update(cast("dict[str, Resource]", staged))
        for name in gone:
            del self.resources[name]
        return staged.keys()


def _digest(resource: Resource | None) -> int:
    return 0 if resource is None else resource.digest


def _empty(tables: list[_Table]) -> Iterator[Node]:
    """All nodes of tables, taken out one by one: what is left in one step would be freed in one step."""
    while tables:
        table = tables.pop()
        yield table.listing
        while table.names:
            node, name = table.names.popitem()
            table.nodes.pop(name, None)
            table.resources.pop(name, None)
            yield node


class View:
    """What one class of proxies sees. Made by ``Translator.acquire``; implements ``xds.view.View``.

    ``refresh`` finds out what changed and ``commit`` puts it in force, all types at once; until then ``resources``
    show one consistent state, the one before. ``is_urgent`` while endpoints may have changed.

    Endpoints that are gone need not wait for the rest: ``hasten`` looks for them alone, and ``commit_losses`` puts in
    force what it found. ``losses`` are the assignments that lost endpoints by the last commit of either kind.
    """

    def __init__(self, db: Database, key: ViewKey, announce: Callable[["View"], None]) -> None:
        self.key = key
        self.users = 0
        self._failures: dict[tuple[TypeUrl, str], tuple[Failure, ...]] = {}
        self._db = db
        self._announce = announce
        self._tables: dict[TypeUrl, _Table] = {}
        self._stale: dict[Node, None] = {}
        self._stale_listings: dict[Node, None] = {}
        # Endpoints may have gone, and requests go wrong until proxies know: such a View is not to wait for others.
        self.is_urgent = False
        self.losses: AbstractSet[str] = frozenset()
        # The assignments in force that may have lost endpoints, and those that are known to have.
        self._suspects: dict[Node, None] = {}
        self._found: dict[str, Loss] = {}
        # A refresh that was interrupted, and a search for losses.
        self._fiber: Fiber | None = None
        self._search: Fiber | None = None
        for generator in PROXYLESS_GENERATORS if key.proxyless else GENERATORS:
            listing = db.watch(generator.references, (key,), self)
            self._tables[generator.type_url] = _Table(generator, listing)
            self._stale_listings[listing] = None

    @property
    def is_stale(self) -> bool:
        """Whether something that the View is made of may have changed since the last refresh."""
        return bool(self._stale or self._stale_listings or self._fiber or self.may_lose)

    @property
    def may_lose(self) -> bool:
        """Whether endpoints that proxies use may be gone, and nobody has looked yet."""
        return bool(self._suspects or self._search)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """All that could not be built."""
        return tuple(chain.from_iterable(self._failures.values()))

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
        owner = self._owner(node)
        if owner is None:
            # Closed, and not yet let go by everything.
            return
        table, name = owner
        is_news = not self.is_stale
        if name is None:
            self._stale_listings[node] = None
        elif table.generator.type_url != ENDPOINT:
            self._stale[node] = None
        else:
            is_suspect = name in table.resources
            is_news |= not self.is_urgent or (is_suspect and not self.may_lose)
            self.is_urgent = True
            (self._suspects if is_suspect else self._stale)[node] = None
        if is_news:
            self._announce(self)

    def refresh(self, is_due: Due = never) -> Iterator[None]:
        """Bring every stale resource up to date, yielding whenever ``is_due`` so that the caller can take turns.

        More may become stale while the caller has its turn; the iteration ends when nothing is. Then ``commit``.
        """
        while self.is_stale:
            if not (self._stale or self._stale_listings or self._fiber):
                yield from self.hasten(is_due)
                continue
            fiber = self._fiber = self._fiber or Fiber(self._catch_up)
            try:
                self._db.step(fiber, is_due)
            finally:
                if fiber.is_over:
                    self._fiber = None
            yield

    def hasten(self, is_due: Due = never) -> Iterator[None]:
        """As ``refresh``, but only until it is known which endpoints are gone that proxies use."""
        while self.may_lose:
            fiber = self._search = self._search or Fiber(self._look_for_losses)
            try:
                self._db.step(fiber, is_due)
            finally:
                if fiber.is_over:
                    self._search = None
            yield

    def commit_losses(self) -> AbstractSet[str]:
        """Put assignments in force that lost endpoints, before all else is up to date; returns their names.

        Not those of which the cluster is another one as well, or whose endpoints may be: they belong together. Nor
        those of which no endpoint stays: what they had is gone as a whole, and the routes to them may be about to go.
        """
        self.losses = frozenset(name for name, loss in self._found.items() if not loss.all and self._stands_alone(name))
        for name in self.losses:
            del self._found[name]
            self._tables[ENDPOINT].put(name)
        return self.losses

    def commit(self) -> Mapping[TypeUrl, AbstractSet[str]]:
        """Put what the refresh found in force; returns the names that changed, by type (no type without any)."""
        self.is_urgent = False
        self.losses = frozenset(self._found)
        self._found.clear()
        changed = {type_url: table.commit() for type_url, table in self._tables.items() if table.staged}
        return {type_url: names for type_url, names in changed.items() if names}

    def node(self, type_url: TypeUrl, name: str) -> Node | None:
        """The node behind a resource (behind the list of a type's resources, if the name is empty).

        That is what ``Engine.origins`` explains.
        """
        table = self._tables.get(type_url)
        if table is None:
            return None
        return table.nodes.get(name) if name else table.listing

    def close(self) -> None:
        """Let go of everything, when the engine is swept; the View must not be used afterwards."""
        for fiber in (self._fiber, self._search):
            if fiber is not None:
                self._db.abandon(fiber)
        self._fiber = self._search = None
        tables, self._tables = list(self._tables.values()), {}
        self._db.put_off_unwatching(_empty(tables), self)
        self._failures.clear()
        self._found.clear()
        self._suspects.clear()
        self._stale.clear()
        self._stale_listings.clear()

    def _look_for_losses(self) -> None:
        assignments, clusters = self._tables[ENDPOINT], self._tables[CLUSTER]
        while self._suspects:
            node = next(iter(self._suspects))
            del self._suspects[node]
            name = assignments.names.get(node)
            if name is not None:
                self._rebuild(assignments, name, node)
                cluster = clusters.nodes.get(name)
                if name in self._found and cluster is not None and cluster.is_stale:
                    # Mostly it turns out to be the same.
                    self._stale.pop(cluster, None)
                    self._rebuild(clusters, name, cluster)
            self._db.breathe()

    def _stands_alone(self, name: str) -> bool:
        """Whether an assignment is up to date and the cluster of its name stays as it is."""
        clusters, assignments = self._tables[CLUSTER], self._tables[ENDPOINT]
        nodes = (assignments.nodes.get(name), clusters.nodes.get(name))
        is_settled = not any(node is not None and (node.is_stale or node.runner) for node in nodes)
        return is_settled and assignments.staged.get(name) is not None and name not in clusters.staged

    def _catch_up(self) -> None:
        while self._stale or self._stale_listings:
            # Lists first: a resource that is no longer listed is not worth building.
            stale = self._stale_listings or self._stale
            node = next(iter(stale))
            del stale[node]
            owner = self._owner(node)
            if owner is not None:
                table, name = owner
                if name is None:
                    self._relist(table)
                else:
                    self._rebuild(table, name, node)
            self._db.breathe()
        # A dict keeps the room that it once had: at first everything is stale.
        self._stale.clear()

    def _owner(self, node: Node) -> tuple[_Table, str | None] | None:
        """The table that a node is of, and which resource there it makes (None: it lists them)."""
        for table in self._tables.values():
            if node is table.listing:
                return table, None
            name = table.names.get(node)
            if name is not None:
                return table, name
        return None

    def _relist(self, table: _Table) -> None:
        wanted = self._pull_listing(table)
        if wanted is None:
            return
        references = {reference.name: reference for reference in self._db.paced(wanted)}
        for name, reference in self._db.paced(references.items()):
            replaced = table.nodes.get(name)
            if replaced is None or not reference.is_built_by(replaced):
                # Watched before the old node goes, so that what both are made of is not built again.
                node = table.nodes[name] = self._db.watch(reference.query, reference.args, self)
                if replaced is not None:
                    self._forget(table, replaced)
                table.names[node] = name
                if replaced is not None or not self._take_over(table, name, node):
                    self._stale[node] = None
        for name in [name for name in table.nodes if name not in references]:
            self._forget(table, table.nodes.pop(name))
            self._failures.pop((table.generator.type_url, name), None)
            self._stage(table, name, None)
            self._db.breathe()

    def _take_over(self, table: _Table, name: str, node: Node) -> bool:
        """Stage a new resource that another View has already; whether it is there, and whole."""
        if node.is_stale or node.error is not None or next(find_flaws(node), None) is not None:
            return False
        resource: Resource | None = node.value
        if resource is not None:
            resource.prepare()
        self._stage(table, name, resource)
        return True

    def _rebuild(self, table: _Table, name: str, node: Node) -> None:
        key = (table.generator.type_url, name)
        try:
            resource: Resource | None = self._db.pull(node)
            if resource is not None:
                resource.prepare()
            self._stage(table, name, resource)
        except QueryFailedError as error:
            self._note(key, (Failure(*key, error, node=node),))
        else:
            self._note(key, tuple(self._flaws(key, node)))

    def _stage(self, table: _Table, name: str, resource: Resource | None) -> None:
        table.stage(name, resource)
        if table.generator.type_url == ENDPOINT:
            loss = find_loss(table.resources.get(name), resource)
            if loss.any:
                self._found[name] = loss
            else:
                self._found.pop(name, None)

    def _flaws(self, key: tuple[TypeUrl, str], node: Node) -> Iterator[Failure]:
        """The parts of a resource that could not be built."""
        for part, failed in find_flaws(node):
            if isinstance(failed.error, QueryFailedError):
                yield Failure(*key, failed.error, str(part), failed)

    def _note(self, key: tuple[TypeUrl, str], failures: tuple[Failure, ...]) -> None:
        if failures:
            self._failures[key] = failures
        else:
            self._failures.pop(key, None)

    def _pull_listing(self, table: _Table) -> Iterable[ResourceReference] | None:
        key = (table.generator.type_url, "")
        try:
            wanted: Iterable[ResourceReference] = self._db.pull(table.listing)
        except QueryFailedError as error:
            self._note(key, (Failure(*key, error, node=table.listing),))
            return None
        self._note(key, ())
        return wanted

    def _forget(self, table: _Table, node: Node) -> None:
        table.names.pop(node, None)
        self._stale.pop(node, None)
        self._suspects.pop(node, None)
        self._db.unwatch(node, self)

    def __repr__(self) -> str:
        counts: dict[str, Any] = {table.listing.query.name: len(table.resources) for table in self._tables.values()}
        return f"View({self.key.role} in {self.key.namespace}, {counts})"
