"""Which of a workload's own ports its sidecar serves, and how."""

from collections.abc import Iterable, Iterator

import msgspec

from translator.clusters.stat_name import format_stat_name
from translator.database import Database
from translator.engine import query
from translator.listeners.address import wildcards
from translator.listeners.inbound_mode import MutualTLS
from translator.listeners.settings import listener_settings
from translator.model.protocol import Protocol, parse_protocol
from translator.model.proxy import Capture, IpFamilies, ServiceTarget, ViewKey
from translator.model.scope import ScopeKey, scope_key
from translator.model.service import service
from translator.names import inbound_cluster, listener
from translator.objects.sidecar import CaptureMode, IngressListener, Sidecar


class InboundPort(msgspec.Struct, frozen=True, kw_only=True):
    """One port of the workload. ``service_port`` and ``hostname`` are those of its oldest service.

    ``bind`` names the chains, or is where a listener of its own binds; connections count under ``stat_name``.
    """

    bind: str
    port: int
    service_port: int
    hostname: str
    protocol: Protocol
    mode: MutualTLS
    stat_name: str

    @property
    def name(self) -> str:
        """The name of the port's chains, or of its listener."""
        return listener(self.bind, self.port)


class InboundPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The ports served behind the virtual inbound listener by number, and those with a listener of their own."""

    captured: tuple[InboundPort, ...] = ()
    real: tuple[InboundPort, ...] = ()


class InboundKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the inbound side of a proxy depends on."""

    scope: ScopeKey
    targets: tuple[ServiceTarget, ...]
    capture: Capture
    families: IpFamilies
    bind: str = ""


def inbound_key(db: Database, view: ViewKey) -> InboundKey:
    """What the inbound side of a View depends on."""
    return InboundKey(
        scope=scope_key(db, view),
        targets=view.targets,
        capture=view.capture,
        families=view.families,
        bind=view.bind,
    )


@query
def inbound_plan(db: Database, key: InboundKey) -> InboundPlan:
    """The ports that a proxy serves for its workload.

    Istio: those of its services, or, if its Sidecar lists any, those of the Sidecar alone. Without interception
    there is nothing to serve but what a Sidecar lists: everything else arrives at the workload directly.
    """
    source = db.row(key.scope.sidecar) if key.scope.sidecar else None
    ingress = source.spec.ingress if isinstance(source, Sidecar) else ()
    if ingress:
        return _ingress_plan(key, ingress)
    if key.capture is Capture.NONE:
        return InboundPlan()
    return InboundPlan(captured=_by_number(_service_ports(db, key)))


def port_mode() -> MutualTLS:
    """What is asked of clients at a port: nothing, as long as the mesh issues no certificates."""
    return MutualTLS.DISABLE


def _service_ports(db: Database, key: InboundKey) -> Iterator[InboundPort]:
    bind = wildcards(key.families)[0]
    for target in key.targets:
        yield InboundPort(
            bind=bind,
            port=target.target_port,
            service_port=target.port.number,
            hostname=target.hostname,
            protocol=target.port.protocol,
            mode=port_mode(),
            stat_name=_stat_name(db, target),
        )


def _stat_name(db: Database, target: ServiceTarget) -> str:
    """The name of the cluster, unless the mesh has a pattern for it."""
    pattern = listener_settings(db).inbound_stat_name
    owner = service(db, target.namespace, target.hostname) if pattern else None
    name = format_stat_name(pattern, owner, target.port, target_port=target.target_port) if owner else ""
    return name or inbound_cluster(target.target_port)


def _ingress_plan(key: InboundKey, ingress: Iterable[IngressListener]) -> InboundPlan:
    captured: list[InboundPort] = []
    real: list[InboundPort] = []
    for each in ingress:
        own_socket = each.capture_mode is CaptureMode.NONE or (
            each.capture_mode is CaptureMode.DEFAULT and key.capture is Capture.NONE
        )
        (real if own_socket else captured).append(_ingress_port(key, each, own_socket=own_socket))
    return InboundPlan(captured=_by_number(captured), real=_by_number(real))


def _ingress_port(key: InboundKey, ingress: IngressListener, *, own_socket: bool) -> InboundPort:
    implied = key.bind if own_socket and key.bind else wildcards(key.families)[0]
    return InboundPort(
        bind=ingress.bind or implied,
        port=ingress.port.number,
        service_port=ingress.port.number,
        hostname="",
        protocol=parse_protocol(ingress.port.protocol),
        mode=port_mode(),
        stat_name=inbound_cluster(ingress.port.number),
    )


def _by_number(ports: Iterable[InboundPort]) -> tuple[InboundPort, ...]:
    """Each port once: the first (that of the oldest service) says what it is."""
    distinct: dict[int, InboundPort] = {}
    for each in ports:
        if each.protocol is not Protocol.UDP:
            distinct.setdefault(each.port, each)
    return tuple(distinct[number] for number in sorted(distinct))
