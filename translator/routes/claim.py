"""Claims: which routing rules serve which hosts of a sidecar's route table.

Rules are looked up by host, so that a change of one disturbs only the tables that hold a host of it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, VIRTUAL_SERVICE_HOSTS, VIRTUAL_SERVICES
from translator.model.export import is_exported
from translator.model.host import covering_patterns, covers, is_wildcard
from translator.model.proxy import Labels
from translator.model.scope import ScopeKey, egress_scopes, imports_rule
from translator.model.service import Service
from translator.model.virtual_service import RoutingRule, routing_rule
from translator.objects.registry import ObjectKey
from translator.routes.context import RouteContext
from translator.routes.rule import has_routes, rule_label_names

# Istio: rules for hosts that no service has are in force on this port alone.
UNREGISTERED_HOSTS_PORT = 80


class TableScope(msgspec.Struct, frozen=True):
    """The services of a table: those of one egress listener that have its port; port 0 means all ports."""

    scope: ScopeKey
    position: int
    port: int


class HostRule(NamedTuple):
    """A rule that names a host; sorted, the first one wins."""

    precedence: tuple[int, str, str, str]
    key: ObjectKey
    hosts: tuple[str, ...]


class Claim(NamedTuple):
    """A rule with all that it serves in a table: services by hostname, and hosts that no service has."""

    rule: ObjectKey
    services: tuple[str, ...]
    plain_hosts: tuple[str, ...]


class _RuledHosts(NamedTuple):
    services: tuple[str, ...]
    plain_hosts: tuple[str, ...]


@query
def scope_ports(db: Database, scope: ScopeKey, position: int) -> dict[int, dict[str, Service]]:
    """The services of an egress listener by port and hostname, oldest first; under 0 all of them."""
    ports: dict[int, dict[str, Service]] = {0: {}}
    for each in egress_scopes(db, scope)[position].services:
        ports[0][each.hostname] = each
        for port in each.ports:
            ports.setdefault(port.number, {})[each.hostname] = each
    return ports


@query
def table_services(db: Database, table: TableScope) -> dict[str, Service]:
    """The services of a table by hostname, oldest first."""
    return scope_ports(db, table.scope, table.position).get(table.port, {})


@query
def table_claims(db: Database, table: TableScope, labels: Labels) -> tuple[Claim, ...]:
    """The rules that have routes in a table, in order of precedence."""
    services = table_services(db, table)
    ruled = _ruled_hosts(db, table)
    rules: dict[HostRule, list[str]] = {}
    for hostname in ruled.services:
        for rule in service_rules(db, table, labels, hostname):
            rules.setdefault(rule, []).append(hostname)
    for host in ruled.plain_hosts:
        for rule in _naming_rules(db, table, labels, host):
            rules.setdefault(rule, [])
    return tuple(
        Claim(rule.key, tuple(rules[rule]), tuple(_plain_hosts(rule.hosts, services))) for rule in sorted(rules)
    )


@query
def service_rules(db: Database, table: TableScope, labels: Labels, hostname: str) -> tuple[HostRule, ...]:
    """The rules for a service: all that name it, else the first with the most specific pattern that covers it.

    Istio: a pattern counts only if no more specific host has a rule, be it one without routes for this table.
    """
    for pattern in covering_patterns(hostname):
        if not db.members(VIRTUAL_SERVICES, (MESH, pattern)):
            continue
        rules = _imported_rules(db, table.scope, table.position, pattern)
        if rules:
            chosen = rules[:1] if is_wildcard(pattern) else rules
            return _with_routes(chosen, table, labels)
    return ()


@query
def table_label_names(db: Database, table: TableScope) -> frozenset[str]:
    """The labels by which rules that may have routes in a table select proxies."""
    ruled = _ruled_hosts(db, table)
    patterns = {pattern for host in ruled.services for pattern in covering_patterns(host)}
    names: set[str] = set()
    for pattern in sorted(patterns.union(ruled.plain_hosts)):
        for key in db.members(VIRTUAL_SERVICES, (MESH, pattern)):
            names |= rule_label_names(db, key)
    return frozenset(names)


@query
def _ruled_hosts(db: Database, table: TableScope) -> _RuledHosts:
    """The services of a table that some rule names or covers, and hosts of rules that no service of it has."""
    services = table_services(db, table)
    hosts = db.members(VIRTUAL_SERVICE_HOSTS, MESH)
    ruled = {host for host in hosts if host in services}
    for pattern in hosts:
        if is_wildcard(pattern):
            ruled.update(hostname for hostname in services if covers(pattern, hostname))
    plain = _plain_hosts(hosts, services) if table.port == UNREGISTERED_HOSTS_PORT else ()
    return _RuledHosts(tuple(sorted(ruled)), tuple(plain))


def _plain_hosts(hosts: Iterable[str], services: Mapping[str, Service]) -> Iterable[str]:
    return (host for host in hosts if host not in services and not _covers_any(host, services))


def _covers_any(pattern: str, services: Iterable[str]) -> bool:
    return is_wildcard(pattern) and any(covers(pattern, hostname) for hostname in services)


@query
def _naming_rules(db: Database, table: TableScope, labels: Labels, host: str) -> tuple[HostRule, ...]:
    """The rules with routes for a table that name exactly this host or pattern."""
    return _with_routes(_imported_rules(db, table.scope, table.position, host), table, labels)


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
