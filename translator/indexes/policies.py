"""Indexes of rules for clusters and proxies: DestinationRules, Sidecars, and by what they tell proxies apart."""

from collections.abc import Iterator
from typing import Final

from translator.indexes.extraction import Pairs, by_namespace
from translator.indexes.gateway_api import gateway_name_label
from translator.indexes.routing import gateway_labels, source_labels
from translator.indexes.services import DISTRIBUTION_ANNOTATION
from translator.model.host import is_wildcard, resolve_short_name
from translator.objects import core
from translator.objects.destination_rule import DestinationRule, PortTrafficPolicy, TrafficPolicy
from translator.objects.gateway_api import GATEWAY_NAME_LABEL
from translator.objects.registry import Kind, ObjectKey
from translator.objects.security import AuthorizationPolicy, PeerAuthentication
from translator.objects.sidecar import Sidecar
from translator.store import Index


def last_label(host: str) -> str:
    """The last label of a name or pattern, which all names that it covers share; empty for patterns without a dot."""
    return host.rpartition(".")[2] if "." in host else ""


def _secret_namespace(_key: ObjectKey, source: core.Secret, _suffix: str) -> Pairs:
    yield source.metadata.name, source.metadata.namespace


def _rule_credential(_key: ObjectKey, source: DestinationRule, _suffix: str) -> Pairs:
    for block in _policy_blocks(source):
        if block.tls and block.tls.credential_name:
            yield "", block.tls.credential_name


def _destination_rule_host(key: ObjectKey, source: DestinationRule, suffix: str) -> Pairs:
    namespace = source.metadata.namespace
    yield (namespace, resolve_short_name(source.spec.host, namespace, suffix)), key


def _destination_rule_pattern(_key: ObjectKey, source: DestinationRule, suffix: str) -> Pairs:
    namespace = source.metadata.namespace
    host = resolve_short_name(source.spec.host, namespace, suffix)
    if is_wildcard(host):
        yield (namespace, last_label(host)), host


def _ruled_destination(_key: ObjectKey, source: DestinationRule, suffix: str) -> Pairs:
    namespace = source.metadata.namespace
    yield namespace, resolve_short_name(source.spec.host, namespace, suffix)


def _sidecar_labels(_key: ObjectKey, source: Sidecar, _suffix: str) -> Pairs:
    selector = source.spec.workload_selector
    for label in selector.labels if selector else ():
        yield source.metadata.namespace, label


def _peer_labels(_key: ObjectKey, source: PeerAuthentication, _suffix: str) -> Pairs:
    selector = source.spec.selector
    for label in selector.match_labels if selector else ():
        yield source.metadata.namespace, label


def _authorization_labels(_key: ObjectKey, source: AuthorizationPolicy, _suffix: str) -> Pairs:
    namespace, selector = source.metadata.namespace, source.spec.selector
    for label in selector.match_labels if selector else ():
        yield namespace, label
    if source.spec.targets:
        yield namespace, GATEWAY_NAME_LABEL


def _policy_labels(_key: ObjectKey, source: DestinationRule, _suffix: str) -> Pairs:
    selector = source.spec.workload_selector
    for label in selector.match_labels if selector else ():
        yield source.metadata.namespace, label
    for block in _policy_blocks(source):
        balancer = block.load_balancer
        if balancer:
            for setting in (balancer.locality_lb_setting, balancer.zone_aware_lb_setting):
                for label in setting.failover_priority if setting else ():
                    yield "", label.partition("=")[0]


def _policy_blocks(source: DestinationRule) -> Iterator[TrafficPolicy | PortTrafficPolicy]:
    for policy in (source.spec.traffic_policy, *(subset.traffic_policy for subset in source.spec.subsets)):
        if policy is not None:
            yield policy
            yield from policy.port_level_settings


def _policy_locality(key: ObjectKey, source: DestinationRule, _suffix: str) -> Pairs:
    for block in _policy_blocks(source):
        balancer = block.load_balancer
        if block.outlier_detection or (balancer and balancer.locality_lb_setting):
            yield "", key


def _wishes(source: core.Service | core.Namespace) -> set[str]:
    """What a service, or a namespace for its services, asks for in terms of nearness, in lower case."""
    annotation = source.metadata.annotations.get(DISTRIBUTION_ANNOTATION, "")
    field = source.spec.traffic_distribution if isinstance(source, core.Service) else ""
    return {annotation.lower(), field.lower()} - {""}


def _wish_for_locality(key: ObjectKey, source: core.Service | core.Namespace, _suffix: str) -> Pairs:
    if _wishes(source):
        yield "", key


def _wish_for_node(key: ObjectKey, source: core.Service | core.Namespace, _suffix: str) -> Pairs:
    local = isinstance(source, core.Service) and source.spec.internal_traffic_policy == "Local"
    if local or "prefersamenode" in _wishes(source):
        yield "", key


SECRET_NAMESPACES: Final[Index[str, str]] = Index("secret-namespaces", {Kind.SECRET: _secret_namespace})
"""Name of Secrets -> namespaces that have one."""

RULE_CREDENTIALS: Final[Index[str, str]] = Index("rule-credentials", {Kind.DESTINATION_RULE: _rule_credential})
"""Empty string -> the credentials that DestinationRules name."""

DESTINATION_RULES: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "destination-rules", {Kind.DESTINATION_RULE: _destination_rule_host}
)
"""(namespace of the rule, host or pattern) -> DestinationRules."""

DESTINATION_RULE_HOSTS: Final[Index[str, str]] = Index(
    "destination-rule-hosts", {Kind.DESTINATION_RULE: _ruled_destination}
)
"""Namespace -> the hosts and patterns that its DestinationRules are for."""

DESTINATION_RULE_PATTERNS: Final[Index[tuple[str, str], str]] = Index(
    "destination-rule-patterns", {Kind.DESTINATION_RULE: _destination_rule_pattern}
)
"""(namespace of the rule, last label or "") -> those hosts of its DestinationRules that are patterns."""

SIDECARS: Final[Index[str, ObjectKey]] = Index("sidecars", {Kind.SIDECAR: by_namespace})
"""Namespace -> Sidecars."""

PEER_AUTHENTICATIONS: Final[Index[str, ObjectKey]] = Index(
    "peer-authentications", {Kind.PEER_AUTHENTICATION: by_namespace}
)
"""Namespace -> PeerAuthentications."""

AUTHORIZATION_POLICIES: Final[Index[str, ObjectKey]] = Index(
    "authorization-policies", {Kind.AUTHORIZATION_POLICY: by_namespace}
)
"""Namespace -> AuthorizationPolicies."""

AUTHORIZATION_LABELS: Final[Index[str, str]] = Index(
    "authorization-labels", {Kind.AUTHORIZATION_POLICY: _authorization_labels}
)
"""Namespace -> the label names by which its AuthorizationPolicies select; those of the root namespace do everywhere."""

SELECTED_LABELS: Final[Index[str, str]] = Index(
    "selected-labels",
    {
        Kind.SIDECAR: _sidecar_labels,
        Kind.DESTINATION_RULE: _policy_labels,
        Kind.VIRTUAL_SERVICE: source_labels,
        Kind.ISTIO_GATEWAY: gateway_labels,
        Kind.PEER_AUTHENTICATION: _peer_labels,
        Kind.GATEWAY: gateway_name_label,
    },
)
"""Namespace, "" (any namespace) or "gateway" -> the label names that some rule selects proxies by."""

POLICY_LABELS: Final[Index[str, str]] = Index("policy-labels", {Kind.DESTINATION_RULE: _policy_labels})
"""Namespace or "" (any namespace) -> the label names by which DestinationRules tell proxies apart."""

LOCALITY_RULES: Final[Index[str, ObjectKey]] = Index(
    "locality-rules",
    {
        Kind.DESTINATION_RULE: _policy_locality,
        Kind.SERVICE: _wish_for_locality,
        Kind.NAMESPACE: _wish_for_locality,
    },
)
"""Empty string -> the objects because of which a proxy's locality matters."""

NODE_RULES: Final[Index[str, ObjectKey]] = Index(
    "node-rules", {Kind.SERVICE: _wish_for_node, Kind.NAMESPACE: _wish_for_node}
)
"""Empty string -> the objects because of which a proxy's node matters."""
