"""The route tables of gateways: what routing rules say about the hosts of the servers that share a table."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.gateway import GatewayServer, ServerHost, gateway_servers
from translator.model.host import covers, specificity
from translator.model.proxy import Labels, ViewKey
from translator.model.virtual_service import routing_rules
from translator.objects.registry import ObjectKey
from translator.reference import ResourceReference
from translator.routes.context import RouteContext
from translator.routes.domains import bracket
from translator.routes.rule import counts_attempts, narrow_context, rule_routes
from translator.routes.table import join_table
from translator.routes.virtual_host import EncodedRoutes, encode_head, encode_tail, join_routes
from xds.resource import Resource


class TableServer(msgspec.Struct, frozen=True):
    """What of a Gateway's server its routes depend on. ``number`` is the port as the Gateway says it."""

    gateway: str
    number: int
    hosts: tuple[ServerHost, ...]
    tls: bool = False
    redirects: bool = False

    def hosts_for(self, namespace: str) -> tuple[str, ...]:
        """The hosts that rules of a namespace may bind to."""
        return tuple(each.host for each in self.hosts if each.namespace in ("*", namespace))


class BoundRule(NamedTuple):
    """A rule that is bound to a gateway, and the hosts it names."""

    key: ObjectKey
    hosts: tuple[str, ...]


class GatewayHost(msgspec.Struct, frozen=True):
    """A host of a gateway's table with the routes of all rules for it."""

    host: str
    port: int
    routes: EncodedRoutes
    require_tls: bool = False


@query
def gateway_table(
    db: Database, namespace: str, labels: Labels, servers: tuple[TableServer, ...], name: str
) -> Resource | None:
    """The table that some servers share; ``namespace`` and ``labels`` are those of the gateway proxy."""
    collected = _Hosts()
    for server in servers:
        context = RouteContext(
            namespace=namespace, port=server.number, gateway=server.gateway, labels=labels, tls=server.tls
        )
        for rule in bound_rules(db, server.gateway, namespace):
            hosts = intersect(server.hosts_for(rule.key.namespace), rule.hosts)
            routes = rule_routes(db, narrow_context(db, context, rule.key), rule.key) if hosts else EncodedRoutes()
            if not routes.is_empty:
                collected.add(server, rule, hosts, routes)
        if server.redirects:
            collected.redirect(server)
    groups = collapse(collected.hosts())
    if not groups:
        return join_table(name, [encode_head(f"blackhole:{servers[0].number}", ("*",))], ())
    clusters = {cluster for each in groups for cluster in each[0].routes.clusters}
    attempt_count = counts_attempts(db)
    return join_table(name, [_encode(group, attempt_count=attempt_count) for group in groups], clusters)


@query
def bound_rules(db: Database, gateway: str, namespace: str) -> tuple[BoundRule, ...]:
    """The rules for a gateway in order of precedence, without what they say."""
    return tuple(BoundRule(rule.key, rule.hosts) for rule in routing_rules(db, gateway, namespace) if rule.http)


def gateway_tables(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """The tables of a gateway proxy. Reads through the caller's query."""
    tables: dict[str, list[TableServer]] = {}
    for listener in gateway_servers(db, view):
        for server in listener.servers:
            if server.route_name:
                tables.setdefault(server.route_name, []).append(_convert(server))
    return tuple(
        ResourceReference(name, gateway_table, (view.namespace, view.labels, tuple(servers), name))
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


def collapse(hosts: Iterable[GatewayHost]) -> list[tuple[GatewayHost, ...]]:
    """Put hosts with the same routes together, most specific first, in order of the names that result."""
    groups: dict[tuple[bytes, bool], list[GatewayHost]] = {}
    for each in hosts:
        groups.setdefault((each.routes.body, each.require_tls), []).append(each)
    ordered = (tuple(sorted(group, key=lambda each: specificity(each.host))) for group in groups.values())
    return sorted(ordered, key=lambda group: _name(group[0]))


class _Collected:
    """A host while servers and rules are gone through."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.require_tls = False
        # A rule counts once for a host, however many servers of its Gateway share the table.
        self.routes: dict[tuple[str, ObjectKey], EncodedRoutes] = {}


class _Hosts:
    """The hosts of a table, by what servers and rules agree on."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Collected] = {}

    def add(self, server: TableServer, rule: BoundRule, hosts: Iterable[str], routes: EncodedRoutes) -> None:
        for host in hosts:
            collected = self._hosts.setdefault(host, _Collected(server.number))
            collected.routes.setdefault((server.gateway, rule.key), routes)
            collected.require_tls = collected.require_tls or server.redirects

    def redirect(self, server: TableServer) -> None:
        """Istio: one server that redirects to https does so for a host, whatever plain servers it has besides."""
        for each in server.hosts:
            self._hosts.setdefault(each.host, _Collected(server.number)).require_tls = True

    def hosts(self) -> Iterator[GatewayHost]:
        for host, collected in self._hosts.items():
            yield GatewayHost(host, collected.port, join_routes(collected.routes.values()), collected.require_tls)


def _convert(server: GatewayServer) -> TableServer:
    return TableServer(
        gateway=server.gateway_name,
        number=server.number,
        hosts=server.hosts,
        tls=server.is_terminating,
        redirects=server.redirects_to_https,
    )


def _name(host: GatewayHost) -> str:
    return f"{bracket(host.host)}:{host.port}"


def _encode(group: tuple[GatewayHost, ...], *, attempt_count: bool) -> bytes:
    first = group[0]
    head = encode_head(_name(first), [bracket(each.host) for each in group])
    return head + first.routes.body + encode_tail(attempt_count=attempt_count, require_tls=first.require_tls)
