"""Scopes: which services the proxies of a namespace may reach, listener by listener.

The scope of a sidecar comes from the Sidecar object that applies to it; without one, everything that is exported
to its namespace is in scope. Gateways see everything that is exported to theirs.
"""

from collections.abc import Iterable, Iterator

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, SERVICE_NAMESPACES, SIDECARS
from translator.model.allocation import allocated_addresses
from translator.model.cluster import home_cluster
from translator.model.export import is_exported
from translator.model.host import covers, normalize_host, overlaps
from translator.model.protocol import Protocol, parse_protocol
from translator.model.proxy import Labels, Role, ViewKey
from translator.model.routing import routing_rules
from translator.model.routing_rule import RoutingRule
from translator.model.service import (
    Service,
    cluster_addresses,
    host_services,
    namespace_services,
    oldest_first,
    prefer_services,
    visible_service,
)
from translator.model.workload import has_labels
from translator.objects.registry import PRIMARY, ObjectKey
from translator.objects.sidecar import CaptureMode, EgressListener, OutboundTrafficMode, OutboundTrafficPolicy, Sidecar
from translator.objects.virtual_service import Destination


class ScopeKey(msgspec.Struct, frozen=True, cache_hash=True):
    """What a scope depends on: the proxy's namespace and the Sidecar that applies to it, if any.

    ``answers_dns``: workloads are told of the addresses that are allocated to services without any. ``cluster``:
    whose virtual IPs are dialled.
    """

    namespace: str
    sidecar: ObjectKey | None = None
    answers_dns: bool = False
    cluster: str = PRIMARY


class EgressScope(msgspec.Struct, frozen=True, kw_only=True):
    """One egress listener of a scope. ``port`` 0 is the catch-all; ``services`` are ordered oldest first."""

    port: int = 0
    port_name: str = ""
    protocol: Protocol = Protocol.AUTO
    bind: str = ""
    capture_mode: CaptureMode = CaptureMode.DEFAULT
    services: tuple[Service, ...] = ()


class TrafficPolicy(msgspec.Struct, frozen=True):
    """What becomes of traffic to unknown hosts."""

    mode: OutboundTrafficMode
    egress_proxy: Destination | None = None


def scope_key(db: Database, view: ViewKey) -> ScopeKey:
    """The scope of the proxies of a View; Views with different labels share it unless a Sidecar selects them."""
    cluster = home_cluster(db, view.cluster_id)
    if view.role is Role.GATEWAY:
        return ScopeKey(view.namespace, cluster=cluster)
    return ScopeKey(view.namespace, _applicable_sidecar(db, view.namespace, view.labels), view.answers_dns, cluster)


@query
def _applicable_sidecar(db: Database, namespace: str, labels: Labels) -> ObjectKey | None:
    """Istio: the oldest of the namespace that selects the workload, else the oldest there without selector.

    Else the oldest without selector of the root namespace. They are never merged.
    """
    root = db.settings.mesh.root_namespace
    for owner, selecting in ((namespace, True), (namespace, False), (root, False)):
        found = [
            (source.metadata.creation_timestamp, key)
            for key in db.members(SIDECARS, owner)
            if isinstance(source := db.row(key), Sidecar)
            and (source.spec.workload_selector is not None) is selecting
            and (not selecting or _selects(source, labels))
        ]
        if found:
            return min(found)[1]
    return None


def _selects(source: Sidecar, labels: Labels) -> bool:
    selector = source.spec.workload_selector
    return selector is not None and has_labels(dict(labels), selector.labels)


@query
def exported_services(db: Database, namespace: str) -> tuple[Service, ...]:
    """Every service that clients of a namespace may see, one per hostname, oldest first."""
    everything = (
        each
        for owner in db.members(SERVICE_NAMESPACES, "")
        for each in db.paced(namespace_services(db, owner))
        if is_exported(each.export, namespace)
    )
    return oldest_first(db, prefer_services(everything, namespace).values())


@query
def egress_scopes(db: Database, key: ScopeKey) -> tuple[EgressScope, ...]:
    """The egress listeners of a scope in order; the catch-all, if there is one, is last."""
    source = db.row(key.sidecar) if key.sidecar else None
    if not isinstance(source, Sidecar) or not source.spec.egress:
        scopes: tuple[EgressScope, ...] = (EgressScope(services=exported_services(db, key.namespace)),)
    else:
        scopes = tuple(_egress_scope(db, key.namespace, listener) for listener in source.spec.egress)
    if key.cluster:
        scopes = tuple(_with_own_addresses(db, scope, key.cluster) for scope in scopes)
    return tuple(_with_allocated_addresses(db, scope) for scope in scopes) if key.answers_dns else scopes


@query
def egress_rules(db: Database, key: ScopeKey, position: int) -> tuple[RoutingRule, ...]:
    """The routing rules for sidecars that one egress listener imports, in order of precedence."""
    rules = routing_rules(db, MESH, key.namespace)
    source = db.row(key.sidecar) if key.sidecar else None
    if not isinstance(source, Sidecar) or not source.spec.egress:
        return rules
    patterns = _HostPatterns.parse(source.spec.egress[position].hosts, key.namespace)
    return tuple(rule for rule in rules if patterns.imports_rule(rule))


def imports_rule(db: Database, key: ScopeKey, position: int, rule: RoutingRule) -> bool:
    """Whether one egress listener imports a rule; unlike ``egress_rules`` this reads no other rules."""
    source = db.row(key.sidecar) if key.sidecar else None
    if not isinstance(source, Sidecar) or not source.spec.egress:
        return True
    return _HostPatterns.parse(source.spec.egress[position].hosts, key.namespace).imports_rule(rule)


def scope_service(db: Database, key: ScopeKey, position: int, hostname: str) -> Service | None:
    """The service that a hostname means to one egress listener, with all its ports; this reads no other services.

    Reads through the caller's query.
    """
    if key.sidecar is None:
        found = visible_service(db, key.namespace, hostname)
    else:
        found = _imported_service(db, key.namespace, key.sidecar, position, hostname)
    return _in_cluster(db, found, key.cluster) if found and key.cluster else found


@query
def _imported_service(db: Database, namespace: str, sidecar: ObjectKey, position: int, hostname: str) -> Service | None:
    source = db.row(sidecar)
    if not isinstance(source, Sidecar) or not source.spec.egress:
        return visible_service(db, namespace, hostname)
    patterns = _HostPatterns.parse(source.spec.egress[position].hosts, namespace)
    candidates = host_services(db, hostname)
    seen = (each for each in candidates if patterns.imports(each) and is_exported(each.export, namespace))
    return prefer_services(seen, namespace).get(hostname)


def rule_namespaces(db: Database, key: ScopeKey, position: int) -> tuple[str, ...] | None:
    """The namespaces from which one egress listener imports routing rules; None for all."""
    source = db.row(key.sidecar) if key.sidecar else None
    if not isinstance(source, Sidecar) or not source.spec.egress:
        return None
    owners = {owner for owner, _ in _HostPatterns.parse(source.spec.egress[position].hosts, key.namespace).included}
    return None if "*" in owners else tuple(sorted(owners))


@query
def scope_services(db: Database, key: ScopeKey) -> tuple[Service, ...]:
    """All services that get clusters: those of every listener, ports merged, and the targets of routing rules.

    Istio: a destination of an imported VirtualService is reachable even when the Sidecar does not list it.
    """
    merged: dict[tuple[str, str], Service] = {}
    listeners = egress_scopes(db, key)
    for listener in listeners:
        for each in db.paced(listener.services):
            _merge_ports(merged, each)
    if key.sidecar is not None:
        for position in range(len(listeners)):
            for target in _rule_targets(db, key.namespace, egress_rules(db, key, position)):
                _merge_ports(merged, target)
    return oldest_first(db, merged.values())


@query
def outbound_traffic_policy(db: Database, key: ScopeKey) -> TrafficPolicy:
    """The policy for unknown destinations: the Sidecar's block if it has one, even an empty one, else the mesh's."""
    source = db.row(key.sidecar) if key.sidecar else None
    policy = source.spec.outbound_traffic_policy if isinstance(source, Sidecar) else None
    if isinstance(policy, OutboundTrafficPolicy):
        return TrafficPolicy(policy.mode, policy.egress_proxy)
    return TrafficPolicy(db.settings.mesh.outbound_traffic_policy.mode)


def _with_own_addresses(db: Database, scope: EgressScope, cluster: str) -> EgressScope:
    return msgspec.structs.replace(scope, services=tuple(_in_cluster(db, each, cluster) for each in scope.services))


def _in_cluster(db: Database, each: Service, cluster: str) -> Service:
    """Istio: a service has the addresses that the client's cluster gives it; else those of the cluster that decides."""
    own = cluster_addresses(db, each.namespace, each.hostname, cluster) if each.kubernetes else ()
    return msgspec.structs.replace(each, addresses=own) if own else each


def _with_allocated_addresses(db: Database, scope: EgressScope) -> EgressScope:
    services = tuple(
        each
        if each.kubernetes or each.addresses
        else msgspec.structs.replace(each, addresses=allocated_addresses(db, each.namespace, each.hostname))
        for each in scope.services
    )
    return msgspec.structs.replace(scope, services=services)


def _egress_scope(db: Database, namespace: str, listener: EgressListener) -> EgressScope:
    patterns = _HostPatterns.parse(listener.hosts, namespace)
    candidates = (
        each
        for owner in patterns.namespaces(db)
        for each in db.paced(namespace_services(db, owner))
        if patterns.imports(each)
    )
    visible = (each for each in candidates if is_exported(each.export, namespace))
    services = oldest_first(db, prefer_services(visible, namespace).values())
    port = listener.port
    if port is None:
        return EgressScope(bind=listener.bind, capture_mode=listener.capture_mode, services=services)
    protocol = parse_protocol(port.protocol)
    if protocol is not Protocol.HTTP_PROXY and port.number:
        trimming = (each.with_port(port.number) for each in db.paced(services))
        services = tuple(trimmed for trimmed in trimming if trimmed.ports)
    return EgressScope(
        port=port.number,
        port_name=port.name,
        protocol=protocol,
        bind=listener.bind,
        capture_mode=listener.capture_mode,
        services=services,
    )


class _HostPatterns(msgspec.Struct, frozen=True):
    """The ``hosts`` of an egress listener: (namespace or ``*``, host pattern) to import, and those to leave out."""

    included: tuple[tuple[str, str], ...]
    excluded: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, hosts: Iterable[str], namespace: str) -> "_HostPatterns":
        """Istio: ``.`` is the proxy's namespace; ``~ns/host`` excludes, and ``~/*`` excludes everything."""
        included: list[tuple[str, str]] = []
        excluded: list[tuple[str, str]] = []
        for text in hosts:
            owner, _, pattern = text.partition("/")
            pattern = normalize_host(pattern)
            target = excluded if owner.startswith("~") else included
            owner = owner.removeprefix("~") or "*"
            target.append((namespace if owner == "." else owner, pattern))
        return cls(tuple(included), tuple(excluded))

    def namespaces(self, db: Database) -> tuple[str, ...]:
        owners = {owner for owner, _ in self.included}
        return db.members(SERVICE_NAMESPACES, "") if "*" in owners else tuple(sorted(owners))

    def imports(self, candidate: Service) -> bool:
        def matches(patterns: Iterable[tuple[str, str]]) -> bool:
            return any(
                owner in ("*", candidate.namespace) and covers(pattern, candidate.hostname)
                for owner, pattern in patterns
            )

        return not matches(self.excluded) and matches(self.included)

    def imports_rule(self, rule: RoutingRule) -> bool:
        """Istio: the namespace part is compared with the rule's; hosts relate if either covers the other."""

        def matches(patterns: Iterable[tuple[str, str]], host: str) -> bool:
            return any(owner in ("*", rule.key.namespace) and overlaps(pattern, host) for owner, pattern in patterns)

        return any(matches(self.included, host) and not matches(self.excluded, host) for host in rule.hosts)


def _rule_targets(db: Database, namespace: str, rules: Iterable[RoutingRule]) -> Iterator[Service]:
    for rule in rules:
        for target in rule.targets(namespace):
            found = visible_service(db, namespace, target.host)
            if found is None:
                continue
            yield found.with_port(target.port) if target.port else found


def _merge_ports(merged: dict[tuple[str, str], Service], added: Service) -> None:
    key = (added.namespace, added.hostname)
    known = merged.get(key)
    if known is None:
        if added.ports:
            merged[key] = added
        return
    numbers = {port.number for port in known.ports}
    extra = tuple(port for port in added.ports if port.number not in numbers)
    if extra:
        merged[key] = msgspec.structs.replace(known, ports=known.ports + extra)
