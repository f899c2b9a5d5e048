"""Which of a workload's own ports its sidecar serves, and how."""

from collections.abc import Iterable, Iterator

import msgspec

from translator.clusters.stat_name import format_stat_name
from translator.database import Database
from translator.engine import query
from translator.listeners.address import wildcards
from translator.listeners.settings import listener_settings
from translator.model.authorization import authorizing_policies
from translator.model.ingress import ended_tls, ingress_protocol
from translator.model.peer_authentication import NO_MUTUAL_TLS, MutualTLS, PeerPolicy, peer_rules
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, Labels, ServiceTarget, ViewKey
from translator.model.scope import ScopeKey, scope_key
from translator.model.service import service
from translator.names import inbound_cluster, listener
from translator.objects.gateway import ServerTLSSettings
from translator.objects.registry import ObjectKey
from translator.objects.sidecar import CaptureMode, IngressListener, Sidecar


class InboundPort(msgspec.Struct, frozen=True, kw_only=True):
    """One port of the workload. ``service_port`` and ``hostname`` are those of its oldest service.

    ``bind`` names the chains, or is where a listener of its own binds; connections count under ``stat_name``.
    ``tls``: what clients have to speak; the ``protocol`` is that behind it.
    """

    bind: str
    port: int
    service_port: int
    hostname: str
    protocol: Protocol
    mode: MutualTLS
    stat_name: str
    tls: ServerTLSSettings | None = None

    @property
    def name(self) -> str:
        """The name of the port's chains, or of its listener."""
        return listener(self.bind, self.port)


class InboundPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The ports served behind the virtual inbound listener by number, and those with a listener of their own.

    ``policy``: what is asked of clients, also at ports that nobody declared.
    """

    captured: tuple[InboundPort, ...] = ()
    real: tuple[InboundPort, ...] = ()
    policy: PeerPolicy = NO_MUTUAL_TLS

    @property
    def undeclared(self) -> tuple[tuple[int, MutualTLS], ...]:
        """The ports that the policy names, and nothing else does."""
        declared = {each.port for each in (*self.captured, *self.real)}
        return tuple((port, mode) for port, mode in self.policy.ports if port not in declared)


class InboundKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the inbound side of a proxy depends on.

    ``labels`` are those by which policies for peers select; ``authorizing`` are the policies about callers that hold.
    """

    scope: ScopeKey
    targets: tuple[ServiceTarget, ...]
    capture: Capture
    families: IpFamilies
    bind: str = ""
    labels: Labels = ()
    has_identity: bool = False
    authorizing: tuple[ObjectKey, ...] = ()


def inbound_key(db: Database, view: ViewKey) -> InboundKey:
    """What the inbound side of a View depends on."""
    selecting = {name for rule in peer_rules(db, view.namespace).rules for name, _ in rule.selector}
    return InboundKey(
        scope=scope_key(db, view),
        targets=view.targets,
        capture=view.capture,
        families=view.families,
        bind=view.bind,
        labels=tuple(pair for pair in view.labels if pair[0] in selecting) if view.has_identity else (),
        has_identity=view.has_identity,
        authorizing=authorizing_policies(db, view),
    )


@query
def inbound_plan(db: Database, key: InboundKey) -> InboundPlan:
    """The ports that a proxy serves for its workload.

    Istio: those of its services, or, if its Sidecar lists any, those of the Sidecar alone. Without interception
    there is nothing to serve but what a Sidecar lists: everything else arrives at the workload directly.
    """
    source = db.row(key.scope.sidecar) if key.scope.sidecar else None
    ingress = source.spec.ingress if isinstance(source, Sidecar) else ()
    policy = _peer_policy(db, key)
    if ingress:
        return _ingress_plan(key, ingress, policy)
    if key.capture is Capture.NONE:
        return InboundPlan(policy=policy)
    return InboundPlan(captured=_by_number(_service_ports(db, key, policy)), policy=policy)


def _peer_policy(db: Database, key: InboundKey) -> PeerPolicy:
    """What is asked of clients. A proxy that has no certificate to show cannot ask for any."""
    if not key.has_identity:
        return NO_MUTUAL_TLS
    return peer_rules(db, key.scope.namespace).policy_for(dict(key.labels))


def _service_ports(db: Database, key: InboundKey, policy: PeerPolicy) -> Iterator[InboundPort]:
    bind = wildcards(key.families)[0]
    for target in key.targets:
        yield InboundPort(
            bind=bind,
            port=target.target_port,
            service_port=target.port.number,
            hostname=target.hostname,
            protocol=target.port.protocol,
            mode=policy.at(target.target_port),
            stat_name=_stat_name(db, target),
        )


def _stat_name(db: Database, target: ServiceTarget) -> str:
    """The name of the cluster, unless the mesh has a pattern for it."""
    pattern = listener_settings(db).inbound_stat_name
    owner = service(db, target.namespace, target.hostname) if pattern else None
    name = format_stat_name(pattern, owner, target.port, target_port=target.target_port) if owner else ""
    return name or inbound_cluster(target.target_port)


def _ingress_plan(key: InboundKey, ingress: Iterable[IngressListener], policy: PeerPolicy) -> InboundPlan:
    captured: list[InboundPort] = []
    real: list[InboundPort] = []
    for each in ingress:
        own_socket = each.capture_mode is CaptureMode.NONE or (
            each.capture_mode is CaptureMode.DEFAULT and key.capture is Capture.NONE
        )
        implied = key.bind if own_socket and key.bind else wildcards(key.families)[0]
        (real if own_socket else captured).append(_ingress_port(each, implied, policy))
    return InboundPlan(captured=_by_number(captured), real=_by_number(real), policy=policy)


def _ingress_port(ingress: IngressListener, implied: str, policy: PeerPolicy) -> InboundPort:
    """The port of an ingress listener; ``implied`` is where it binds if it does not say.

    Istio: its own TLS is for ports at which nobody is asked for that of the mesh.
    """
    mode = policy.at(ingress.port.number)
    return InboundPort(
        bind=ingress.bind or implied,
        port=ingress.port.number,
        service_port=ingress.port.number,
        hostname="",
        protocol=ingress_protocol(ingress),
        mode=mode,
        stat_name=inbound_cluster(ingress.port.number),
        tls=ended_tls(ingress) if mode is MutualTLS.DISABLE else None,
    )


def _by_number(ports: Iterable[InboundPort]) -> tuple[InboundPort, ...]:
    """Each port once: the first (that of the oldest service) says what it is."""
    distinct: dict[int, InboundPort] = {}
    for each in ports:
        if each.protocol is not Protocol.UDP:
            distinct.setdefault(each.port, each)
    return tuple(distinct[number] for number in sorted(distinct))
