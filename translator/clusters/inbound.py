"""Inbound clusters: the workload itself, port by port."""

from enum import StrEnum
from typing import Final

import msgspec
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.duration_pb2 import Duration

from translator.clusters.circuit_breaker import build_circuit_breakers
from translator.clusters.connection import apply_connection_settings
from translator.clusters.defaults import MeshDefaults, mesh_defaults
from translator.clusters.http_protocol import EXTENSION, HttpSettings, build_http_protocol_options
from translator.clusters.metadata import ServiceName, build_istio_metadata, rule_of, service_name
from translator.clusters.special import build_bypass_bind
from translator.clusters.stat_name import format_stat_name
from translator.database import Database
from translator.engine import query
from translator.model.destination_rule import effective_policy, policy_for
from translator.model.ingress import ingress_protocol
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, ServiceTarget, ViewKey
from translator.model.service import service
from translator.names import inbound_cluster
from translator.objects.destination_rule import ConnectionPoolSettings
from translator.objects.mesh_config import InboundTrafficMode
from translator.objects.registry import ObjectKey
from translator.objects.sidecar import IngressListener, Sidecar
from translator.pb import encode, pack
from xds.resource import Resource
from xds.types import CLUSTER


class InboundKey(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """What an inbound cluster is built for. ``targets`` are the service ports at this port, the oldest first."""

    namespace: str
    port: int
    families: IpFamilies
    intercepted: bool
    sidecar: ObjectKey | None = None
    targets: tuple[ServiceTarget, ...] = ()


class Delivery(StrEnum):
    """Where a proxy delivers what arrives for its workload."""

    AS_ADDRESSED = "as-addressed"
    """To the address that the client dialled, by way of an address that is not intercepted again."""
    LOOPBACK = "loopback"
    SOCKET = "socket"


class InboundTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where to deliver; ``port`` 0 leaves it as the client dialled it."""

    delivery: Delivery
    port: int = 0
    path: str = ""


class InboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that shapes an inbound cluster."""

    name: str
    families: IpFamilies
    target: InboundTarget
    protocol: Protocol
    services: tuple[ServiceName, ...]
    rule: ObjectKey | None
    pool: ConnectionPoolSettings | None
    stat_name: str
    defaults: MeshDefaults


# Istio: the longest time that Envoy accepts; connections of the workload must not be cut by cleaning up its address.
_NEVER: Final = Duration(seconds=9_223_372_035)


def inbound_keys(db: Database, view: ViewKey, sidecar: ObjectKey | None) -> tuple[InboundKey, ...]:
    """The ports of the workload that get clusters.

    Istio: those of the Sidecar's ingress if there is one, else the target ports of the services; without
    interception, nothing arrives but what an ingress listener is declared for.
    """
    source = db.row(sidecar) if sidecar else None
    ingress = source.spec.ingress if isinstance(source, Sidecar) else ()
    intercepted = view.capture is not Capture.NONE
    if ingress:
        ports = [listener.port.number for listener in ingress]
    else:
        ports = [target.target_port for target in view.targets] if intercepted else []
    return tuple(
        InboundKey(
            namespace=view.namespace,
            port=port,
            families=view.families,
            intercepted=intercepted,
            sidecar=sidecar,
            targets=tuple(target for target in view.targets if target.target_port == port),
        )
        for port in dict.fromkeys(ports)
    )


@query
def inbound(db: Database, key: InboundKey) -> Resource:
    """The cluster for a port of the workload."""
    inputs = inbound_inputs(db, key)
    return Resource(CLUSTER, inputs.name, encode(build_inbound_cluster(inputs)))


@query
def inbound_inputs(db: Database, key: InboundKey) -> InboundInputs:
    """Select what shapes the cluster.

    Istio: among services that share the port, the oldest gives protocol and policy, and of its policy only the
    connection pool holds for traffic to oneself.
    """
    source = db.row(key.sidecar) if key.sidecar else None
    sidecar = source if isinstance(source, Sidecar) else None
    ingress = _ingress(sidecar, key.port)
    primary = key.targets[0] if key.targets else None
    defaults = mesh_defaults(db)
    owner = service(db, primary.namespace, primary.hostname) if primary else None
    rules = effective_policy(db, key.namespace, (), primary.namespace, primary.hostname) if primary else None
    policy = policy_for(rules, primary.port.number if primary else 0, defaults=defaults.traffic_policy)
    return InboundInputs(
        name=inbound_cluster(key.port),
        families=key.families,
        target=_target(ingress, key, defaults.inbound_mode),
        protocol=_protocol(ingress, primary),
        services=_service_names(db, key.targets),
        rule=rule_of(rules),
        pool=_own_pool(sidecar, ingress) or policy.connection_pool,
        stat_name=format_stat_name(defaults.inbound_stat_name, owner, primary.port, target_port=key.port)
        if owner and primary
        else "",
        defaults=defaults,
    )


def build_inbound_cluster(inputs: InboundInputs) -> Cluster:
    """The message."""
    cluster = Cluster(name=inputs.name, alt_stat_name=inputs.stat_name)
    apply_connection_settings(cluster, inputs.pool, inputs.defaults)
    cluster.circuit_breakers.CopyFrom(build_circuit_breakers(inputs.pool))
    _apply_target(cluster, inputs)
    http = HttpSettings(
        protocol=inputs.protocol,
        detects=True,
        pool=inputs.pool,
        preserve_case=inputs.defaults.preserve_header_case,
    )
    options = build_http_protocol_options(http)
    if options is not None:
        cluster.typed_extension_protocol_options[EXTENSION].CopyFrom(pack(options))
    if inputs.services:
        metadata = build_istio_metadata(inputs.services, rule=inputs.rule)
        cluster.metadata.filter_metadata["istio"].CopyFrom(metadata)
    return cluster


def parse_default_endpoint(text: str) -> InboundTarget:
    """The meaning of ``defaultEndpoint``.

    Istio: empty is as addressed; a loopback address is the loopback; a wildcard address is the workload's own, which
    is what the client has dialled, so only the port differs.
    """
    if not text:
        return InboundTarget(delivery=Delivery.AS_ADDRESSED)
    if text.startswith("unix://"):
        return InboundTarget(delivery=Delivery.SOCKET, path=text.removeprefix("unix://"))
    host, _, port = text.rpartition(":")
    wildcard = host.strip("[]") in ("0.0.0.0", "::")  # noqa: S104 - only compared with
    return InboundTarget(delivery=Delivery.AS_ADDRESSED if wildcard else Delivery.LOOPBACK, port=int(port))


def _target(ingress: IngressListener | None, key: InboundKey, mode: InboundTrafficMode) -> InboundTarget:
    """Without interception nobody knows what a client dialled beyond the listener: the loopback takes its place."""
    if ingress is not None:
        target = parse_default_endpoint(ingress.default_endpoint)
    else:
        passthrough = mode is InboundTrafficMode.PASSTHROUGH
        target = InboundTarget(delivery=Delivery.AS_ADDRESSED if passthrough else Delivery.LOOPBACK)
    if target.delivery is Delivery.AS_ADDRESSED and key.intercepted:
        return target
    delivery = Delivery.SOCKET if target.delivery is Delivery.SOCKET else Delivery.LOOPBACK
    return InboundTarget(delivery=delivery, port=target.port or key.port, path=target.path)


def _apply_target(cluster: Cluster, inputs: InboundInputs) -> None:
    target = inputs.target
    if target.delivery is Delivery.AS_ADDRESSED:
        cluster.type = Cluster.ORIGINAL_DST
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        cluster.cleanup_interval.CopyFrom(_NEVER)
        cluster.upstream_bind_config.CopyFrom(build_bypass_bind(inputs.families))
        if target.port:
            cluster.original_dst_lb_config.upstream_port_override.value = target.port
        return
    cluster.type = Cluster.STATIC
    cluster.load_assignment.CopyFrom(_local_assignment(inputs))


def _local_assignment(inputs: InboundInputs) -> ClusterLoadAssignment:
    assignment = ClusterLoadAssignment(cluster_name=inputs.name)
    address = assignment.endpoints.add().lb_endpoints.add().endpoint.address
    if inputs.target.delivery is Delivery.SOCKET:
        address.pipe.path = inputs.target.path
    else:
        address.socket_address.address = "::1" if inputs.families is IpFamilies.V6 else "127.0.0.1"
        address.socket_address.port_value = inputs.target.port
    return assignment


def _ingress(sidecar: Sidecar | None, port: int) -> IngressListener | None:
    listeners = sidecar.spec.ingress if sidecar else ()
    return next((listener for listener in listeners if listener.port.number == port), None)


def _own_pool(sidecar: Sidecar | None, ingress: IngressListener | None) -> ConnectionPoolSettings | None:
    """Istio: a pool in the Sidecar replaces the rules' pool as a whole, one at the listener the Sidecar's."""
    own = ingress.connection_pool if ingress else None
    return own or (sidecar.spec.inbound_connection_pool if sidecar else None)


def _protocol(ingress: IngressListener | None, primary: ServiceTarget | None) -> Protocol:
    if ingress is not None:
        return ingress_protocol(ingress)
    return primary.port.protocol if primary else Protocol.AUTO


def _service_names(db: Database, targets: tuple[ServiceTarget, ...]) -> tuple[ServiceName, ...]:
    """Istio: of the services at the port, those whose own port is that of the oldest one."""
    alike = [target for target in targets if target.port.number == targets[0].port.number]
    owners = (service(db, target.namespace, target.hostname) for target in alike)
    return tuple(dict.fromkeys(service_name(owner) for owner in owners if owner is not None))
