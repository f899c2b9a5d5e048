"""Mesh services: what Kubernetes Services and ServiceEntries have in common, and how they are merged.

A service is identified by namespace and hostname. Its endpoints are not part of it: scaling a workload must not
touch anything that is built from the service alone.
"""

from collections.abc import Iterable
from enum import StrEnum
from operator import itemgetter
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import (
    ALIASES,
    DISTRIBUTION_ANNOTATION,
    HOST_NAMESPACES,
    HOST_OBJECTS,
    HOSTS_IN_NAMESPACE,
    external_name_of,
)
from translator.model.cluster import has_clusters
from translator.model.export import Export, is_exported, limit_export, normalize_export
from translator.model.host import is_wildcard, kubernetes_host, normalize_host
from translator.model.protocol import Protocol, kubernetes_protocol, parse_protocol
from translator.objects import core
from translator.objects.registry import Kind, ObjectKey
from translator.objects.service_entry import ServiceEntry
from translator.settings import Settings

EXPORT_ANNOTATION: Final = "networking.istio.io/exportTo"
SERVICE_ACCOUNTS_ANNOTATION: Final = "alpha.istio.io/kubernetes-serviceaccounts"
CANONICAL_ACCOUNTS_ANNOTATION: Final = "alpha.istio.io/canonical-serviceaccounts"
STRATEGY_ANNOTATION: Final = "istio.io/connect-strategy"


class Resolution(StrEnum):
    """How the addresses behind a service are found."""

    CLIENT_SIDE = "client-side"
    PASSTHROUGH = "passthrough"
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns-round-robin"
    DYNAMIC_DNS = "dynamic-dns"
    ALIAS = "alias"

    @property
    def is_dns(self) -> bool:
        """Whether the proxies resolve the addresses of the endpoints."""
        return self in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)


class Distribution(StrEnum):
    """A service's wish to keep traffic close (Kubernetes trafficDistribution)."""

    ANY = "any"
    SAME_ZONE = "same-zone"
    SAME_NODE = "same-node"


class ServicePort(msgspec.Struct, frozen=True):
    """A port of a service. ``target_port`` is a number, a container port's name, or None for "the same number"."""

    number: int
    name: str
    protocol: Protocol
    target_port: int | str | None = None


class Service(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """A host with ports, from a Kubernetes Service or from ServiceEntries.

    ``addresses`` are virtual IPs and CIDRs, empty for none (headless, ServiceEntry without addresses).
    ``selector`` is the sorted label selector of the workloads, empty when there is none. ``races``: of the addresses
    that DNS has for it, the first that accepts a connection is to be used.
    """

    hostname: str
    namespace: str
    source: ObjectKey
    kubernetes: bool
    created: str
    resolution: Resolution
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    export: Export
    mesh_external: bool = False
    subject_alt_names: tuple[str, ...] = ()
    node_local: bool = False
    distribution: Distribution = Distribution.ANY
    persistent_session: bool = False
    races: bool = False
    external_name: str = ""

    @property
    def headless(self) -> bool:
        """A Kubernetes service without virtual IP, whose clients dial the pods."""
        return self.kubernetes and self.resolution is Resolution.PASSTHROUGH

    @property
    def unresolved(self) -> bool:
        """A service beside those of Kubernetes whose clients find out its addresses."""
        return not self.kubernetes and self.resolution is Resolution.PASSTHROUGH

    @property
    def dynamic(self) -> bool:
        """A pattern of hosts, each of which is resolved when it is asked for."""
        return self.resolution is Resolution.DYNAMIC_DNS and is_wildcard(self.hostname)

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key, oldest first: Istio's order wherever "the oldest wins"."""
        return (self.created, self.hostname, self.namespace)

    def port(self, number: int) -> ServicePort | None:
        """The port with this number."""
        return next((port for port in self.ports if port.number == number), None)

    def with_port(self, number: int) -> "Service":
        """The same service, trimmed to one of its ports."""
        return msgspec.structs.replace(self, ports=tuple(port for port in self.ports if port.number == number))


@query
def service(db: Database, namespace: str, hostname: str) -> Service | None:
    """The service of a namespace by hostname.

    Istio: a Kubernetes Service beats ServiceEntries of the same name; among those the oldest is the service, and
    later ones only add ports, and only when they agree with it in everything else. Of several clusters the first
    decides, the primary one before all others, and every one adds the identities that it allows.
    """
    return _merge(db, db.members(HOST_OBJECTS, (namespace, hostname)), hostname)


def local_service(db: Database, namespace: str, hostname: str, cluster: str) -> Service | None:
    """The service as its own cluster declares it to the workloads that serve it."""
    return (
        _service_of_cluster(db, namespace, hostname, cluster) if has_clusters(db) else service(db, namespace, hostname)
    )


@query
def _service_of_cluster(db: Database, namespace: str, hostname: str, cluster: str) -> Service | None:
    keys = db.members(HOST_OBJECTS, (namespace, hostname))
    return _merge(db, [key for key in keys if key.cluster == cluster or key.kind is Kind.SERVICE_ENTRY], hostname)


@query
def cluster_addresses(db: Database, namespace: str, hostname: str, cluster: str) -> tuple[str, ...]:
    """The virtual IPs of a service in one cluster, empty where it has none there.

    They are no part of the service: when a cluster comes or goes, nobody outside of it is disturbed.
    """
    keys = db.members(HOST_OBJECTS, (namespace, hostname))
    found = (_convert(db, key, hostname) for key in keys if key.cluster == cluster and key.kind is Kind.SERVICE)
    return next((each.addresses for each in found if each is not None), ())


@query
def namespace_services(db: Database, namespace: str) -> tuple[Service, ...]:
    """All services of a namespace, oldest first."""
    found = (service(db, namespace, hostname) for hostname in db.members(HOSTS_IN_NAMESPACE, namespace))
    return oldest_first(db, (each for each in found if each is not None))


def oldest_first(db: Database, services: Iterable[Service]) -> tuple[Service, ...]:
    """Services by age. They may be very many: the turn may end while their ages are looked up."""
    found = [(each.age, each) for each in db.paced(services)]
    found.sort(key=itemgetter(0))
    return tuple(each for _, each in found)


@query
def host_services(db: Database, hostname: str) -> tuple[Service, ...]:
    """Every service of a hostname, one for each namespace that provides it."""
    found = (service(db, namespace, hostname) for namespace in db.members(HOST_NAMESPACES, hostname))
    return tuple(each for each in found if each is not None)


def visible_service(db: Database, client_namespace: str, hostname: str) -> Service | None:
    """The one service that a hostname means to clients of a namespace. Reads through the caller's query.

    Istio: the client's own namespace first, then a Kubernetes service, then the oldest that is exported to it.
    """
    found = (each for each in host_services(db, hostname) if is_exported(each.export, client_namespace))
    return min(found, key=lambda each: _preference(each, client_namespace), default=None)


@query
def aliases(db: Database, hostname: str) -> tuple[str, ...]:
    """The ExternalName services that lead to a host, directly or through each other; loops are dropped."""
    reached: list[str] = []
    pending = [hostname]
    while pending:
        for alias in db.members(ALIASES, pending.pop()):
            if alias != hostname and alias not in reached:
                reached.append(alias)
                pending.append(alias)
    return tuple(sorted(reached))


def prefer_services(services: Iterable[Service], client_namespace: str) -> dict[str, Service]:
    """One service per hostname, by the same preference as ``visible_service``; keeps first-seen order."""
    chosen: dict[str, Service] = {}
    for each in services:
        other = chosen.get(each.hostname)
        if other is None or _preference(each, client_namespace) < _preference(other, client_namespace):
            chosen[each.hostname] = each
    return chosen


def _preference(candidate: Service, client_namespace: str) -> tuple[bool, bool, tuple[str, str, str]]:
    return (candidate.namespace != client_namespace, not candidate.kubernetes, candidate.age)


def _merge(db: Database, keys: Iterable[ObjectKey], hostname: str) -> Service | None:
    candidates = [candidate for key in keys if (candidate := _convert(db, key, hostname)) is not None]
    if not candidates:
        return None
    candidates.sort(key=_authority)
    merged = candidates[0]
    for later in candidates[1:]:
        if merged.kubernetes:
            if later.kubernetes and later.subject_alt_names != merged.subject_alt_names:
                names = tuple(sorted({*merged.subject_alt_names, *later.subject_alt_names}))
                merged = msgspec.structs.replace(merged, subject_alt_names=names)
        elif _mergeable(merged, later) and _labels(db, merged) == _labels(db, later):
            known = {port.number for port in merged.ports}
            extra = tuple(port for port in later.ports if port.number not in known)
            merged = msgspec.structs.replace(merged, ports=merged.ports + extra)
    return merged


def _authority(candidate: Service) -> tuple[bool, str, str, ObjectKey]:
    return (not candidate.kubernetes, candidate.source.cluster, candidate.created, candidate.source)


def _mergeable(one: Service, other: Service) -> bool:
    return (
        one.resolution is other.resolution
        and one.selector == other.selector
        and one.export == other.export
        and one.mesh_external == other.mesh_external
    )


def _labels(db: Database, each: Service) -> dict[str, str]:
    source = db.row(each.source)
    return source.metadata.labels if source else {}


def _convert(db: Database, key: ObjectKey, hostname: str) -> Service | None:
    source = db.row(key)
    if isinstance(source, core.Service):
        namespace = db.get(core.Namespace, "", source.metadata.namespace, key.cluster)
        return from_kubernetes(source, key, namespace, db.settings)
    if isinstance(source, ServiceEntry):
        return _limited(db, from_service_entry(source, key, hostname, db.settings))
    return None


def _limited(db: Database, entry: Service) -> Service:
    limits = db.settings.mesh.service_entry_visibility
    if limits is None:
        return entry
    namespace = db.get(core.Namespace, "", entry.namespace)
    labels = namespace.metadata.labels if namespace else {}
    return msgspec.structs.replace(entry, export=limit_export(entry.export, entry.namespace, limits, labels))


def from_kubernetes(
    source: core.Service, key: ObjectKey, namespace: core.Namespace | None, settings: Settings
) -> Service:
    """The mesh service of a Kubernetes Service; ``namespace`` is its Namespace object where that is known."""
    meta, spec = source.metadata, source.spec
    external_name = external_name_of(source)
    addresses = tuple(spec.cluster_ips) if len(spec.cluster_ips) > 1 else (spec.cluster_ip,)
    if external_name:
        resolution, addresses = Resolution.ALIAS, ()
    elif spec.cluster_ip == "None":
        resolution, addresses = Resolution.PASSTHROUGH, ()
    else:
        resolution = Resolution.CLIENT_SIDE
    annotations = meta.annotations
    return Service(
        hostname=kubernetes_host(meta.name, meta.namespace, settings.domain_suffix),
        namespace=meta.namespace,
        source=key,
        kubernetes=True,
        created=meta.creation_timestamp,
        resolution=resolution,
        ports=tuple(
            ServicePort(
                port.port,
                port.name,
                kubernetes_protocol(port.protocol, port.app_protocol, port.name, port.port),
                port.target_port,
            )
            for port in spec.ports
        ),
        addresses=tuple(address for address in addresses if address),
        selector=tuple(sorted(spec.selector.items())),
        export=normalize_export(
            annotations.get(EXPORT_ANNOTATION, "").split(","), meta.namespace, settings.mesh.default_service_export_to
        ),
        mesh_external=bool(external_name),
        subject_alt_names=_allowed_accounts(source, settings),
        node_local=spec.internal_traffic_policy == "Local",
        distribution=_distribution(source, namespace),
        persistent_session=bool(meta.labels.get("istio.io/persistent-session")),
        external_name=external_name,
    )


def from_service_entry(source: ServiceEntry, key: ObjectKey, hostname: str, settings: Settings) -> Service:
    """The mesh service of one host of a ServiceEntry."""
    meta, spec = source.metadata, source.spec
    selector = spec.workload_selector.labels if spec.workload_selector else {}
    return Service(
        hostname=normalize_host(hostname),
        namespace=meta.namespace,
        source=key,
        kubernetes=False,
        created=meta.creation_timestamp,
        resolution=_RESOLUTIONS[str(spec.resolution)],
        ports=tuple(
            ServicePort(port.number, port.name, parse_protocol(port.protocol), port.target_port or None)
            for port in spec.ports
        ),
        addresses=tuple(_single_address(address) for address in spec.addresses),
        selector=tuple(sorted(selector.items())),
        export=normalize_export(spec.export_to, meta.namespace, settings.mesh.default_service_export_to),
        mesh_external=str(spec.location) != "MESH_INTERNAL",
        subject_alt_names=tuple(spec.subject_alt_names),
        persistent_session=bool(meta.labels.get("istio.io/persistent-session")),
        races=meta.annotations.get(STRATEGY_ANNOTATION, "").upper() == "RACE_FIRST_TCP_CONNECT",
    )


_RESOLUTIONS: Final = {
    "NONE": Resolution.PASSTHROUGH,
    "STATIC": Resolution.CLIENT_SIDE,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
    "DYNAMIC_DNS": Resolution.DYNAMIC_DNS,
}
_DISTRIBUTIONS: Final = {
    "PreferClose": Distribution.SAME_ZONE,
    "PreferSameZone": Distribution.SAME_ZONE,
    "PreferSameNode": Distribution.SAME_NODE,
}
_DISTRIBUTIONS_IN_ANNOTATIONS: Final = {name.lower(): value for name, value in _DISTRIBUTIONS.items()}


def _distribution(source: core.Service, namespace: core.Namespace | None) -> Distribution:
    """Istio: the spec, if it is a value we know; else the annotation of the Service, else of its Namespace."""
    wanted = _DISTRIBUTIONS.get(source.spec.traffic_distribution or "")
    if wanted is not None:
        return wanted
    text = source.metadata.annotations.get(DISTRIBUTION_ANNOTATION)
    if text is None and namespace is not None:
        text = namespace.metadata.annotations.get(DISTRIBUTION_ANNOTATION)
    return _DISTRIBUTIONS_IN_ANNOTATIONS.get((text or "").lower(), Distribution.ANY)


def _allowed_accounts(source: core.Service, settings: Settings) -> tuple[str, ...]:
    annotations, namespace = source.metadata.annotations, source.metadata.namespace
    canonical = _split(annotations.get(CANONICAL_ACCOUNTS_ANNOTATION, ""))
    kubernetes = _split(annotations.get(SERVICE_ACCOUNTS_ANNOTATION, ""))
    spiffe = (f"spiffe://{settings.mesh.trust_domain}/ns/{namespace}/sa/{account}" for account in kubernetes)
    return tuple(sorted({*canonical, *spiffe}))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _single_address(address: str) -> str:
    """Istio: a CIDR that holds one address is that address."""
    base, slash, length = address.partition("/")
    single = "128" if ":" in base else "32"
    return base if slash and length == single else address
