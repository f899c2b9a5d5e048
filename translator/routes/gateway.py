"""The route tables of gateways: what routing rules say about the hosts of the servers that share a table."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from translator.collection import Collection
from translator.database import Database
from translator.engine import query
from translator.indexes import VIRTUAL_SERVICES_OF_GATEWAY
from translator.model.export import is_exported
from translator.model.gateway import GatewayServer, ServerHost, gateway_servers
from translator.model.gateway_api.attachment import attached_rules
from translator.model.host import covers, specificity
from translator.model.proxy import Labels, ViewKey
from translator.model.routing import routing_rule
from translator.objects.registry import ObjectKey
from translator.reference import ResourceReference
from translator.routes.context import RouteContext
from translator.routes.domains import bracket
from translator.routes.rule import counts_attempts, narrow_context, rule_routes
from translator.routes.table import HostCollector, HostList, encode_host, join_table, list_hosts
from translator.routes.virtual_host import EncodedRoutes, encode_head, encode_tail, join_routes
from xds.resource import Resource

# The position of a server, and the precedence of a rule.
Rank = tuple[int, tuple[int, str, str, str]]


class TableServer(msgspec.Struct, frozen=True, cache_hash=True):
    """What of a Gateway's server its routes depend on. ``number`` is the port as the Gateway says it."""

    gateway: str
    number: int
    hosts: tuple[ServerHost, ...]
    tls: bool = False
    redirects: bool = False

    def hosts_for(self, namespace: str) -> tuple[str, ...]:
        """The hosts that rules of a namespace may bind to."""
        return tuple(each.host for each in self.hosts if each.namespace in ("*", namespace))


class GatewayKey(msgspec.Struct, frozen=True, cache_hash=True):
    """What a table of a gateway depends on: the proxy's namespace and labels, and the servers that share the table.

    ``attempt_count`` says whether upstreams are told which attempt a request is. ``http3_port`` is where clients can
    have the same over HTTP/3; 0 for nowhere.
    """

    namespace: str
    labels: Labels
    servers: tuple[TableServer, ...]
    attempt_count: bool = True
    http3_port: int = 0


class Share(NamedTuple):
    """What a rule has to say about a host of a table; shares are joined in the order of ``rank``."""

    host: str
    rank: Rank
    routes: EncodedRoutes
    require_tls: bool


@query
def gateway_table(db: Database, key: GatewayKey, name: str) -> Resource | None:
    """The table that some servers share."""
    hosts = ruled_hosts(db, key)
    if not hosts.records:
        hosts = list_hosts([encode_head(f"blackhole:{key.servers[0].number}", ("*",))], ())
    return join_table(name, hosts, http3_port=key.http3_port, breathe=db.breathe)


@query
def bound_rules(db: Database, key: GatewayKey) -> tuple[ObjectKey, ...]:
    """The rules that are bound to the Gateway of a server, or to the listener of one of the Gateway API."""
    gateways = sorted({server.gateway for server in key.servers})
    bound = [
        rules
        for name in gateways
        for rules in (db.members(VIRTUAL_SERVICES_OF_GATEWAY, name), attached_rules(db, name))
        if rules
    ]
    return bound[0] if len(bound) == 1 else tuple(dict.fromkeys(chain.from_iterable(bound)))


@query
def rule_shares(db: Database, bound: ObjectKey, key: GatewayKey) -> tuple[Share, ...]:
    """What one rule has to say about the hosts of a table. It counts once for a host of a Gateway."""
    rule = routing_rule(db, bound)
    if rule is None or not rule.http or not is_exported(rule.export, key.namespace):
        return ()
    shares: dict[tuple[str, str], Share] = {}
    for position, server in enumerate(key.servers):
        hosts = intersect(server.hosts_for(rule.key.namespace), rule.hosts) if server.gateway in rule.gateways else ()
        context = RouteContext(
            namespace=key.namespace, port=server.number, gateway=server.gateway, labels=key.labels, tls=server.tls
        )
        routes = rule_routes(db, narrow_context(db, context, rule.key), rule.key) if hosts else EncodedRoutes()
        for host in () if routes.is_empty else hosts:
            known = shares.get((server.gateway, host))
            if known is None:
                known = Share(host, (position, rule.precedence(key.namespace)), routes, server.redirects)
            shares[server.gateway, host] = known._replace(require_tls=known.require_tls or server.redirects)
    return tuple(shares.values())


def gateway_tables(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """The tables of a gateway proxy. Reads through the caller's query."""
    tables: dict[str, list[TableServer]] = {}
    http3_ports: dict[str, int] = {}
    for listener in gateway_servers(db, view):
        for server in listener.servers:
            if server.route_name:
                tables.setdefault(server.route_name, []).append(_convert(server))
            if listener.quic_port and server.speaks_http3:
                http3_ports[server.route_name] = server.number
    attempts = counts_attempts(db)
    return tuple(
        ResourceReference(
            name,
            gateway_table,
            (GatewayKey(view.namespace, view.labels, tuple(servers), attempts, http3_ports.get(name, 0)), name),
        )
        for name, servers in tables.items()
    )


def intersect(server_hosts: Iterable[str], rule_hosts: Iterable[str]) -> tuple[str, ...]:
    """The hosts that belong to a server and to a rule: of each overlapping pair the more specific one."""
    known = tuple(rule_hosts)
    found: dict[str, None] = {}
    for server_host in server_hosts:
        for rule_host in known:
            if covers(server_host, rule_host):
                found[rule_host] = None
            elif covers(rule_host, server_host):
                found[server_host] = None
    return tuple(found)


class GatewayHosts:
    """The virtual hosts of a table, by what its rules say. See ``Collector``.

    Hosts with the same routes become one virtual host, which is called like the most specific of them.
    """

    def __init__(self, key: GatewayKey) -> None:
        self._tails = {tls: encode_tail(attempt_count=key.attempt_count, require_tls=tls) for tls in (False, True)}
        self._numbers = [server.number for server in key.servers]
        # Istio: one server that redirects to https does so for a host, whatever plain servers it has besides.
        self._redirected: dict[str, int] = {}
        for position, server in enumerate(key.servers):
            for each in server.hosts if server.redirects else ():
                self._redirected.setdefault(each.host, position)
        self._shares: dict[ObjectKey, tuple[Share, ...]] = {}
        self._by_host: dict[str, dict[Rank, Share]] = {host: {} for host in self._redirected}
        self._group_of: dict[str, _Group] = {}
        self._groups: dict[_Group, dict[str, None]] = {}
        self._names: dict[_Group, str] = {}
        self._dirty: dict[str, None] = dict.fromkeys(self._redirected)
        self._hosts = HostCollector()

    def put(self, key: ObjectKey, value: tuple[Share, ...]) -> None:
        """Take in what a rule says."""
        self._forget(self._shares.get(key, ()))
        self._shares[key] = value
        for share in value:
            self._by_host.setdefault(share.host, {})[share.rank] = share
            self._dirty[share.host] = None

    def drop(self, key: ObjectKey) -> None:
        """Forget a rule."""
        self._forget(self._shares.pop(key))

    def work(self) -> Iterator[None]:
        """Put the hosts into groups again, and encode those that are different."""
        groups: dict[_Group, None] = {}
        for host in self._dirty:
            groups.update(dict.fromkeys(self._regroup(host)))
            yield
        self._dirty.clear()
        for group in groups:
            # All names first: one group may take over the name of another.
            self._hosts.drop(self._names.pop(group, ""))
            yield
        for group in groups:
            if group in self._groups:
                self._write(group)
            yield
        yield from self._hosts.order()

    def result(self) -> HostList:
        """The virtual hosts in order of their names."""
        return self._hosts.hosts()

    def _forget(self, shares: Iterable[Share]) -> None:
        for share in shares:
            del self._by_host[share.host][share.rank]
            self._dirty[share.host] = None

    def _regroup(self, host: str) -> Iterator["_Group"]:
        """Put a host into the group that it belongs to now; both groups that are different then."""
        before = self._group_of.pop(host, None)
        if before is not None:
            del self._groups[before][host]
            if not self._groups[before]:
                del self._groups[before]
            yield before
        group = self._find_group(host)
        if group is not None:
            self._group_of[host] = group
            self._groups.setdefault(group, {})[host] = None
            yield group

    def _find_group(self, host: str) -> "_Group | None":
        shares = self._by_host[host]
        if not shares and host not in self._redirected:
            del self._by_host[host]
            return None
        ordered = [shares[rank] for rank in sorted(shares)]
        redirects = host in self._redirected or any(share.require_tls for share in ordered)
        return _Group(join_routes(share.routes for share in ordered), redirects)

    def _write(self, group: "_Group") -> None:
        hosts = sorted(self._groups[group], key=specificity)
        positions = [rank[0] for rank in self._by_host[hosts[0]]]
        first = min(position for position in (*positions, self._redirected.get(hosts[0])) if position is not None)
        name = self._names[group] = f"{bracket(hosts[0])}:{self._numbers[first]}"
        record = encode_host(name, map(bracket, hosts), group.routes, self._tails[group.require_tls])
        self._hosts.put(name, record, group.routes.clusters)


class _Group(NamedTuple):
    """What hosts have to share to be one virtual host."""

    routes: EncodedRoutes
    require_tls: bool


ruled_hosts = Collection(bound_rules, rule_shares, GatewayHosts)
"""The virtual hosts of a gateway's table."""


def _convert(server: GatewayServer) -> TableServer:
    return TableServer(
        gateway=server.gateway_name,
        number=server.number,
        hosts=server.hosts,
        tls=server.is_terminating,
        redirects=server.redirects_to_https,
    )
