"""Indexes of routing rules and gateways: who has rules for a host, and which gateway they are bound to."""

from typing import Final

from translator.indexes.extraction import Pairs
from translator.indexes.gateway_api import mesh_route_hosts
from translator.model.host import normalize_host, resolve_short_name
from translator.objects.gateway import IstioGateway
from translator.objects.kubernetes_route import KubernetesRoute
from translator.objects.registry import Kind, ObjectKey
from translator.objects.virtual_service import (
    HTTPMatchRequest,
    HTTPRoute,
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from translator.store import Index

# The gateway name by which rules bind to the sidecars of the mesh.
MESH: Final = "mesh"


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


def _virtual_service_hosts(key: ObjectKey, source: VirtualService, suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in source.spec.hosts:
            yield (gateway, resolve_short_name(host, source.metadata.namespace, suffix)), key


def _virtual_service_host_names(_key: ObjectKey, source: VirtualService, suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in source.spec.hosts:
            yield gateway, resolve_short_name(host, source.metadata.namespace, suffix)


def _mesh_hosts(_key: ObjectKey, source: VirtualService, suffix: str) -> Pairs:
    if MESH in gateways_of(source):
        namespace = source.metadata.namespace
        for host in source.spec.hosts:
            yield namespace, resolve_short_name(host, namespace, suffix)


def _partial_patterns(_key: ObjectKey, source: VirtualService, _suffix: str) -> Pairs:
    for gateway in gateways_of(source):
        for host in map(normalize_host, source.spec.hosts):
            if host.startswith("*") and host != "*" and not host.startswith("*."):
                yield gateway, host


def _labelled_hosts(_key: ObjectKey, source: VirtualService, suffix: str) -> Pairs:
    labels = {label for rule in source.spec.http for match in rule.match for label in match.source_labels}
    # A delegate has no hosts and may come to apply to any.
    hosts = [resolve_short_name(host, source.metadata.namespace, suffix) for host in source.spec.hosts] or ["*"]
    for label in labels:
        for host in hosts:
            yield "", (host, label)


def _virtual_service_gateways(key: ObjectKey, source: VirtualService, _suffix: str) -> Pairs:
    if source.spec.hosts:
        for gateway in gateways_of(source):
            yield gateway, key


def mesh_rule_key(namespace: str, host: str) -> ObjectKey:
    """Stands for all that HTTPRoutes of a namespace say about the host of a service: one rule of the mesh."""
    return ObjectKey(Kind.HTTP_ROUTE, namespace, f"{MESH}~{host}")


def _route_hosts(key: ObjectKey, source: KubernetesRoute, suffix: str) -> Pairs:
    for host in mesh_route_hosts(source, suffix):
        yield (MESH, host), mesh_rule_key(key.namespace, host)


def _route_host_names(_key: ObjectKey, source: KubernetesRoute, suffix: str) -> Pairs:
    for host in mesh_route_hosts(source, suffix):
        yield MESH, host


def _route_mesh_hosts(key: ObjectKey, source: KubernetesRoute, suffix: str) -> Pairs:
    for host in mesh_route_hosts(source, suffix):
        yield key.namespace, host


def _mesh_rules(key: ObjectKey, source: KubernetesRoute, suffix: str) -> Pairs:
    for host in mesh_route_hosts(source, suffix):
        yield MESH, mesh_rule_key(key.namespace, host)


def _gateway(key: ObjectKey, _source: IstioGateway, _suffix: str) -> Pairs:
    yield "", key


def source_labels(_key: ObjectKey, source: VirtualService, _suffix: str) -> Pairs:
    """The labels by which rules select the proxies that they hold for, in any namespace."""
    spec = source.spec
    matches: list[HTTPMatchRequest | L4MatchAttributes | TLSMatchAttributes] = []
    rules: list[HTTPRoute | TCPRoute | TLSRoute] = [*spec.http, *spec.tcp, *spec.tls]
    for rule in rules:
        matches += rule.match
    for label in (label for match in matches for label in match.source_labels):
        yield "", label


def gateway_labels(_key: ObjectKey, source: IstioGateway, _suffix: str) -> Pairs:
    """The labels by which a Gateway selects its proxies."""
    for label in source.spec.selector:
        yield "gateway", label


VIRTUAL_SERVICES: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "virtual-services", {Kind.VIRTUAL_SERVICE: _virtual_service_hosts, Kind.HTTP_ROUTE: _route_hosts}
)
"""(``mesh`` or qualified gateway, host or pattern) -> VirtualServices, and for ``mesh`` the rules of HTTPRoutes."""

VIRTUAL_SERVICE_HOSTS: Final[Index[str, str]] = Index(
    "virtual-service-hosts",
    {Kind.VIRTUAL_SERVICE: _virtual_service_host_names, Kind.HTTP_ROUTE: _route_host_names},
)
"""``mesh`` or qualified gateway -> hosts and patterns of VirtualServices, for ``mesh`` of HTTPRoutes, bound to it."""

MESH_HOSTS: Final[Index[str, str]] = Index(
    "mesh-hosts", {Kind.VIRTUAL_SERVICE: _mesh_hosts, Kind.HTTP_ROUTE: _route_mesh_hosts}
)
"""Namespace -> hosts and patterns of its VirtualServices and HTTPRoutes that are bound to ``mesh``."""

PARTIAL_PATTERNS: Final[Index[str, str]] = Index("partial-patterns", {Kind.VIRTUAL_SERVICE: _partial_patterns})
"""``mesh`` or qualified gateway -> patterns of VirtualServices whose first label is more than ``*`` (``*-a.com``)."""

LABELLED_HOSTS: Final[Index[str, tuple[str, str]]] = Index("labelled-hosts", {Kind.VIRTUAL_SERVICE: _labelled_hosts})
"""Empty string -> (host or pattern, label): by which labels HTTP rules for a host select proxies."""

VIRTUAL_SERVICES_OF_GATEWAY: Final[Index[str, ObjectKey]] = Index(
    "virtual-services-of-gateway",
    {Kind.VIRTUAL_SERVICE: _virtual_service_gateways, Kind.HTTP_ROUTE: _mesh_rules},
)
"""``mesh`` or qualified gateway -> VirtualServices bound to it (delegates, which have no hosts, are not), and for
``mesh`` the rules of HTTPRoutes."""

GATEWAYS: Final[Index[str, ObjectKey]] = Index("gateways", {Kind.ISTIO_GATEWAY: _gateway})
"""Empty string -> all Gateways."""
