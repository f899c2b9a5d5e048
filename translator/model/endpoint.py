"""Endpoints: one address and port behind a service, with the workload that serves there.

Each EndpointSlice is converted on its own, so a change of one slice costs that slice and the union of the
service's endpoints, whatever else the mesh holds.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import HOST_OBJECTS, POD_AT_ADDRESS, PODS_IN_NAMESPACE, SLICES_OF_SERVICE
from translator.indexes import WORKLOAD_ENTRIES_IN_NAMESPACE as WORKLOAD_ENTRIES
from translator.model.host import is_ip
from translator.model.service import Service, ServicePort, local_service, service
from translator.model.workload import (
    Workload,
    anonymous_workload,
    entry_workload,
    has_labels,
    is_pod_ready,
    pod_key,
    pod_workload,
)
from translator.objects import core
from translator.objects.registry import Kind, ObjectKey
from translator.objects.service_entry import ServiceEntry, ServiceEntryPort
from translator.objects.workload import WorkloadEntry, WorkloadEntrySpec

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class Health(StrEnum):
    """What discovery knows about the state of an endpoint."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    TERMINATING = "terminating"
    UNKNOWN = "unknown"


class Endpoint(msgspec.Struct, frozen=True):
    """One address and port. ``port_name`` is the service port's name, by which endpoints and ports are joined.

    ``address`` is an IP, a DNS name (then ``has_name``) or an absolute path of a unix socket (then ``port`` is 0);
    empty if only the gateways of the workload's network are known. ``weight`` 0 is unset. ``tls_mode`` is
    what clients with a certificate of the mesh are told of it.
    """

    address: str
    port: int
    port_name: str
    workload: Workload
    health: Health = Health.HEALTHY
    weight: int = 0
    has_name: bool = False
    tls_mode: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether the endpoint is a unix domain socket."""
        return self.address.startswith("/")


_DRAINING_LABEL: Final = "istio.io/draining"


@query
def slice_endpoints(db: Database, key: ObjectKey) -> tuple[Endpoint, ...]:
    """The endpoints of one EndpointSlice; an address that refers to a pod nobody has seen yet is left out."""
    source = db.row(key)
    if not isinstance(source, core.EndpointSlice) or source.address_type == "FQDN":
        return ()
    name = source.metadata.labels[SERVICE_NAME_LABEL]
    hostname = f"{name}.{source.metadata.namespace}.svc.{db.settings.domain_suffix}"
    owner = service(db, source.metadata.namespace, hostname)
    found: list[Endpoint] = []
    for entry in source.endpoints:
        health = _health(entry.conditions, owner)
        for address in entry.addresses:
            workload = _slice_workload(db, key, entry, address)
            if workload is not None:
                found += [
                    _endpoint(address, port.port or 0, port.name or "", workload, health) for port in source.ports
                ]
    return tuple(found)


@query
def service_endpoints(db: Database, namespace: str, hostname: str) -> tuple[Endpoint, ...]:
    """All endpoints of a service: of its EndpointSlices, of ServiceEntries, and of selected workloads.

    Those of all clusters that have the service. An address and port name occurs once in a network, however many
    slices list it.
    """
    owner = service(db, namespace, hostname)
    if owner is None:
        return ()
    unique: dict[tuple[str, str, int, str], Endpoint] = {}
    for endpoint in _all_endpoints(db, owner):
        workload = endpoint.workload
        place = (endpoint.address or workload.name, endpoint.port_name, endpoint.port, workload.network)
        unique.setdefault(place, endpoint)
    return tuple(unique.values())


def _endpoint(  # noqa: PLR0913, PLR0917 - the fields of an endpoint
    address: str, port: int, port_name: str, workload: Workload, health: Health = Health.HEALTHY, weight: int = 0
) -> Endpoint:
    """Istio: a label can mark a workload as draining by hand."""
    if workload.labels.get(_DRAINING_LABEL):
        health = Health.DRAINING
    has_name = bool(address) and not address.startswith("/") and not is_ip(address)
    return Endpoint(address, port, port_name, workload, health, weight, has_name)


def own_endpoints(owner: Service) -> tuple[Endpoint, ...]:
    """The service itself as an endpoint, by its addresses or else by name: where nothing else is known of it."""
    addresses = [address for address in owner.addresses if is_ip(address)] or [owner.hostname]
    itself = Workload(name=owner.source.name, namespace=owner.namespace, labels={})
    return tuple(
        _endpoint(address, port.target_port if isinstance(port.target_port, int) else port.number, port.name, itself)
        for port in owner.ports
        for address in addresses
    )


@query
def service_accounts(db: Database, namespace: str, hostname: str) -> tuple[str, ...]:
    """The identities behind a service, sorted; changes far less often than its endpoints."""
    accounts = {endpoint.workload.service_account for endpoint in service_endpoints(db, namespace, hostname)}
    return tuple(sorted(accounts - {""}))


def _all_endpoints(db: Database, owner: Service) -> Iterator[Endpoint]:
    for key in sorted(db.members(HOST_OBJECTS, (owner.namespace, owner.hostname)), key=lambda key: _age(db, key)):
        if key.kind is Kind.SERVICE:
            for slice_key in db.members(SLICES_OF_SERVICE, (key.namespace, key.name, key.cluster)):
                yield from slice_endpoints(db, slice_key)
            own = local_service(db, owner.namespace, owner.hostname, key.cluster)
            yield from _selected_entries(db, own, key.cluster) if own else ()
        else:
            yield from entry_endpoints(db, key, owner.hostname)


def _age(db: Database, key: ObjectKey) -> tuple[str, str, ObjectKey]:
    source = db.row(key)
    return (key.cluster, source.metadata.creation_timestamp if source else "", key)


@query
def entry_endpoints(db: Database, key: ObjectKey, hostname: str) -> tuple[Endpoint, ...]:
    """The endpoints that a ServiceEntry lists or selects for one of its hosts."""
    source = db.row(key)
    if not isinstance(source, ServiceEntry):
        return ()
    spec, namespace = source.spec, source.metadata.namespace
    if spec.workload_selector is not None:
        return tuple(_selected_workloads(db, source, spec.workload_selector.labels))
    dns = str(spec.resolution) in ("DNS", "DNS_ROUND_ROBIN")
    if not spec.endpoints and dns:
        own = Workload(name=source.metadata.name, namespace=namespace, labels=dict(source.metadata.labels))
        return tuple(
            _endpoint(hostname, port.target_port or port.number, port.name, own, Health.UNKNOWN) for port in spec.ports
        )
    found: list[Endpoint] = []
    for position, entry in enumerate(spec.endpoints):
        workload = entry_workload(db, key._replace(name=f"{key.name}-{position}"), entry, {})
        found += _entry_ports(entry, spec.ports, workload)
    return tuple(found)


def _entry_ports(entry: WorkloadEntrySpec, ports: Iterable[ServiceEntryPort], workload: Workload) -> Iterator[Endpoint]:
    """Istio: unix socket, else the entry's own port of that name, else the target port, else the port itself."""
    for port in ports:
        if entry.address.startswith("unix://"):
            yield _endpoint(entry.address.removeprefix("unix://"), 0, port.name, workload, Health.UNKNOWN, entry.weight)
        elif entry.address or workload.network:
            number = entry_port(entry, port)
            yield _endpoint(entry.address, number, port.name, workload, Health.UNKNOWN, entry.weight)


def _selected_workloads(db: Database, source: ServiceEntry, selector: dict[str, str]) -> Iterator[Endpoint]:
    namespace, dns = source.metadata.namespace, str(source.spec.resolution).startswith("DNS")
    for key in db.members(PODS_IN_NAMESPACE, namespace):
        workload = pod_workload(db, key)
        if workload is None or not has_labels(workload.labels, selector) or not is_pod_ready(db, key):
            continue
        pod = db.row(key)
        if isinstance(pod, core.Pod) and pod.status.pod_ip:
            for port in source.spec.ports:
                number = _container_port(pod, port.name) or port.target_port or port.number
                yield _endpoint(pod.status.pod_ip, number, port.name, workload)
    # Istio: those of all clusters, and so the pods above.
    for entry, workload in _entries(db, db.members(WORKLOAD_ENTRIES, namespace), selector):
        if dns or not entry.address or is_ip(entry.address):
            yield from _entry_ports(entry, source.spec.ports, workload)


def _selected_entries(db: Database, owner: Service, cluster: str) -> Iterator[Endpoint]:
    """Istio: a Kubernetes Service with a selector also takes in the WorkloadEntries of its namespace and cluster."""
    if not owner.selector or owner.headless:
        return
    keys = [key for key in db.members(WORKLOAD_ENTRIES, owner.namespace) if key.cluster == cluster]
    for entry, workload in _entries(db, keys, dict(owner.selector)):
        for port in owner.ports if is_ip(entry.address) or not entry.address else ():
            number = selected_entry_port(entry, port)
            if number:
                yield _endpoint(entry.address, number, port.name, workload, Health.UNKNOWN, entry.weight)


def selected_entry_port(entry: WorkloadEntrySpec, port: ServicePort) -> int:
    """Where a WorkloadEntry serves a port of the Kubernetes Service that selects it; 0 where it does not.

    Istio: a named target port is one of the entry's own, by that name.
    """
    if isinstance(port.target_port, str):
        return entry.ports.get(port.target_port, 0)
    return entry_port(entry, port)


def entry_port(entry: WorkloadEntrySpec, port: ServicePort | ServiceEntryPort) -> int:
    """Where a WorkloadEntry serves a port of a ServiceEntry: at its own of that name, else where the service says."""
    target = port.target_port if isinstance(port.target_port, int) else 0
    return entry.ports.get(port.name) or target or port.number


def _entries(
    db: Database, keys: Iterable[ObjectKey], selector: dict[str, str]
) -> Iterator[tuple[WorkloadEntrySpec, Workload]]:
    for key in keys:
        source = db.row(key)
        if not isinstance(source, WorkloadEntry) or _is_failing(source):
            continue
        workload = entry_workload(db, key, source.spec, source.metadata.labels)
        if has_labels(workload.labels, selector):
            yield source.spec, workload


def _is_failing(source: WorkloadEntry) -> bool:
    """Istio: an auto-registered entry under health checks counts only while its condition is True."""
    if source.metadata.annotations.get("proxy.istio.io/health-checks-enabled") != "true":
        return False
    return not any(each.type == "Healthy" and each.status == "True" for each in source.status.conditions)


def _slice_workload(db: Database, source: ObjectKey, entry: core.SliceEndpoint, address: str) -> Workload | None:
    target = entry.target_ref
    if target is not None and target.kind == "Pod":
        return pod_workload(db, pod_key(target.namespace or source.namespace, target.name, source.cluster))
    keys = db.members(POD_AT_ADDRESS, (source.namespace, address, source.cluster))
    return (pod_workload(db, keys[0]) if keys else None) or anonymous_workload(db, source.cluster, address)


def _health(conditions: core.EndpointConditions, owner: Service | None) -> Health:
    """Kubernetes: unset means ready and serving. Istio: not ready and not known to stay means terminating."""
    if conditions.ready is None or conditions.ready:
        return Health.HEALTHY
    terminating = conditions.terminating is None or conditions.terminating
    serving = conditions.serving is None or conditions.serving
    if owner is not None and owner.persistent_session and serving and terminating:
        return Health.DRAINING
    if owner is not None and terminating:
        return Health.TERMINATING
    return Health.UNHEALTHY


def _container_port(pod: core.Pod, name: str) -> int:
    ports = (port for container in pod.spec.containers for port in container.ports)
    return next((port.container_port for port in ports if name and port.name == name), 0)
