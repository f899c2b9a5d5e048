"""A Discovery for those who have resources and want them served: snapshots by group of nodes.

    cache = SnapshotCache()
    server = XdsServer(cache)
    cache.connect(server)
    cache.set("edge", [cluster, endpoints, listener, route])

Every client belongs to a group, by default the one named after its Node's id; all clients of a group are
served the same resources, and get every later change of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, Protocol

from google.protobuf.message import Message

from xds.client import Client
from xds.errors import Code, InconsistentResources, StreamRejected
from xds.losses import loses_endpoints
from xds.references import resource_of
from xds.resource import Reference, Resource
from xds.types import TypeUrl, short_name
from xds.view import View, ViewChange

_NO_RESOURCES: Final[Mapping[str, Resource]] = MappingProxyType({})


class Publisher(Protocol):
    """Whom the cache tells about changes: an XdsServer."""

    def publish(
        self, view: View, change: ViewChange, cause: object = None, losses: AbstractSet[str] = frozenset()
    ) -> None:
        """See ``XdsServer.publish``."""


class Snapshot:
    """The resources of one group, which is its ``key``; a View. Changed by the cache alone."""

    def __init__(self, group: str) -> None:
        self.key = group
        self._types: dict[TypeUrl, dict[str, Resource]] = {}
        self._losses: set[str] = set()
        self.is_set = False

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        """See ``View.resources``."""
        return self._types.get(type_url, _NO_RESOURCES)

    def fallback(self, type_url: TypeUrl, name: str) -> Resource | None:  # noqa: ARG002  # the View protocol's
        """See ``View.fallback``: what is not there does not exist."""
        return None

    def all(self) -> Iterator[Resource]:
        """Every resource of every type."""
        for resources in self._types.values():
            yield from resources.values()

    def put(self, resources: Iterable[Resource]) -> dict[TypeUrl, set[str]]:
        """Add or replace resources; returns the names of those that changed."""
        change: dict[TypeUrl, set[str]] = {}
        for resource in resources:
            held = self._types.setdefault(resource.type_url, {})
            before = held.get(resource.name)
            if before != resource:
                held[resource.name] = resource
                change.setdefault(resource.type_url, set()).add(resource.name)
                self._note_loss(resource.name, before, resource)
        return change

    def drop(self, type_url: TypeUrl, names: Iterable[str]) -> dict[TypeUrl, set[str]]:
        """Remove resources; returns the names of those that were there."""
        held = self._types.get(type_url, {})
        gone = {name: before for name in names if (before := held.pop(name, None)) is not None}
        for name, before in gone.items():
            self._note_loss(name, before, None)
        return {type_url: set(gone)} if gone else {}

    def take_losses(self) -> AbstractSet[str]:
        """The names of the assignments that have lost endpoints since this was last asked."""
        losses, self._losses = self._losses, set()
        return losses

    def _note_loss(self, name: str, before: Resource | None, after: Resource | None) -> None:
        if loses_endpoints(before, after):
            self._losses.add(name)


class SnapshotCache:
    """Resources by group. All methods belong to the event loop of the server, and take effect at once.

    ``group_of`` names a client's group. With ``wait_for_snapshot`` (the default) clients of a group that
    was never set are refused with UNAVAILABLE and try again; otherwise they get an empty snapshot, which
    makes a proxy that reconnects drop what it has.
    """

    def __init__(
        self, group_of: Callable[[Client], str] = lambda client: client.node_id, *, wait_for_snapshot: bool = True
    ) -> None:
        self._group_of = group_of
        self._wait_for_snapshot = wait_for_snapshot
        self._snapshots: dict[str, Snapshot] = {}
        self._publishers: list[Publisher] = []

    def connect(self, publisher: Publisher) -> None:
        """Tell this server about changes from now on."""
        self._publishers.append(publisher)

    # -- what the application writes --------------------------------------------------------------

    def set(self, group: str, resources: Iterable[Resource | Message], *, version: str | None = None) -> None:
        """Make these the resources of the group; whatever else it had is removed.

        Without ``version`` every resource's version is the hash of its bytes, and only what differs is sent.
        With it all of them have this version, and are sent again whenever it changes. Raises
        UnsupportedMessage, and ValueError if two of the resources have one type and name.
        """
        made = _by_type(_resource(item, version) for item in resources)
        snapshot = self.snapshot(group)
        snapshot.is_set = True
        change = snapshot.put(resource for by_name in made.values() for resource in by_name.values())
        for type_url in {resource.type_url for resource in snapshot.all()}:
            gone = snapshot.resources(type_url).keys() - made.get(type_url, {}).keys()
            for changed, names in snapshot.drop(type_url, gone).items():
                change.setdefault(changed, set()).update(names)
        self._publish(snapshot, change)

    def update(self, group: str, resources: Iterable[Resource | Message], *, version: str | None = None) -> None:
        """Add or replace resources of the group, all in one push."""
        snapshot = self.snapshot(group)
        change = snapshot.put([_resource(item, version) for item in resources])
        snapshot.is_set = True
        self._publish(snapshot, change)

    def remove(self, group: str, type_url: TypeUrl, names: Iterable[str]) -> None:
        """Remove resources of one type from the group; names that are not there are ignored."""
        snapshot = self.snapshot(group)
        self._publish(snapshot, snapshot.drop(type_url, list(names)))

    # -- what it reads ------------------------------------------------------------------------------

    def snapshot(self, group: str) -> Snapshot:
        """The group's resources, live; an empty snapshot for a group that has none yet."""
        return self._snapshots.setdefault(group, Snapshot(group))

    def check_consistency(self, group: str) -> None:
        """Raise InconsistentResources if a resource of the group refers to one that is not there."""
        dangling = dangling_references(self.snapshot(group).all())
        if dangling:
            lines = (
                f"{r.name!r} ({short_name(r.type_url)}) needs {n.name!r} ({short_name(n.type_url)})"
                for r, n in dangling
            )
            raise InconsistentResources("; ".join(lines))

    # -- what the server asks -----------------------------------------------------------------------

    async def attach(self, client: Client) -> View:
        """See ``Discovery.attach``."""
        group = self._group_of(client)
        snapshot = self.snapshot(group)
        if self._wait_for_snapshot and not snapshot.is_set:
            raise StreamRejected(Code.UNAVAILABLE, f"there are no resources for {group!r} yet")
        return snapshot

    def detach(self, client: Client) -> None:
        """See ``Discovery.detach``; snapshots stay."""

    def _publish(self, snapshot: Snapshot, change: ViewChange) -> None:
        if change:
            losses = snapshot.take_losses()
            for publisher in self._publishers:
                publisher.publish(snapshot, change, None, losses)


def dangling_references(resources: Iterable[Resource]) -> list[tuple[Resource, Reference]]:
    """Which of these refer to what is not among them: (resource, what it needs), sorted by type and name."""
    everything = list(resources)
    present = {Reference(resource.type_url, resource.name) for resource in everything}
    dangling = [(resource, need) for resource in everything for need in resource.references if need not in present]
    return sorted(dangling, key=lambda pair: (pair[0].type_url, pair[0].name, pair[1]))


def _resource(item: Resource | Message, version: str | None) -> Resource:
    if isinstance(item, Message):
        return resource_of(item, version=version)
    if version is None:
        return item
    return Resource(item.type_url, item.name, item.body, item.references, version=version)


def _by_type(resources: Iterable[Resource]) -> dict[TypeUrl, dict[str, Resource]]:
    by_type: dict[TypeUrl, dict[str, Resource]] = {}
    for resource in resources:
        by_name = by_type.setdefault(resource.type_url, {})
        if resource.name in by_name:
            raise ValueError(f"two resources of {resource.type_url} are named {resource.name!r}")
        by_name[resource.name] = resource
    return by_type
