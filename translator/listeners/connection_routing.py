"""Routing of connections by VirtualService: where the bytes of a TCP or TLS connection go.

Requests are routed by route tables, which change without the listener; connections are routed by the filter
chains of the listener itself.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from translator.clusters.stat_name import format_stat_name
from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, VIRTUAL_SERVICE_HOSTS, VIRTUAL_SERVICES, VIRTUAL_SERVICES_OF_GATEWAY
from translator.listeners.chain_match import chain_match
from translator.listeners.settings import listener_settings
from translator.model.destination_rule import DestinationPolicy, effective_policy, policy_labels
from translator.model.export import is_exported
from translator.model.host import is_wildcard, overlaps
from translator.model.proxy import Labels
from translator.model.routing import routing_rule, ruled_patterns
from translator.model.routing_rule import RoutingRule
from translator.model.service import Resolution, Service, visible_service
from translator.model.workload import has_labels
from translator.names import outbound_cluster
from translator.network_filters.tcp_proxy import TCPProxyInputs, WeightedCluster
from translator.objects.destination_rule import LoadBalancerSettings, TCPSettings, TrafficPolicy
from translator.objects.registry import ObjectKey
from translator.objects.virtual_service import Destination, L4MatchAttributes, RouteDestination, TLSMatchAttributes


class Caller(msgspec.Struct, frozen=True):
    """For whom connections are routed; ``gateway`` is ``mesh`` for a sidecar, else a qualified gateway name."""

    namespace: str
    labels: Labels = ()
    gateway: str = MESH


class ConnectionRoute(msgspec.Struct, frozen=True, kw_only=True):
    """Which connections go where. ``rule`` is the VirtualService that says so."""

    server_names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    destinations: tuple[RouteDestination, ...]
    rule: ObjectKey
    own_subnets: bool = False


@query
def connection_rules(db: Database, namespace: str, hostname: str) -> tuple[RoutingRule, ...]:
    """The rules for sidecars that say something about connections to a host, in order of precedence.

    Their HTTP parts are left out: they are none of a listener's business.
    """
    if is_wildcard(hostname):
        patterns: Iterable[str] = (host for host in db.members(VIRTUAL_SERVICE_HOSTS, MESH) if overlaps(host, hostname))
    else:
        patterns = ruled_patterns(db, hostname)
    keys = {key: None for pattern in patterns for key in db.members(VIRTUAL_SERVICES, (MESH, pattern))}
    rules = (rule for key in keys if (rule := _connection_rule(db, key)) is not None)
    visible = (rule for rule in rules if is_exported(rule.export, namespace))
    return tuple(sorted(visible, key=lambda rule: rule.precedence(namespace)))


@query
def connection_rules_of_gateway(db: Database, gateway: str, namespace: str) -> tuple[RoutingRule, ...]:
    """The rules bound to a gateway that say something about connections, in order of precedence."""
    keys = db.members(VIRTUAL_SERVICES_OF_GATEWAY, gateway)
    rules = (rule for key in keys if (rule := _connection_rule(db, key)) is not None)
    visible = (rule for rule in rules if is_exported(rule.export, namespace))
    return tuple(sorted(visible, key=lambda rule: rule.precedence(namespace)))


@query
def _connection_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
    rule = routing_rule(db, key)
    return msgspec.structs.replace(rule, http=()) if rule is not None and (rule.tls or rule.tcp) else None


def matches_caller(match: L4MatchAttributes | TLSMatchAttributes, caller: Caller, port: int) -> bool:
    """Whether the conditions that do not depend on a single connection hold."""
    return (
        (not match.gateways or caller.gateway in match.gateways)
        and match.port in (0, port)
        and match.source_namespace in ("", caller.namespace)
        and has_labels(dict(caller.labels), match.source_labels)
    )


def select_tls_routes(
    rules: Iterable[RoutingRule], caller: Caller, port: int, prefixes: tuple[str, ...] = ()
) -> Iterator[ConnectionRoute]:
    """The routes for TLS connections to a host whose own networks are ``prefixes``; the first of equal ones wins."""
    seen = set()
    for rule in rules:
        for block in rule.tls:
            for match in block.match if block.route else ():
                if not matches_caller(match, caller, port):
                    continue
                networks = match.destination_subnets if port else ()
                condition = chain_match(server_names=match.sni_hosts, prefixes=networks or prefixes)
                if condition not in seen:
                    seen.add(condition)
                    yield ConnectionRoute(
                        server_names=condition.server_names,
                        prefixes=condition.prefixes,
                        destinations=block.route,
                        rule=rule.key,
                        own_subnets=bool(networks),
                    )


def select_tcp_routes(
    rules: Iterable[RoutingRule], caller: Caller, port: int, prefixes: tuple[str, ...] = ()
) -> tuple[ConnectionRoute, ...]:
    """The routes for TCP connections to a host, up to the first that takes everything."""
    found: list[ConnectionRoute] = []
    for rule in rules:
        for block in rule.tcp:
            if not block.route:
                continue
            matching = [match for match in block.match if matches_caller(match, caller, port)]
            if not block.match or any(not match.destination_subnets or not port for match in matching):
                return (*found, ConnectionRoute(prefixes=prefixes, destinations=block.route, rule=rule.key))
            subnets = tuple(subnet for match in matching for subnet in match.destination_subnets)
            if subnets:
                found.append(
                    ConnectionRoute(prefixes=subnets, destinations=block.route, rule=rule.key, own_subnets=True)
                )
    return tuple(found)


def select_gateway_route(rule: RoutingRule, caller: Caller, port: int) -> tuple[RouteDestination, ...] | None:
    """Where a rule sends the connections of a gateway's server; None if it says nothing about them.

    Istio: a gateway asks a match for its port and its gateways only.
    """
    for block in rule.tcp:
        if block.route and (not block.match or any(_concerns_server(match, caller, port) for match in block.match)):
            return block.route
    return None


def _concerns_server(match: L4MatchAttributes, caller: Caller, port: int) -> bool:
    return match.port in (0, port) and (not match.gateways or caller.gateway in match.gateways)


def select_proxy(
    db: Database, caller: Caller, destinations: tuple[RouteDestination, ...], port: int, rule: ObjectKey | None
) -> TCPProxyInputs:
    """The TCP proxy for the destinations of a rule; ``port`` is the one that the client dialled.

    Istio: the DestinationRule of the first destination sets the limits of the connection.
    """
    present = [each for each in destinations if each.weight] if len(destinations) > 1 else destinations
    targets = [_resolve(db, caller, each.destination, port) for each in present]
    clusters = tuple(
        WeightedCluster(target.cluster, each.weight) for target, each in zip(targets, present, strict=True)
    )
    if len(destinations) > 1 and rule is not None:
        prefix, subset = f"{rule.name}.{rule.namespace}", ""
    else:
        prefix, subset = targets[0].stat_name(listener_settings(db).outbound_stat_name), targets[0].subset
    first = targets[0] if present[0] is destinations[0] else _resolve(db, caller, destinations[0].destination, port)
    inputs = TCPProxyInputs(stat_prefix=prefix, clusters=clusters)
    return _limit(inputs, _policy(db, caller, first.service), subset)


class _Target(NamedTuple):
    """What a destination means: the service, if there is one, and the port of it."""

    host: str
    port: int
    subset: str
    service: Service | None

    @property
    def cluster(self) -> str:
        return outbound_cluster(self.port, self.subset, self.host)

    def stat_name(self, pattern: str) -> str:
        """The name to count under: the cluster's, unless the mesh has a pattern for it."""
        known = self.service.port(self.port) if self.service else None
        if self.service is None or known is None:
            return self.cluster
        return format_stat_name(pattern, self.service, known, subset=self.subset) or self.cluster


def _resolve(db: Database, caller: Caller, destination: Destination, port: int) -> _Target:
    """Istio: the port of the destination, else the only one of its service, else the one that the client dialled.

    The alias of a host means the host.
    """
    named = visible_service(db, caller.namespace, destination.host)
    number = destination.port.number if destination.port else 0
    if not number:
        number = named.ports[0].number if named is not None and len(named.ports) == 1 else port
    host, found, passed = destination.host, named, set[str]()
    while found is not None and found.resolution is Resolution.ALIAS and host not in passed:
        passed.add(host)
        host = found.external_name
        found = visible_service(db, caller.namespace, host)
    return _Target(host, number, destination.subset, found)


def _policy(db: Database, caller: Caller, service: Service | None) -> DestinationPolicy | None:
    if service is None:
        return None
    labels = policy_labels(db, caller.namespace, caller.labels, service.hostname)
    return effective_policy(db, caller.namespace, labels, service.namespace, service.hostname)


def _limit(inputs: TCPProxyInputs, policy: DestinationPolicy | None, subset: str) -> TCPProxyInputs:
    """Istio: limits are those of the whole host; a subset brings its own load balancer and its own tunnel."""
    if policy is None:
        return inputs
    general = policy.traffic_policy or TrafficPolicy()
    chosen = policy.subset(subset) if subset else None
    special = (chosen.traffic_policy if chosen else None) or TrafficPolicy()
    tcp = (general.connection_pool.tcp if general.connection_pool else None) or TCPSettings()
    return msgspec.structs.replace(
        inputs,
        idle_timeout=tcp.idle_timeout,
        max_duration=tcp.max_connection_duration,
        hashes_source_ip=_hashes_source_ip(special.load_balancer or general.load_balancer),
        tunnel=special.tunnel if subset else general.tunnel,
    )


def _hashes_source_ip(balancer: LoadBalancerSettings | None) -> bool:
    return bool(balancer and balancer.consistent_hash and balancer.consistent_hash.use_source_ip)
