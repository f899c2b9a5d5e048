"""DestinationRules: which one applies to a client and a host, merged from its parts, composed for a port and subset."""

from collections.abc import Collection, Iterable, Iterator
from enum import Enum, auto
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import DESTINATION_RULE_PATTERNS, DESTINATION_RULES, last_label
from translator.model.host import covers, specificity
from translator.model.proxy import Labels
from translator.model.workload import has_labels
from translator.objects.destination_rule import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    LoadBalancerSettings,
    OutlierDetection,
    PortTrafficPolicy,
    ProxyProtocol,
    RetryBudget,
    Subset,
    TrafficPolicy,
    TunnelSettings,
)
from translator.objects.mesh_config import DefaultTrafficPolicy
from translator.objects.registry import ObjectKey, key_of


class DestinationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What one or more DestinationRules of a namespace say about a host; ``sources`` are oldest first.

    ``selector`` is None for rules that apply to every proxy.
    """

    sources: tuple[ObjectKey, ...]
    export: frozenset[str]
    selector: Labels | None = None
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()

    def subset(self, name: str) -> Subset | None:
        """The subset of this name."""
        return next((subset for subset in self.subsets if subset.name == name), None)


class PortPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The traffic policy that is in force for one port of a host or of a subset; None is Envoy's or Istio's default."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    tunnel: TunnelSettings | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class _Audience(Enum):
    """Which rules of a namespace a lookup considers."""

    OWN = auto()
    """Those that the namespace's own proxies may use."""
    OTHERS = auto()
    """Those that are visible outside of the namespace."""
    PRIVATE = auto()
    """Those that are visible in the namespace alone."""


_PUBLIC: Final = "*"
_OWN: Final = "."


@query
def effective_policy(
    db: Database, client_namespace: str, labels: Labels, service_namespace: str, hostname: str
) -> DestinationPolicy | None:
    """The rules that apply to traffic of a client to a host. ``labels``: see ``policy_labels``; () for inbound.

    Istio: the rules of the client's namespace, else those that the service's namespace exports to it, else those of
    the root namespace. The first step that knows the host decides, and its most specific host hides the others.
    """
    found = _own_rules(db, client_namespace, hostname)
    if not found:
        foreign = _foreign_rules(db, service_namespace, hostname)
        found = _visible(foreign, client_namespace)
        if foreign and not found:
            root = db.settings.mesh.root_namespace
            found = _visible(_most_specific(db, root, hostname, _Audience.OTHERS), client_namespace)
    return _choose(found, client_namespace, dict(labels))


def policy_namespace(db: Database, client_namespace: str, service_namespace: str, hostname: str) -> str:
    """The client's namespace as far as it matters for the rules that apply to a host; empty where it does not.

    It stands in for the namespace with ``effective_policy``. Mostly a namespace has rules for few hosts beside its
    own, and these are for everybody, so that the clients of all namespaces share what is made of them. Reads through
    the caller's query.
    """
    own = _own_rules(db, client_namespace, hostname)
    is_shared = client_namespace == service_namespace and own == _foreign_rules(db, service_namespace, hostname)
    if own and not is_shared:
        return client_namespace
    for rule in _foreign_rules(db, service_namespace, hostname):
        if not _is_visible(rule.export, ""):
            return client_namespace
    return ""


def named_by_policies(db: Database, service_namespace: str, hostname: str) -> Iterator[str]:
    """The namespaces to which rules for a host are exported by name, where clients may get others than elsewhere.

    Those of a client's own namespace are not looked at. Reads through the caller's query what ``effective_policy``
    reads for a client of no namespace in particular.
    """
    foreign = _foreign_rules(db, service_namespace, hostname)
    rules = foreign
    if foreign and not _visible(foreign, ""):
        rules += _most_specific(db, db.settings.mesh.root_namespace, hostname, _Audience.OTHERS)
    return (name for rule in rules if not _is_visible(rule.export, "") for name in rule.export)


@query
def _foreign_rules(db: Database, service_namespace: str, hostname: str) -> tuple[DestinationPolicy, ...]:
    """What those clients may get whose namespace has no rules for a host: of the service's namespace, else the root's.

    Asked once for the clients of all namespaces.
    """
    found = _most_specific(db, service_namespace, hostname, _Audience.OTHERS)
    return found or _most_specific(db, db.settings.mesh.root_namespace, hostname, _Audience.OTHERS)


def policy_labels(db: Database, client_namespace: str, labels: Labels, hostname: str) -> Labels:
    """Of a proxy's labels those by which rules for the host select: mostly none, so that proxies share policies."""
    if not labels:
        return ()
    names = {name for rule in _own_rules(db, client_namespace, hostname) for name, _ in rule.selector or ()}
    return tuple(pair for pair in labels if pair[0] in names)


def policy_for(
    policy: DestinationPolicy | None, port: int, subset: str = "", defaults: DefaultTrafficPolicy | None = None
) -> PortPolicy:
    """The policy for a port of the host, or of a subset of it.

    Istio: an entry for the port replaces the general policy, it does not refine it. ``defaults`` (the mesh's) stand
    in for whole blocks that are unset. A subset overrides block by block, and its entry for the port all four blocks
    that such an entry can hold.
    """
    composed = _port_policy(policy.traffic_policy if policy else None, port)
    if defaults is not None:
        composed = msgspec.structs.replace(
            composed,
            connection_pool=composed.connection_pool or defaults.connection_pool,
            outlier_detection=composed.outlier_detection or defaults.outlier_detection,
        )
    part = policy.subset(subset) if policy and subset else None
    if part is None or part.traffic_policy is None:
        return composed
    return _override(composed, part.traffic_policy, port)


def port_entry(policy: TrafficPolicy, port: int) -> PortTrafficPolicy | None:
    """The part of a policy that is specific to a port."""
    return next((each for each in policy.port_level_settings if each.port and each.port.number == port), None)


def _port_policy(policy: TrafficPolicy | None, port: int) -> PortPolicy:
    if policy is None:
        return PortPolicy()
    entry = port_entry(policy, port)
    if entry is not None:
        return PortPolicy(
            load_balancer=entry.load_balancer,
            connection_pool=entry.connection_pool,
            outlier_detection=entry.outlier_detection,
            tls=entry.tls,
        )
    return PortPolicy(
        load_balancer=policy.load_balancer,
        connection_pool=policy.connection_pool,
        outlier_detection=policy.outlier_detection,
        tls=policy.tls,
        tunnel=policy.tunnel,
        proxy_protocol=policy.proxy_protocol,
        retry_budget=policy.retry_budget,
    )


def _override(base: PortPolicy, policy: TrafficPolicy, port: int) -> PortPolicy:
    entry = port_entry(policy, port)
    return PortPolicy(
        load_balancer=entry.load_balancer if entry else policy.load_balancer or base.load_balancer,
        connection_pool=entry.connection_pool if entry else policy.connection_pool or base.connection_pool,
        outlier_detection=entry.outlier_detection if entry else policy.outlier_detection or base.outlier_detection,
        tls=entry.tls if entry else policy.tls or base.tls,
        tunnel=policy.tunnel or base.tunnel,
        proxy_protocol=policy.proxy_protocol or base.proxy_protocol,
        retry_budget=policy.retry_budget or base.retry_budget,
    )


def _choose(
    policies: Iterable[DestinationPolicy], client_namespace: str, labels: dict[str, str]
) -> DestinationPolicy | None:
    """Istio: the first that selects the proxy; else, of those without selector, the last."""
    general = None
    for policy in policies:
        if policy.selector is None:
            general = policy
        elif policy.sources[0].namespace == client_namespace and has_labels(labels, policy.selector):
            return policy
    return general


def _own_rules(db: Database, client_namespace: str, hostname: str) -> tuple[DestinationPolicy, ...]:
    """Istio: of the root namespace, which may hold rules for everybody, only the private ones are meant for itself.

    No namespace in particular (``policy_namespace``) has none.
    """
    if not client_namespace:
        return ()
    in_root = client_namespace == db.settings.mesh.root_namespace
    return _most_specific(db, client_namespace, hostname, _Audience.PRIVATE if in_root else _Audience.OWN)


def _visible(found: tuple[DestinationPolicy, ...], client_namespace: str) -> tuple[DestinationPolicy, ...]:
    return tuple(policy for policy in found if _is_visible(policy.export, client_namespace)) if found else ()


def _is_visible(export: frozenset[str], client_namespace: str) -> bool:
    return not export or _PUBLIC in export or client_namespace in export


def _most_specific(db: Database, namespace: str, hostname: str, audience: _Audience) -> tuple[DestinationPolicy, ...]:
    """Istio: only the most specific host counts, even if its rules turn out not to be exported to the client.

    Mostly a namespace has none for a host, and then the caller's query remembers that.
    """
    named = db.members(DESTINATION_RULES, (namespace, hostname))
    patterns = _covering_patterns(db, namespace, hostname)
    return _rules_by_pattern(db, namespace, hostname, audience) if named or patterns else ()


def _covering_patterns(db: Database, namespace: str, hostname: str) -> Collection[str]:
    similar = db.members(DESTINATION_RULE_PATTERNS, (namespace, last_label(hostname)))
    general = db.members(DESTINATION_RULE_PATTERNS, (namespace, ""))
    if not similar and not general:
        return ()
    return {pattern for pattern in (*similar, *general) if covers(pattern, hostname)}


@query
def _rules_by_pattern(
    db: Database, namespace: str, hostname: str, audience: _Audience
) -> tuple[DestinationPolicy, ...]:
    for pattern in sorted({hostname, *_covering_patterns(db, namespace, hostname)}, key=specificity):
        if db.members(DESTINATION_RULES, (namespace, pattern)):
            merged = _rules_for(db, namespace, pattern, audience)
            if merged:
                return merged
    return ()


@query
def _rules_for(db: Database, namespace: str, pattern: str, audience: _Audience) -> tuple[DestinationPolicy, ...]:
    """The merged rules of a namespace whose host is exactly ``pattern``."""
    keys = db.members(DESTINATION_RULES, (namespace, pattern))
    sources = [source for key in keys if isinstance(source := db.row(key), DestinationRule)]
    sources.sort(key=_precedence)
    default = frozenset(db.settings.mesh.default_destination_rule_export_to)
    return merge_policies(
        policy for source in sources if _concerns(policy := _convert(source), namespace, audience, default)
    )


def _precedence(source: DestinationRule) -> tuple[bool, str, str]:
    """Istio: rules with a selector first, then the older before the younger."""
    return (source.spec.workload_selector is None, source.metadata.creation_timestamp, source.metadata.name)


def _convert(source: DestinationRule) -> DestinationPolicy:
    """Istio: a rule with a selector is private to its namespace."""
    spec, selector = source.spec, source.spec.workload_selector
    return DestinationPolicy(
        sources=(key_of(source),),
        export=frozenset(spec.export_to if selector is None else (_OWN,)),
        selector=None if selector is None else tuple(sorted(selector.match_labels.items())),
        traffic_policy=spec.traffic_policy,
        subsets=spec.subsets,
    )


def _concerns(policy: DestinationPolicy, namespace: str, audience: _Audience, default: frozenset[str]) -> bool:
    if audience is _Audience.OWN:
        return _OWN in policy.export or _is_visible(policy.export, namespace)
    private = policy.export in ({_OWN}, {namespace}) if policy.export else _OWN in default
    return private is (audience is _Audience.PRIVATE)


def merge_policies(policies: Iterable[DestinationPolicy]) -> tuple[DestinationPolicy, ...]:
    """Merge rules of one namespace for one host, given in order of precedence.

    Istio: rules merge when they are exported to the same places and select alike. One without selector also goes
    into those with one, and stays a rule of its own for all other proxies.
    """
    merged: list[DestinationPolicy] = []
    for policy in policies:
        absorbed = False
        for position, earlier in enumerate(merged):
            if earlier.export == policy.export and (policy.selector is None or policy.selector == earlier.selector):
                merged[position] = _merge(earlier, policy)
                absorbed = absorbed or policy.selector == earlier.selector
        if not absorbed:
            merged.append(policy)
    return tuple(merged)


def _merge(earlier: DestinationPolicy, later: DestinationPolicy) -> DestinationPolicy:
    """Istio: new subsets are added, and the policy is taken over only where there is none: no field is merged."""
    known = {subset.name for subset in earlier.subsets}
    added = tuple(subset for subset in later.subsets if subset.name not in known)
    return msgspec.structs.replace(
        earlier,
        sources=earlier.sources + later.sources,
        traffic_policy=earlier.traffic_policy or later.traffic_policy,
        subsets=earlier.subsets + added,
    )
