"""Every index of the store: which questions about the objects can be answered without scanning them.

Reading an entry is a dependency on that entry alone, so entries are chosen as narrow as the question.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from translator.model.host import is_wildcard, kubernetes_host, normalize_host, resolve_short_name
from translator.objects import core
from translator.objects.destination_rule import DestinationRule, PortTrafficPolicy, TrafficPolicy
from translator.objects.gateway import IstioGateway
from translator.objects.meta import MeshObject
from translator.objects.registry import KIND_OF, Kind, ObjectKey
from translator.objects.service_entry import ServiceEntry
from translator.objects.sidecar import Sidecar
from translator.objects.virtual_service import (
    HTTPMatchRequest,
    HTTPRoute,
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from translator.objects.workload import WorkloadEntry
from translator.store import Index

Pairs = Iterator[tuple[Any, Any]]

DISTRIBUTION_ANNOTATION: Final = "networking.istio.io/traffic-distribution"

AUTO_ALLOCATE_LABEL: Final = "networking.istio.io/enable-autoallocate-ip"

# The gateway name by which rules bind to the sidecars of the mesh.
MESH: Final = "mesh"

# Labels that tell the replicas and revisions of one workload apart.
_REPLICA_LABELS: Final = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "controller-uid",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)


def key_of(source: MeshObject) -> ObjectKey:
    """The key under which an object is stored."""
    return ObjectKey(KIND_OF[type(source)], source.metadata.namespace, source.metadata.name)


def external_name_of(source: core.Service) -> str:
    """The host an ExternalName Service is an alias of, normalised; empty for every other Service."""
    spec = source.spec
    return normalize_host(spec.external_name).rstrip(".") if spec.type == "ExternalName" and spec.external_name else ""


def hosts_of(source: core.Service | ServiceEntry, suffix: str) -> Iterable[str]:
    """The hostnames an object provides."""
    if isinstance(source, core.Service):
        return (kubernetes_host(source.metadata.name, source.metadata.namespace, suffix),)
    return {normalize_host(host) for host in source.spec.hosts}


def last_label(host: str) -> str:
    """The last label of a name or pattern, which all names that it covers share; empty for patterns without a dot."""
    return host.rpartition(".")[2] if "." in host else ""


def gateways_of(source: VirtualService) -> set[str]:
    """Where a VirtualService applies, by any of its rules: ``mesh`` and qualified gateway names."""
    namespace = source.metadata.namespace
    return {qualify_gateway(name, namespace) for name in source.spec.gateways} or {MESH}


def qualify_gateway(name: str, namespace: str) -> str:
    """A gateway reference as ``namespace/name``.

    Istio: ``./name`` and a bare name are of the object's own namespace; ``name.ns.svc...`` is the legacy form.
    """
    if name == MESH:
        return name
    owner, slash, rest = name.partition("/")
    if slash:
        return f"{namespace if owner == '.' else owner}/{rest}"
    gateway, dot, domain = name.partition(".")
    return f"{domain.partition('.')[0]}/{gateway}" if dot else f"{namespace}/{name}"


def _service_hosts(entry: Callable[[str, str], Any], member: Callable[[str, MeshObject], Any]) -> dict[Kind, Any]:
    def extract(source: core.Service | ServiceEntry, suffix: str) -> Pairs:
        for host in hosts_of(source, suffix):
            yield entry(source.metadata.namespace, host), member(host, source)

    return {Kind.SERVICE: extract, Kind.SERVICE_ENTRY: extract}


def _by_namespace(source: MeshObject, _suffix: str) -> Pairs:
    yield source.metadata.namespace, key_of(source)


def _alias(source: core.Service, suffix: str) -> Pairs:
    target = external_name_of(source)
    if target:
        yield target, kubernetes_host(source.metadata.name, source.metadata.namespace, suffix)


def _selecting_service(source: core.Service, suffix: str) -> Pairs:
    if source.spec.selector:
        yield source.metadata.namespace, kubernetes_host(source.metadata.name, source.metadata.namespace, suffix)


def _selecting_entry(source: ServiceEntry, suffix: str) -> Pairs:
    if source.spec.workload_selector is not None:
        for host in hosts_of(source, suffix):
            yield source.metadata.namespace, host


def _entry_at_address(source: WorkloadEntry, _suffix: str) -> Pairs:
    if source.spec.address:
        yield (source.metadata.namespace, source.spec.address), key_of(source)


def _slice_of_service(source: core.EndpointSlice, _suffix: str) -> Pairs:
    service = source.metadata.labels.get("kubernetes.io/service-name")
    if service and "multicluster.kubernetes.io/service-name" not in source.metadata.labels:
        yield (source.metadata.namespace, service), key_of(source)


def _slice_address(source: core.EndpointSlice, _suffix: str) -> Pairs:
    service = source.metadata.labels.get("kubernetes.io/service-name")
    if service:
        for endpoint in source.endpoints:
            for address in endpoint.addresses:
                yield (source.metadata.namespace, address), service


def _pod_address(source: core.Pod, _suffix: str) -> Pairs:
    if source.status.pod_ip and source.status.phase not in ("Failed", "Succeeded"):
        yield (source.metadata.namespace, source.status.pod_ip), key_of(source)


def _pod_labels(source: core.Pod, _suffix: str) -> Pairs:
    labels = source.metadata.labels.items()
    yield "", tuple(sorted((name, value) for name, value in labels if name not in _REPLICA_LABELS))


class HostWithoutAddress(NamedTuple):
    """A host of a ServiceEntry that is to get an address, the oldest first; ``allocated`` are those it got."""

    created: str
    namespace: str
    entry: str
    host: str
    allocated: tuple[str, ...] = ()


def _entry_address(source: ServiceEntry, _suffix: str) -> Pairs:
    for address in source.spec.addresses:
        yield "", address.removesuffix("/32").removesuffix("/128")


def _host_without_address(source: ServiceEntry, suffix: str) -> Pairs:
    """Istio: every host whose addresses somebody else finds out, and patterns only where they are resolved as asked."""
    meta, spec = source.metadata, source.spec
    resolution = str(spec.resolution)
    if spec.addresses or resolution == "NONE" or meta.labels.get(AUTO_ALLOCATE_LABEL) == "false":
        return
    for host in hosts_of(source, suffix):
        if not is_wildcard(host) or resolution == "DYNAMIC_DNS":
            allocated = tuple(each.value for each in source.status.addresses if normalize_host(each.host) == host)
            yield "", HostWithoutAddress(meta.creation_timestamp, meta.namespace, meta.name, host, allocated)


def _pod_namespace(source: core.Pod, suffix: str) -> Pairs:
    for _, labels in _pod_labels(source, suffix):
        yield labels, source.metadata.namespace


def _secret_namespace(source: core.Secret, _suffix: str) -> Pairs:
    yield source.metadata.name, source.metadata.namespace


def _rule_credential(source: DestinationRule, _suffix: str) -> Pairs:
    for block in _policy_blocks(source):
        if block.tls and block.tls.credential_name:
            yield "", block.tls.credential_name


def _destination_rule_host(source: DestinationRule, suffix: str) -> Pairs:
    namespace = source.metadata.namespace
    yield (namespace, resolve_short_name(source.spec.host, namespace, suffix)), key_of(source)


def _destination_rule_pattern(source: DestinationRule, suffix: str) -> Pairs:
    namespace = source.metadata.namespace
    host = resolve_short_name(source.spec.host, namespace, suffix)
    if is_wildcard(host):
        yield (namespace, last_label(host)), host


def _virtual_service_hosts(source: VirtualService, suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in source.spec.hosts:
            yield (gateway, resolve_short_name(host, source.metadata.namespace, suffix)), key_of(source)


def _virtual_service_host_names(source: VirtualService, suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in source.spec.hosts:
            yield gateway, resolve_short_name(host, source.metadata.namespace, suffix)


def _mesh_hosts(source: VirtualService, suffix: str) -> Pairs:
    if MESH in gateways_of(source):
        namespace = source.metadata.namespace
        for host in source.spec.hosts:
            yield namespace, resolve_short_name(host, namespace, suffix)


def _partial_patterns(source: VirtualService, _suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in map(normalize_host, source.spec.hosts):
            if host.startswith("*") and host != "*" and not host.startswith("*."):
                yield gateway, host


def _labelled_hosts(source: VirtualService, suffix: str) -> Pairs:
    labels = {label for rule in source.spec.http for match in rule.match for label in match.source_labels}
    # A delegate has no hosts and may come to apply to any.
    hosts = [resolve_short_name(host, source.metadata.namespace, suffix) for host in source.spec.hosts] or ["*"]
    for label in labels:
        for host in hosts:
            yield "", (host, label)


def _virtual_service_gateways(source: VirtualService, _suffix: str) -> Pairs:
    if source.spec.hosts:
        for gateway in gateways_of(source):
            yield gateway, key_of(source)


def _gateway(source: IstioGateway, _suffix: str) -> Pairs:
    yield "", key_of(source)


def _sidecar_labels(source: Sidecar, _suffix: str) -> Pairs:
    selector = source.spec.workload_selector
    for label in selector.labels if selector else ():
        yield source.metadata.namespace, label


def _policy_labels(source: DestinationRule, _suffix: str) -> Pairs:
    selector = source.spec.workload_selector
    for label in selector.match_labels if selector else ():
        yield source.metadata.namespace, label
    for block in _policy_blocks(source):
        balancer = block.load_balancer
        if balancer:
            for setting in (balancer.locality_lb_setting, balancer.zone_aware_lb_setting):
                for label in setting.failover_priority if setting else ():
                    yield "", label.partition("=")[0]


def _source_labels(source: VirtualService, _suffix: str) -> Pairs:
    spec = source.spec
    matches: list[HTTPMatchRequest | L4MatchAttributes | TLSMatchAttributes] = []
    rules: list[HTTPRoute | TCPRoute | TLSRoute] = [*spec.http, *spec.tcp, *spec.tls]
    for rule in rules:
        matches += rule.match
    for label in (label for match in matches for label in match.source_labels):
        yield "", label


def _gateway_labels(source: IstioGateway, _suffix: str) -> Pairs:
    for label in source.spec.selector:
        yield "gateway", label


def _policy_blocks(source: DestinationRule) -> Iterator[TrafficPolicy | PortTrafficPolicy]:
    for policy in (source.spec.traffic_policy, *(subset.traffic_policy for subset in source.spec.subsets)):
        if policy is not None:
            yield policy
            yield from policy.port_level_settings


def _policy_locality(source: DestinationRule, _suffix: str) -> Pairs:
    for block in _policy_blocks(source):
        balancer = block.load_balancer
        if block.outlier_detection or (balancer and balancer.locality_lb_setting):
            yield "", key_of(source)


def _wishes(source: core.Service | core.Namespace) -> set[str]:
    """What a service, or a namespace for its services, asks for in terms of nearness, in lower case."""
    annotation = source.metadata.annotations.get(DISTRIBUTION_ANNOTATION, "")
    field = source.spec.traffic_distribution if isinstance(source, core.Service) else ""
    return {annotation.lower(), field.lower()} - {""}


def _wish_for_locality(source: core.Service | core.Namespace, _suffix: str) -> Pairs:
    if _wishes(source):
        yield "", key_of(source)


def _wish_for_node(source: core.Service | core.Namespace, _suffix: str) -> Pairs:
    local = isinstance(source, core.Service) and source.spec.internal_traffic_policy == "Local"
    if local or "prefersamenode" in _wishes(source):
        yield "", key_of(source)


HOST_OBJECTS: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "host-objects", _service_hosts(lambda namespace, host: (namespace, host), lambda _host, source: key_of(source))
)
"""(namespace, hostname) -> the Services and ServiceEntries that provide it."""

HOSTS_IN_NAMESPACE: Final[Index[str, str]] = Index(
    "hosts-in-namespace", _service_hosts(lambda namespace, _host: namespace, lambda host, _source: host)
)
"""Namespace -> hostnames of its services."""

HOST_NAMESPACES: Final[Index[str, str]] = Index(
    "host-namespaces", _service_hosts(lambda _namespace, host: host, lambda _host, source: source.metadata.namespace)
)
"""Hostname -> namespaces that provide it."""

SERVICE_NAMESPACES: Final[Index[str, str]] = Index(
    "service-namespaces", _service_hosts(lambda _namespace, _host: "", lambda _host, source: source.metadata.namespace)
)
"""Empty string -> namespaces that have services."""

ALIASES: Final[Index[str, str]] = Index("aliases", {Kind.SERVICE: _alias})
"""Target hostname -> hostnames of the ExternalName Services that point at it."""

SELECTING_SERVICES: Final[Index[str, str]] = Index("selecting-services", {Kind.SERVICE: _selecting_service})
"""Namespace -> hostnames of Kubernetes Services with a selector."""

SELECTING_ENTRIES: Final[Index[str, str]] = Index("selecting-entries", {Kind.SERVICE_ENTRY: _selecting_entry})
"""Namespace -> hostnames of ServiceEntries that select their workloads."""

SLICES_OF_SERVICE: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "slices-of-service", {Kind.ENDPOINT_SLICE: _slice_of_service}
)
"""(namespace, Service name) -> its EndpointSlices."""

SERVICES_AT_ADDRESS: Final[Index[tuple[str, str], str]] = Index(
    "services-at-address", {Kind.ENDPOINT_SLICE: _slice_address}
)
"""(namespace, IP) -> names of the Kubernetes Services with an endpoint at that address."""

POD_AT_ADDRESS: Final[Index[tuple[str, str], ObjectKey]] = Index("pod-at-address", {Kind.POD: _pod_address})
"""(namespace, IP) -> pods."""

PODS_IN_NAMESPACE: Final[Index[str, ObjectKey]] = Index("pods-in-namespace", {Kind.POD: _by_namespace})
"""Namespace -> pods."""

POD_LABEL_SETS: Final[Index[str, tuple[tuple[str, str], ...]]] = Index("pod-label-sets", {Kind.POD: _pod_labels})
"""Empty string -> the sets of labels that pods have, each once: few, since replicas share theirs."""

POD_NAMESPACES: Final[Index[tuple[tuple[str, str], ...], str]] = Index("pod-namespaces", {Kind.POD: _pod_namespace})
"""A set of labels as in ``POD_LABEL_SETS`` -> the namespaces of the pods that have them."""

SECRET_NAMESPACES: Final[Index[str, str]] = Index("secret-namespaces", {Kind.SECRET: _secret_namespace})
"""Name of Secrets -> namespaces that have one."""

RULE_CREDENTIALS: Final[Index[str, str]] = Index("rule-credentials", {Kind.DESTINATION_RULE: _rule_credential})
"""Empty string -> the credentials that DestinationRules name."""

WORKLOAD_ENTRIES_IN_NAMESPACE: Final[Index[str, ObjectKey]] = Index(
    "workload-entries-in-namespace", {Kind.WORKLOAD_ENTRY: _by_namespace}
)
"""Namespace -> WorkloadEntries."""

ENTRY_ADDRESSES: Final[Index[str, str]] = Index("entry-addresses", {Kind.SERVICE_ENTRY: _entry_address})
"""Empty string -> the addresses that ServiceEntries ask for."""

HOSTS_WITHOUT_ADDRESS: Final[Index[str, HostWithoutAddress]] = Index(
    "hosts-without-address", {Kind.SERVICE_ENTRY: _host_without_address}
)
"""Empty string -> the hosts of ServiceEntries that are to get an address, the oldest first."""

ENTRIES_AT_ADDRESS: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "entries-at-address", {Kind.WORKLOAD_ENTRY: _entry_at_address}
)
"""(namespace, address) -> WorkloadEntries."""

DESTINATION_RULES: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "destination-rules", {Kind.DESTINATION_RULE: _destination_rule_host}
)
"""(namespace of the rule, host or pattern) -> DestinationRules."""

DESTINATION_RULE_PATTERNS: Final[Index[tuple[str, str], str]] = Index(
    "destination-rule-patterns", {Kind.DESTINATION_RULE: _destination_rule_pattern}
)
"""(namespace of the rule, last label or "") -> those hosts of its DestinationRules that are patterns."""

VIRTUAL_SERVICES: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "virtual-services", {Kind.VIRTUAL_SERVICE: _virtual_service_hosts}
)
"""(``mesh`` or qualified gateway, host or pattern) -> VirtualServices."""

VIRTUAL_SERVICE_HOSTS: Final[Index[str, str]] = Index(
    "virtual-service-hosts", {Kind.VIRTUAL_SERVICE: _virtual_service_host_names}
)
"""``mesh`` or qualified gateway -> hosts and patterns of VirtualServices bound to it."""

MESH_HOSTS: Final[Index[str, str]] = Index("mesh-hosts", {Kind.VIRTUAL_SERVICE: _mesh_hosts})
"""Namespace -> hosts and patterns of its VirtualServices that are bound to ``mesh``."""

PARTIAL_PATTERNS: Final[Index[str, str]] = Index("partial-patterns", {Kind.VIRTUAL_SERVICE: _partial_patterns})
"""``mesh`` or qualified gateway -> patterns of VirtualServices whose first label is more than ``*`` (``*-a.com``)."""

LABELLED_HOSTS: Final[Index[str, tuple[str, str]]] = Index("labelled-hosts", {Kind.VIRTUAL_SERVICE: _labelled_hosts})
"""Empty string -> (host or pattern, label): by which labels HTTP rules for a host select proxies."""

VIRTUAL_SERVICES_OF_GATEWAY: Final[Index[str, ObjectKey]] = Index(
    "virtual-services-of-gateway", {Kind.VIRTUAL_SERVICE: _virtual_service_gateways}
)
"""``mesh`` or qualified gateway -> VirtualServices bound to it (delegates, which have no hosts, are not)."""

GATEWAYS: Final[Index[str, ObjectKey]] = Index("gateways", {Kind.ISTIO_GATEWAY: _gateway})
"""Empty string -> all Gateways."""

SIDECARS: Final[Index[str, ObjectKey]] = Index("sidecars", {Kind.SIDECAR: _by_namespace})
"""Namespace -> Sidecars."""

SELECTED_LABELS: Final[Index[str, str]] = Index(
    "selected-labels",
    {
        Kind.SIDECAR: _sidecar_labels,
        Kind.DESTINATION_RULE: _policy_labels,
        Kind.VIRTUAL_SERVICE: _source_labels,
        Kind.ISTIO_GATEWAY: _gateway_labels,
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

INDEXES: Final[tuple[Index[Any, Any], ...]] = (
    HOST_OBJECTS,
    HOSTS_IN_NAMESPACE,
    HOST_NAMESPACES,
    SERVICE_NAMESPACES,
    ALIASES,
    SELECTING_SERVICES,
    SELECTING_ENTRIES,
    ENTRIES_AT_ADDRESS,
    SLICES_OF_SERVICE,
    SERVICES_AT_ADDRESS,
    POD_AT_ADDRESS,
    PODS_IN_NAMESPACE,
    POD_LABEL_SETS,
    POD_NAMESPACES,
    SECRET_NAMESPACES,
    RULE_CREDENTIALS,
    WORKLOAD_ENTRIES_IN_NAMESPACE,
    ENTRY_ADDRESSES,
    HOSTS_WITHOUT_ADDRESS,
    DESTINATION_RULES,
    DESTINATION_RULE_PATTERNS,
    VIRTUAL_SERVICES,
    VIRTUAL_SERVICE_HOSTS,
    MESH_HOSTS,
    PARTIAL_PATTERNS,
    LABELLED_HOSTS,
    VIRTUAL_SERVICES_OF_GATEWAY,
    GATEWAYS,
    SIDECARS,
    SELECTED_LABELS,
    POLICY_LABELS,
    LOCALITY_RULES,
    NODE_RULES,
)
