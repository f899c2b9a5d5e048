"""Claims: which routing rules serve which hosts of a sidecar's route table.

Everything is asked host by host, so that a change of a rule or of a service disturbs only the hosts that it has
to do with, however many others there are.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import LABELLED_HOSTS, MESH, MESH_HOSTS, VIRTUAL_SERVICE_HOSTS, VIRTUAL_SERVICES
from translator.model.export import is_exported
from translator.model.host import covers, is_wildcard
from translator.model.proxy import Labels
from translator.model.routing import routing_rule, ruled_patterns
from translator.model.routing_rule import RoutingRule
from translator.model.scope import ScopeKey, egress_scopes, imports_rule, rule_namespaces, scope_service
from translator.model.service import Service
from translator.objects.registry import ObjectKey
from translator.routes.context import RouteContext
from translator.routes.rule import has_routes

# Istio: rules for hosts that no service has are in force on this port alone.
UNREGISTERED_HOSTS_PORT = 80


class TableScope(msgspec.Struct, frozen=True, cache_hash=True):
    """The services of a table: those of one egress listener that have its port; port 0 means all ports."""

    scope: ScopeKey
    position: int
    port: int


class HostRule(NamedTuple):
    """A rule that names a host; sorted, the first one wins."""

    precedence: tuple[int, str, str, str]
    key: ObjectKey
    hosts: tuple[str, ...]


@query
def scope_ports(db: Database, scope: ScopeKey, position: int) -> dict[int, dict[str, Service]]:
    """The services of an egress listener by port and hostname, oldest first; under 0 all of them."""
    ports: dict[int, dict[str, Service]] = {0: {}}
    for each in db.paced(egress_scopes(db, scope)[position].services):
        ports[0][each.hostname] = each
        for port in each.ports:
            ports.setdefault(port.number, {})[each.hostname] = each
    return ports


@query
def table_services(db: Database, table: TableScope) -> dict[str, Service]:
    """The services of a table by hostname, oldest first. Who needs one of them reads ``table_service``."""
    return scope_ports(db, table.scope, table.position).get(table.port, {})


@query
def table_hosts(db: Database, table: TableScope) -> tuple[str, ...]:
    """Every host of which a table may have something to say: those of its services, on port 80 those of rules too."""
    hosts = dict.fromkeys(table_services(db, table))
    if table.port == UNREGISTERED_HOSTS_PORT:
        namespaces = rule_namespaces(db, table.scope, table.position)
        if namespaces is None:
            hosts.update(dict.fromkeys(db.members(VIRTUAL_SERVICE_HOSTS, MESH)))
        for namespace in namespaces or ():
            hosts.update(dict.fromkeys(db.members(MESH_HOSTS, namespace)))
    return tuple(hosts)


def table_service(db: Database, table: TableScope, hostname: str) -> Service | None:
    """The service of a table with this hostname; unlike ``table_services`` this depends on no other service.

    Reads through the caller's query.
    """
    found = scope_service(db, table.scope, table.position, hostname)
    return found if found and (not table.port or found.port(table.port)) else None


def service_rules(db: Database, table: TableScope, labels: Labels, hostname: str) -> tuple[HostRule, ...]:
    """The rules for a service: all that name it, else the first with the most specific pattern that covers it.

    Istio: a pattern counts only if no more specific host has a rule, be it one without routes for this table.
    Reads through the caller's query.
    """
    for pattern in ruled_patterns(db, hostname):
        rules = _imported_rules(db, table.scope, table.position, pattern)
        if rules:
            chosen = rules[:1] if is_wildcard(pattern) else rules
            return _with_routes(chosen, table, labels)
    return ()


@query
def naming_rules(db: Database, table: TableScope, labels: Labels, host: str) -> tuple[HostRule, ...]:
    """The rules with routes for a table that name exactly this host or pattern, in order of precedence."""
    return _with_routes(_imported_rules(db, table.scope, table.position, host), table, labels)


def is_plain(db: Database, table: TableScope, host: str) -> bool:
    """Whether a rule's host belongs to no service of the table."""
    if table_service(db, table, host) is not None:
        return False
    return not (is_wildcard(host) and _covers_any(db, table, host))


@query
def table_label_names(db: Database, table: TableScope) -> frozenset[str]:
    """The labels by which rules that may have routes in a table select proxies; rather one too many than too few."""
    return frozenset(label for host, label in db.members(LABELLED_HOSTS, "") if _may_concern(db, table, host))


def _may_concern(db: Database, table: TableScope, host: str) -> bool:
    return is_wildcard(host) or table.port == UNREGISTERED_HOSTS_PORT or table_service(db, table, host) is not None


@query
def _covers_any(db: Database, table: TableScope, pattern: str) -> bool:
    return any(covers(pattern, hostname) for hostname in table_services(db, table))


def _imported_rules(db: Database, scope: ScopeKey, position: int, host: str) -> list[RoutingRule]:
    """The rules that name exactly this host or pattern and are imported by the egress listener, in order."""
    rules = (routing_rule(db, key) for key in db.members(VIRTUAL_SERVICES, (MESH, host)))
    imported = [
        rule
        for rule in rules
        if rule is not None and is_exported(rule.export, scope.namespace) and imports_rule(db, scope, position, rule)
    ]
    return sorted(imported, key=lambda rule: rule.precedence(scope.namespace))


def _with_routes(rules: Iterable[RoutingRule], table: TableScope, labels: Labels) -> tuple[HostRule, ...]:
    context = RouteContext(namespace=table.scope.namespace, port=table.port, labels=labels)
    return tuple(
        HostRule(rule.precedence(table.scope.namespace), rule.key, rule.hosts)
        for rule in rules
        if has_routes(rule.http, context)
    )
