"""Proxies: connected Envoys, what their Node says of them, and the class of proxies (View) each belongs to."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

import msgspec
from envoy.config.core.v3 import base_pb2
from google.protobuf.json_format import MessageToDict

from translator.database import Database
from translator.engine import query
from translator.indexes import (
    AUTHORIZATION_LABELS,
    LOCALITY_RULES,
    NODE_RULES,
    SELECTED_LABELS,
    SELECTING_SERVICES,
    SERVICES_AT_ADDRESS,
    SelectedLabel,
)
from translator.model.cluster import home_cluster
from translator.model.host import kubernetes_host
from translator.model.machine import ServedPort, machine_ports
from translator.model.protocol import Protocol
from translator.model.service import Service, ServicePort, local_service, service
from translator.model.workload import Workload, has_labels, locality_label, pod_key, pod_workload
from translator.objects import core
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.objects.registry import Kind, ObjectKey

Labels = tuple[tuple[str, str], ...]

_NODE_ID_PARTS: Final = 4
# Istio: what a Node asks for with its metadata GENERATOR.
_PROXYLESS: Final = "grpc"


class NodeError(Exception):
    """An Envoy announced itself with a Node that cannot be served; the text says why."""


class Role(StrEnum):
    """What a proxy is there for; the values are those of Istio's node IDs."""

    SIDECAR = "sidecar"
    GATEWAY = "router"


class Capture(StrEnum):
    """How traffic gets into a sidecar (Istio: INTERCEPTION_MODE)."""

    REDIRECT = "REDIRECT"
    TPROXY = "TPROXY"
    NONE = "NONE"


class IpFamilies(StrEnum):
    """Which IP versions a proxy has addresses of."""

    V4 = "v4"
    V6 = "v6"
    DUAL = "dual"


_ROLES: Final = {role.value: role for role in Role}
_CAPTURES: Final = {capture.value: capture for capture in Capture}


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """One connected Envoy, as its Node describes it. ``pod_ports`` are (name, transport, number) of its containers.

    ``proxyless``: it is no Envoy at all, but an application with gRPC's own xDS client. ``has_identity``: it is who it
    says, and gets a certificate of the mesh that says so. ``network_view``: the networks whose endpoints it asks for,
    empty for all.
    """

    role: Role
    name: str
    namespace: str
    addresses: tuple[str, ...]
    dns_domain: str
    cluster_id: str = ""
    network: str = ""
    network_view: tuple[str, ...] = ()
    locality: str = ""
    labels: Labels = ()
    capture: Capture = Capture.REDIRECT
    pod_ports: tuple[tuple[str, str, int], ...] = ()
    reserved_ports: tuple[int, ...] = ()
    unprivileged: bool = False
    http10: bool = False
    idle_timeout: Duration | None = None
    balances_outbound: bool = False
    balances_inbound: bool = False
    http_proxy_port: int = 0
    answers_dns: bool = False
    proxyless: bool = False
    has_identity: bool = False

    @property
    def id(self) -> str:
        """How people name a proxy: ``pod.namespace``."""
        return f"{self.name}.{self.namespace}"


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What a Node asks of the listeners of one direction.

    ``http10``: they take HTTP/1.0. ``idle_timeout``: how long a connection may be silent; None leaves it to others.
    ``exact_balance``: Envoy spreads connections evenly over its threads.
    """

    http10: bool = False
    idle_timeout: Duration | None = None
    exact_balance: bool = False


class ServiceTarget(msgspec.Struct, frozen=True):
    """A service port that a workload serves, and at which of its own ports."""

    hostname: str
    namespace: str
    port: ServicePort
    target_port: int


class DatagramPort(NamedTuple):
    """A UDP port of a service, and the port of the workload behind it."""

    number: int
    target: int


class ViewKey(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """Everything about a proxy that its configuration depends on; proxies with equal keys share one View.

    ``labels`` are only those that some rule selects by; ``locality`` and ``node`` are empty unless they matter;
    ``own_addresses`` are given only to members of headless services, which must not dial themselves; ``bind``
    is where a sidecar without interception listens; ``answers_dns``: its workload's DNS questions come to it;
    ``has_identity``: it can show a certificate of the mesh; ``network_view``: the networks it sees, empty for all.
    """

    role: Role
    namespace: str
    dns_domain: str
    cluster_id: str = ""
    network: str = ""
    network_view: tuple[str, ...] = ()
    labels: Labels = ()
    locality: str = ""
    node: str = ""
    capture: Capture = Capture.REDIRECT
    families: IpFamilies = IpFamilies.V4
    bind: str = ""
    targets: tuple[ServiceTarget, ...] = ()
    datagram_ports: tuple[DatagramPort, ...] = ()
    own_addresses: tuple[str, ...] = ()
    reserved_ports: tuple[int, ...] = ()
    unprivileged: bool = False
    outbound: Tuning = Tuning()
    inbound: Tuning = Tuning()
    http_proxy_port: int = 0
    answers_dns: bool = False
    proxyless: bool = False
    has_identity: bool = False


def parse_node(node: base_pb2.Node) -> Proxy:
    """The proxy that a Node announces.

    Istio: the id is ``type~ip~name.namespace~dnsDomain``; metadata values are strings, booleans included.
    Raises NodeError when the Node cannot be used.
    """
    parts = node.id.split("~")
    if len(parts) != _NODE_ID_PARTS:
        message = f"node id {node.id!r} does not have the form type~ip~name.namespace~domain"
        raise NodeError(message)
    kind, address, full_name, domain = parts
    metadata = MessageToDict(node.metadata)
    name, _, namespace_of_id = full_name.partition(".")
    namespace = _text(metadata, "NAMESPACE") or namespace_of_id or domain.partition(".")[0]
    if not name or not namespace:
        message = f"node id {node.id!r} names no workload and namespace"
        raise NodeError(message)
    role = _ROLES.get(kind)
    if role is None:
        message = f"node id {node.id!r} has the unsupported type {kind!r}; expected sidecar or router"
        raise NodeError(message)
    labels = metadata.get("LABELS")
    label_pairs = labels.items() if isinstance(labels, Mapping) else ()
    proxyless = role is Role.SIDECAR and _text(metadata, "GENERATOR") == _PROXYLESS
    return Proxy(
        role=role,
        name=name,
        namespace=namespace,
        addresses=_addresses(metadata, address, node.id),
        dns_domain=domain,
        cluster_id=_text(metadata, "CLUSTER_ID"),
        network=_text(metadata, "NETWORK"),
        network_view=_list(_text(metadata, "REQUESTED_NETWORK_VIEW")),
        locality=_locality(node.locality),
        labels=tuple(sorted((str(name), str(value)) for name, value in label_pairs)),
        capture=Capture.NONE if proxyless else _capture(_text(metadata, "INTERCEPTION_MODE")),
        pod_ports=_pod_ports(_text(metadata, "POD_PORTS")),
        reserved_ports=tuple(
            int(port)
            for key in ("ENVOY_STATUS_PORT", "ENVOY_PROMETHEUS_PORT")
            if (port := _text(metadata, key)).isdigit()
        ),
        unprivileged=_flag(metadata, "UNPRIVILEGED_POD"),
        http10=_flag(metadata, "HTTP10"),
        idle_timeout=_duration(_text(metadata, "IDLE_TIMEOUT")),
        balances_outbound=_flag(metadata, "OUTBOUND_LISTENER_EXACT_BALANCE"),
        balances_inbound=_flag(metadata, "INBOUND_LISTENER_EXACT_BALANCE"),
        http_proxy_port=int(port) if (port := _text(metadata, "HTTP_PROXY_PORT")).isdigit() else 0,
        answers_dns=role is Role.SIDECAR and not proxyless and _flag(metadata, "DNS_CAPTURE"),
        proxyless=proxyless,
    )


@query
def view_key(db: Database, proxy: Proxy) -> ViewKey:
    """The View that a proxy belongs to now. Changes when its pod, or a rule that could select it, changes."""
    workload = pod_workload(db, pod_key(proxy.namespace, proxy.name, home_cluster(db, proxy.cluster_id)))
    labels = workload.labels if workload else dict(proxy.labels)
    # Nothing is done for calls that come to an application which has no proxy.
    targets = () if proxy.proxyless else service_targets(db, proxy)
    families = _families(proxy.addresses)
    own = proxy.addresses[0]
    loopback_pod = proxy.capture is Capture.NONE and ip_address(own).is_loopback
    return ViewKey(
        role=proxy.role,
        namespace=proxy.namespace,
        dns_domain=proxy.dns_domain,
        cluster_id=proxy.cluster_id,
        network=proxy.network or (workload.network if workload else ""),
        network_view=proxy.network_view,
        labels=_selected_labels(db, proxy, labels),
        locality=_relevant_locality(db, proxy, workload, labels),
        node=workload.node if workload and db.members(NODE_RULES, "") else "",
        capture=proxy.capture if proxy.role is Role.SIDECAR else Capture.NONE,
        families=families,
        bind=own if loopback_pod and proxy.role is Role.SIDECAR and not proxy.proxyless else "",
        targets=targets,
        datagram_ports=datagram_ports(db, proxy) if proxy.role is Role.GATEWAY else (),
        own_addresses=proxy.addresses if _serves_headless(db, targets) else (),
        reserved_ports=proxy.reserved_ports,
        unprivileged=proxy.unprivileged,
        outbound=_outbound_tuning(proxy),
        inbound=_inbound_tuning(proxy),
        http_proxy_port=proxy.http_proxy_port if proxy.role is Role.SIDECAR else 0,
        answers_dns=proxy.answers_dns,
        proxyless=proxy.proxyless,
        has_identity=proxy.has_identity and not proxy.proxyless,
    )


def _outbound_tuning(proxy: Proxy) -> Tuning:
    return Tuning(http10=proxy.http10, idle_timeout=proxy.idle_timeout, exact_balance=proxy.balances_outbound)


def _inbound_tuning(proxy: Proxy) -> Tuning:
    """Gateways have nothing inbound: whatever a Node says of it must not tell them apart."""
    if proxy.role is Role.GATEWAY:
        return Tuning()
    return Tuning(http10=proxy.http10, idle_timeout=proxy.idle_timeout, exact_balance=proxy.balances_inbound)


@query
def service_targets(db: Database, proxy: Proxy) -> tuple[ServiceTarget, ...]:
    """The service ports that a proxy's workload serves, oldest service first.

    Istio: what the WorkloadEntry at its address serves; else the services that select the pod; if there are none, the
    services that list its address; while the pod is unknown, those that select the labels of the Node.
    """
    itself = ObjectKey(Kind.WORKLOAD_ENTRY, proxy.namespace, proxy.name, home_cluster(db, proxy.cluster_id))
    served: Iterable[ServedPort] = machine_ports(db, itself, proxy.addresses[0])
    if not served:
        found = sorted(_selecting(db, proxy) or _listing(db, proxy), key=lambda each: each.age)
        served = (
            ServedPort(each, port, _resolve_target_port(db, proxy, port)) for each in found for port in each.ports
        )
    targets: dict[tuple[Service, int, Protocol], ServiceTarget] = {}
    for owner, port, number in served:
        if port.protocol is not Protocol.UDP and number:
            target = ServiceTarget(owner.hostname, owner.namespace, port, number)
            targets.setdefault((owner, number, port.protocol), target)
    return tuple(targets.values())


@query
def datagram_ports(db: Database, proxy: Proxy) -> tuple[DatagramPort, ...]:
    """The UDP ports of the services that a proxy's workload serves, those of the oldest service first."""
    found = sorted(_selecting(db, proxy) or _listing(db, proxy), key=lambda each: each.age)
    ports = (port for owner in found for port in owner.ports if port.protocol is Protocol.UDP)
    pairs = (DatagramPort(port.number, _resolve_target_port(db, proxy, port, "UDP")) for port in ports)
    return tuple(dict.fromkeys(pair for pair in pairs if pair.target))


def _selecting(db: Database, proxy: Proxy) -> list[Service]:
    cluster = home_cluster(db, proxy.cluster_id)
    pod = db.get(core.Pod, proxy.namespace, proxy.name, cluster)
    labels = pod.metadata.labels if pod else dict(proxy.labels)
    entries = (SelectedLabel(proxy.namespace, cluster, label) for label in labels.items())
    hosts = {host for entry in entries for host in db.members(SELECTING_SERVICES, entry)}
    candidates = (local_service(db, proxy.namespace, host, cluster) for host in sorted(hosts))
    return [each for each in candidates if each is not None and has_labels(labels, each.selector)]


def _listing(db: Database, proxy: Proxy) -> list[Service]:
    cluster = home_cluster(db, proxy.cluster_id)
    names = db.members(SERVICES_AT_ADDRESS, (proxy.namespace, proxy.addresses[0], cluster))
    hosts = (kubernetes_host(name, proxy.namespace, db.settings.domain_suffix) for name in names)
    candidates = (local_service(db, proxy.namespace, host, cluster) for host in hosts)
    return [each for each in candidates if each is not None and not each.selector]


def _resolve_target_port(db: Database, proxy: Proxy, port: ServicePort, transport: str = "TCP") -> int:
    """A named target port is looked up in the containers, then in restartable init containers; 0 if not found."""
    if isinstance(port.target_port, int):
        return port.target_port or port.number
    if port.target_port is None:
        return port.number
    pod = db.get(core.Pod, proxy.namespace, proxy.name, home_cluster(db, proxy.cluster_id))
    if pod is None:
        known: Iterator[tuple[str, str, int]] = iter(proxy.pod_ports)
    else:
        sidecars = (each for each in pod.spec.init_containers if each.restart_policy == "Always")
        known = (
            (each.name, each.protocol, each.container_port)
            for container in (*pod.spec.containers, *sidecars)
            for each in container.ports
        )
    return next((number for name, used, number in known if name == port.target_port and used == transport), 0)


def failover_labels(mesh: MeshConfig) -> set[str]:
    """The label names by which failover, as far as the mesh's settings say, compares proxies with endpoints."""
    settings = (mesh.locality_lb_setting, mesh.zone_aware_lb_setting)
    return {label.partition("=")[0] for setting in settings if setting for label in setting.failover_priority}


def _selected_labels(db: Database, proxy: Proxy, labels: Mapping[str, str]) -> Labels:
    scopes = [proxy.namespace, ""]
    if proxy.role is Role.GATEWAY:
        scopes.append("gateway")
    wanted = {label for scope in scopes for label in db.members(SELECTED_LABELS, scope)}
    mesh = db.settings.mesh
    wanted.update(failover_labels(mesh))
    wanted.update(
        label for place in {proxy.namespace, mesh.root_namespace} for label in db.members(AUTHORIZATION_LABELS, place)
    )
    return tuple(sorted((name, labels[name]) for name in wanted if name in labels))


def _relevant_locality(db: Database, proxy: Proxy, workload: Workload | None, labels: Mapping[str, str]) -> str:
    mesh = db.settings.mesh.locality_lb_setting
    if not db.members(LOCALITY_RULES, "") and not mesh.distribute:
        return ""
    known = workload.locality if workload else locality_label(labels)
    return known or proxy.locality


def _serves_headless(db: Database, targets: tuple[ServiceTarget, ...]) -> bool:
    owners = (service(db, target.namespace, target.hostname) for target in targets)
    return any(owner is not None and owner.headless for owner in owners)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _addresses(metadata: Mapping[str, Any], address: str, node_id: str) -> tuple[str, ...]:
    listed = _list(_text(metadata, "INSTANCE_IPS"))
    for candidates in (listed, (address,)):
        if candidates and all(_is_address(candidate) for candidate in candidates):
            return candidates
    message = f"node id {node_id!r} holds no valid IP address, and neither does the metadata INSTANCE_IPS"
    raise NodeError(message)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _families(addresses: tuple[str, ...]) -> IpFamilies:
    versions = {ip_address(address).version for address in addresses}
    if versions == {4}:
        return IpFamilies.V4
    return IpFamilies.V6 if versions == {6} else IpFamilies.DUAL


def _capture(text: str) -> Capture:
    """Istio: an empty or unknown mode is REDIRECT."""
    return _CAPTURES.get(text.upper(), Capture.REDIRECT)


def _duration(text: str) -> Duration | None:
    """Istio: Go's form of durations. One that cannot be read counts as none."""
    try:
        return Duration.parse(text) if text else None
    except ValueError:
        return None


def _pod_ports(text: str) -> tuple[tuple[str, str, int], ...]:
    """Istio: a JSON text inside the metadata. One that cannot be read only loses named target ports."""
    try:
        ports = msgspec.json.decode(text or "[]", type=tuple[core.ContainerPort, ...])
    except msgspec.DecodeError:
        return ()
    return tuple((port.name, port.protocol, port.container_port) for port in ports)


def _locality(locality: base_pb2.Locality) -> str:
    if not (locality.region or locality.zone or locality.sub_zone):
        return ""
    return f"{locality.region}/{locality.zone}/{locality.sub_zone}"


def _text(metadata: Mapping[str, Any], key: str) -> str:
    value = metadata.get(key, "")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _flag(metadata: Mapping[str, Any], key: str) -> bool:
    return _text(metadata, key).lower() in ("true", "1")
