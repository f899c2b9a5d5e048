"""Indexes of services: which hosts there are, who provides them, and who asks for addresses."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from translator.indexes.extraction import Pairs
from translator.model.host import is_wildcard, kubernetes_host, normalize_host
from translator.objects import core
from translator.objects.gateway_api import KubernetesGateway
from translator.objects.registry import Kind, ObjectKey
from translator.objects.service_entry import ServiceEntry
from translator.store import Index

DISTRIBUTION_ANNOTATION: Final = "networking.istio.io/traffic-distribution"


_PASSED_ON: Final = frozenset({"TCP", "MONGO", "MYSQL", "REDIS"})

AUTO_ALLOCATE_LABEL: Final = "networking.istio.io/enable-autoallocate-ip"


class SelectedLabel(NamedTuple):
    """One label of a workload, in its namespace and cluster."""

    namespace: str
    cluster: str
    label: tuple[str, str]


def telling_label(selector: Mapping[str, str]) -> tuple[str, str]:
    """Of the labels that a selector wants the one under which it is found; whatever it selects has that label.

    A long value tells most: ``app: checkout-service`` fewer workloads have than ``version: v1``.
    """
    return max(selector.items(), key=lambda pair: (len(pair[1]), pair))


def external_name_of(source: core.Service) -> str:
    """The host an ExternalName Service is an alias of, normalised; empty for every other Service."""
    spec = source.spec
    return normalize_host(spec.external_name).rstrip(".") if spec.type == "ExternalName" and spec.external_name else ""


def hosts_of(source: core.Service | ServiceEntry, suffix: str) -> Iterable[str]:
    """The hostnames an object provides."""
    if isinstance(source, core.Service):
        return (kubernetes_host(source.metadata.name, source.metadata.namespace, suffix),)
    return {normalize_host(host) for host in source.spec.hosts}


def _service_hosts(entry: Callable[[str, str], Any], member: Callable[[str, ObjectKey], Any]) -> dict[Kind, Any]:
    def extract(key: ObjectKey, source: core.Service | ServiceEntry, suffix: str) -> Pairs:
        for host in hosts_of(source, suffix):
            yield entry(key.namespace, host), member(host, key)

    return {Kind.SERVICE: extract, Kind.SERVICE_ENTRY: extract}


def _alias(_key: ObjectKey, source: core.Service, suffix: str) -> Pairs:
    target = external_name_of(source)
    if target:
        yield target, kubernetes_host(source.metadata.name, source.metadata.namespace, suffix)


def _cluster(key: ObjectKey, _source: core.Service, _suffix: str) -> Pairs:
    if key.cluster:
        yield "", key.cluster


def _network_gateway(key: ObjectKey, source: core.Service | KubernetesGateway, _suffix: str) -> Pairs:
    if source.metadata.labels.get("topology.istio.io/network"):
        yield "", key


def _selecting_service(key: ObjectKey, source: core.Service, suffix: str) -> Pairs:
    if source.spec.selector:
        entry = SelectedLabel(key.namespace, key.cluster, telling_label(source.spec.selector))
        yield entry, kubernetes_host(key.name, key.namespace, suffix)


def _selecting_entry(key: ObjectKey, source: ServiceEntry, suffix: str) -> Pairs:
    selector = source.spec.workload_selector
    if selector is not None and selector.labels:
        entry = SelectedLabel(key.namespace, key.cluster, telling_label(selector.labels))
        for host in hosts_of(source, suffix):
            yield entry, host


class HostWithoutAddress(NamedTuple):
    """A host of a ServiceEntry that is to get an address, the oldest first; ``allocated`` are those it got."""

    created: str
    namespace: str
    entry: str
    host: str
    allocated: tuple[str, ...] = ()


def _entry_address(_key: ObjectKey, source: ServiceEntry, _suffix: str) -> Pairs:
    for address in source.spec.addresses:
        yield "", address.removesuffix("/32").removesuffix("/128")


def _host_without_address(_key: ObjectKey, source: ServiceEntry, suffix: str) -> Pairs:
    """Istio: every host whose addresses somebody else finds out, and patterns only where they are resolved as asked."""
    meta, spec = source.metadata, source.spec
    resolution = str(spec.resolution)
    if spec.addresses or resolution == "NONE" or meta.labels.get(AUTO_ALLOCATE_LABEL) == "false":
        return
    for host in hosts_of(source, suffix):
        if not is_wildcard(host) or resolution == "DYNAMIC_DNS":
            allocated = tuple(each.value for each in source.status.addresses if normalize_host(each.host) == host)
            yield "", HostWithoutAddress(meta.creation_timestamp, meta.namespace, meta.name, host, allocated)


class ConnectionPort(NamedTuple):
    """A port at which connections are passed on as they are; an empty address is any."""

    address: str
    number: int


def connection_ports(source: ServiceEntry) -> Iterator[ConnectionPort]:
    """The ports of an entry that nothing but address and number tells from those of others.

    TLS is told apart by its SNI, requests by their host; where endpoints are dialled, each has its own address.
    """
    spec = source.spec
    if str(spec.resolution) == "NONE" and (spec.endpoints or spec.workload_selector is not None):
        return
    for port in spec.ports:
        if port.protocol.upper() in _PASSED_ON:
            yield from (ConnectionPort(address, port.number) for address in spec.addresses or ("",))


def _connection_port(key: ObjectKey, source: ServiceEntry, _suffix: str) -> Pairs:
    return ((port, key) for port in connection_ports(source))


HOST_OBJECTS: Final[Index[tuple[str, str], ObjectKey]] = Index(
    "host-objects", _service_hosts(lambda namespace, host: (namespace, host), lambda _host, key: key)
)
"""(namespace, hostname) -> the Services and ServiceEntries that provide it."""

HOSTS_IN_NAMESPACE: Final[Index[str, str]] = Index(
    "hosts-in-namespace", _service_hosts(lambda namespace, _host: namespace, lambda host, _key: host)
)
"""Namespace -> hostnames of its services."""

HOST_NAMESPACES: Final[Index[str, str]] = Index(
    "host-namespaces", _service_hosts(lambda _namespace, host: host, lambda _host, key: key.namespace)
)
"""Hostname -> namespaces that provide it."""

SERVICE_NAMESPACES: Final[Index[str, str]] = Index(
    "service-namespaces", _service_hosts(lambda _namespace, _host: "", lambda _host, key: key.namespace)
)
"""Empty string -> namespaces that have services."""

ALIASES: Final[Index[str, str]] = Index("aliases", {Kind.SERVICE: _alias})
"""Target hostname -> hostnames of the ExternalName Services that point at it."""

SELECTING_SERVICES: Final[Index[SelectedLabel, str]] = Index("selecting-services", {Kind.SERVICE: _selecting_service})
"""A label -> hostnames of the Kubernetes Services that may select a workload because of it."""

SELECTING_ENTRIES: Final[Index[SelectedLabel, str]] = Index("selecting-entries", {Kind.SERVICE_ENTRY: _selecting_entry})
"""A label -> hostnames of the ServiceEntries that may select a workload because of it."""

ENTRY_ADDRESSES: Final[Index[str, str]] = Index("entry-addresses", {Kind.SERVICE_ENTRY: _entry_address})
"""Empty string -> the addresses that ServiceEntries ask for."""

HOSTS_WITHOUT_ADDRESS: Final[Index[str, HostWithoutAddress]] = Index(
    "hosts-without-address", {Kind.SERVICE_ENTRY: _host_without_address}
)
"""Empty string -> the hosts of ServiceEntries that are to get an address, the oldest first."""

CONNECTION_PORTS: Final[Index[ConnectionPort, ObjectKey]] = Index(
    "connection-ports", {Kind.SERVICE_ENTRY: _connection_port}
)
"""Address and number -> the ServiceEntries whose connections there are passed on as they are."""

NETWORK_GATEWAYS: Final[Index[str, ObjectKey]] = Index(
    "network-gateways", {Kind.SERVICE: _network_gateway, Kind.GATEWAY: _network_gateway}
)
"""Empty string -> the Services and Gateway API gateways that are labelled as gateways into a network."""

CLUSTERS: Final[Index[str, str]] = Index("clusters", {Kind.SERVICE: _cluster})
"""Empty string -> the clusters beside the primary one that have services."""
