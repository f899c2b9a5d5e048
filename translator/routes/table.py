"""Route tables (RouteConfigurations): encoded virtual hosts joined into a resource."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import NamedTuple

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_pb2

from translator import pb
from translator.pages import Pages, Snapshot
from translator.routes.virtual_host import EncodedRoutes, encode_head
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ROUTE

_VIRTUAL_HOSTS = route_pb2.RouteConfiguration.VIRTUAL_HOSTS_FIELD_NUMBER
# As much as validation lets a direct response have; Envoy's own limit is 4 KiB.
_LARGEST_BODY = 1 << 20
# So many virtual hosts are written between two looks at whether the turn is over.
_AT_ONCE = 256
# For how many seconds clients may remember it.
_ALTERNATIVE_LIFETIME = 86_400


class HostList(NamedTuple):
    """The virtual hosts of a table as encoded records in order, and the clusters that they send to, sorted."""

    records: tuple[bytes, ...]
    references: tuple[Reference, ...]

    def followed_by(self, virtual_host: bytes, clusters: Iterable[str]) -> "HostList":
        """The list with one more virtual host at its end."""
        known = list(self.references)
        for reference in (Reference(CLUSTER, cluster) for cluster in clusters):
            position = bisect_left(known, reference)
            if known[position : position + 1] != [reference]:
                known.insert(position, reference)
        return HostList((*self.records, encode_record(virtual_host)), tuple(known))


def list_hosts(virtual_hosts: Iterable[bytes], clusters: Iterable[str]) -> HostList:
    """The list of encoded virtual hosts."""
    records = tuple(map(encode_record, virtual_hosts))
    return HostList(records, tuple(Reference(CLUSTER, cluster) for cluster in sorted(set(clusters))))


class HostBlock(NamedTuple):
    """Virtual hosts to be joined with others: their names, in order, and by name the clusters that each sends to.

    ``users`` tells how many of them send to a cluster. As long as only routes change, it is the same ``names``.
    """

    names: tuple[str, ...]
    hosts: HostList
    clusters: Snapshot[tuple[str, ...]]
    users: Snapshot[int]


class HostCollector:
    """A list of virtual hosts in order of their names, of which some are replaced from time to time."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._clusters: Pages[tuple[str, ...]] = Pages()
        self._users: Pages[int] = Pages()
        # Sorted, once they have been asked for; from then on kept so.
        self._names: list[str] | None = None
        self._ordered: list[bytes] = []
        self._references: list[Reference] = []
        # What was told last of these, if it is still true.
        self._told_names: tuple[str, ...] | None = None
        self._told_references: tuple[Reference, ...] | None = None

    def put(self, name: str, record: bytes, clusters: tuple[str, ...]) -> None:
        """Add the record of a virtual host, or replace the one of this name."""
        if self._names is not None:
            position = bisect_left(self._names, name)
            if name in self._records:
                self._ordered[position] = record
            else:
                self._names.insert(position, name)
                self._ordered.insert(position, record)
                self._told_names = None
        self._records[name] = record
        before = self._clusters.get(name) or ()
        if before != clusters:
            self._clusters.put(name, clusters)
            self._count(clusters, 1)
            self._count(before, -1)

    def drop(self, name: str) -> None:
        """Remove a virtual host, if it is there."""
        if self._records.pop(name, None) is None:
            return
        if self._names is not None:
            position = bisect_left(self._names, name)
            del self._names[position]
            del self._ordered[position]
            self._told_names = None
        clusters = self._clusters.get(name)
        if clusters:
            self._clusters.drop(name)
            self._count(clusters, -1)

    def order(self) -> Iterator[None]:
        """Do the long part of the first ``hosts``, in steps between which nothing is put or dropped."""
        if self._names is not None:
            return
        names = sorted(self._records)
        yield
        ordered = [self._records[name] for name in names]
        yield
        references: list[Reference] = []
        for cluster in sorted(self._users):
            yield
            references.append(Reference(CLUSTER, cluster))
        self._names, self._ordered, self._references = names, ordered, references

    def hosts(self) -> HostList:
        """What there is now."""
        for _ in self.order():
            pass
        if self._told_references is None:
            self._told_references = tuple(self._references)
        return HostList(tuple(self._ordered), self._told_references)

    def block(self) -> HostBlock:
        """What there is now, to be joined with others."""
        hosts = self.hosts()
        if self._told_names is None:
            self._told_names = tuple(self._names or ())
        return HostBlock(self._told_names, hosts, self._clusters.snapshot(), self._users.snapshot())

    def _count(self, clusters: Iterable[str], change: int) -> None:
        for cluster in clusters:
            count = (self._users.get(cluster) or 0) + change
            if count:
                self._users.put(cluster, count)
            else:
                self._users.drop(cluster)
            if self._names is not None and count in (0, change):
                position = bisect_left(self._references, Reference(CLUSTER, cluster))
                found = [Reference(CLUSTER, cluster)] if count else []
                self._references[position : position + (count == 0)] = found
                self._told_references = None


def join_table(
    name: str,
    hosts: HostList,
    *,
    ignore_port: bool = True,
    http3_port: int = 0,
    breathe: Callable[[], object] = bool,
) -> Resource:
    """The table of some virtual hosts; clients are told of a port at which they can have the same over HTTP/3.

    Clusters are not validated: a route to one that does not exist yet has to cost that route alone.
    ``ignore_port``: domains have no ports, and a port in the request's authority is not compared. ``breathe`` is called
    on the way: they may be megabytes.
    """
    head = pb.encode(route_pb2.RouteConfiguration(name=name))
    tail = route_pb2.RouteConfiguration(
        validate_clusters=pb.boolean(False),  # noqa: FBT003 - a protobuf wrapper
        max_direct_response_body_size_bytes=pb.uint32(_LARGEST_BODY),
        ignore_port_in_host_matching=ignore_port,
    )
    if http3_port:
        tail.response_headers_to_add.add().header.MergeFrom(
            base_pb2.HeaderValue(key="alt-svc", value=f'h3=":{http3_port}"; ma={_ALTERNATIVE_LIFETIME}')
        )
    table = BytesIO()
    table.write(head)
    for first in range(0, len(hosts.records), _AT_ONCE):
        table.writelines(hosts.records[first : first + _AT_ONCE])
        breathe()
    table.write(pb.encode(tail))
    # Without another copy: the value is what was written to.
    return Resource(ROUTE, name, table.getvalue(), hosts.references)


def encode_host(name: str, domains: Iterable[str], routes: EncodedRoutes, tail: bytes) -> bytes:
    """A virtual host as a record of its table; ``tail`` is what stands after its routes."""
    return encode_record(encode_head(name, domains) + routes.body + tail)


def encode_record(virtual_host: bytes) -> bytes:
    """An encoded virtual host as a record of its table."""
    return pb.repeated(_VIRTUAL_HOSTS, (virtual_host,))


def empty_table(name: str) -> Resource:
    """The table for a name that means nothing (any more).

    Envoy goes on asking for the routes of a listener that drains, and one that warms waits for an answer.
    """
    table = route_pb2.RouteConfiguration(name=name, validate_clusters=pb.boolean(False))  # noqa: FBT003 - a wrapper
    return Resource(ROUTE, name, pb.encode(table))
