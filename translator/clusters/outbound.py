"""Outbound clusters: a service port, or a subset of it, as clients reach it."""

from typing import Final

import msgspec
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from google.protobuf.duration_pb2 import Duration

from translator.clusters.circuit_breaker import build_circuit_breakers
from translator.clusters.connection import apply_connection_settings
from translator.clusters.defaults import MeshDefaults, mesh_defaults
from translator.clusters.discovery import Client, Discovery, discover
from translator.clusters.dns import build_dns_cluster_type, build_dynamic_cluster_type, lookup_family
from translator.clusters.http_protocol import EXTENSION, HttpSettings, HttpVersion, build_http_protocol_options
from translator.clusters.load_balancer import apply_load_balancer, apply_spread
from translator.clusters.mesh_tls import (
    MeshOrigination,
    apply_mesh_tls,
    choose_alpn,
    limit_to_discovery,
    select_mesh_origination,
)
from translator.clusters.metadata import ServiceName, build_istio_metadata, rule_of, service_name
from translator.clusters.outlier import build_outlier_detection
from translator.clusters.stat_name import format_stat_name
from translator.clusters.tls import Origination, select_origination
from translator.clusters.transport_socket import apply_transport_socket
from translator.database import Database
from translator.endpoints.assignment import AssignmentInputs, build_assignment, resolved_inputs
from translator.endpoints.destination import Destination, destination_policy, destination_spread, panic_threshold
from translator.endpoints.spread import Spread
from translator.engine import query
from translator.model.destination_rule import DestinationPolicy, PortPolicy, policy_for
from translator.model.protocol import Protocol
from translator.model.proxy import Role
from translator.model.service import Service, ServicePort, service
from translator.objects.registry import ObjectKey
from translator.pb import encode, pack
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ENDPOINT


class OutboundKey(msgspec.Struct, frozen=True, cache_hash=True):
    """What an outbound cluster is built for."""

    destination: Destination
    client: Client


class OutboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that shapes an outbound cluster. ``assignment`` is only there if the cluster holds its endpoints."""

    name: str
    client: Client
    discovery: Discovery
    service: ServiceName
    protocol: Protocol
    subset: str
    external: bool
    keeps_sessions: bool
    policy: PortPolicy
    rule: ObjectKey | None
    origination: Origination | None
    mesh_tls: MeshOrigination | None
    spread: Spread
    panic_threshold: int
    stat_name: str
    port_override: int
    races: bool
    assignment: AssignmentInputs | None
    defaults: MeshDefaults


# Envoy: a session stays with its endpoint for as long as that has one of these states.
_SESSION_STATES: Final = (
    HealthStatus.HEALTHY,
    HealthStatus.DRAINING,
    HealthStatus.UNKNOWN,
    HealthStatus.DEGRADED,
)


@query
def outbound(db: Database, key: OutboundKey) -> Resource | None:
    """The cluster, or None when there is none: a DNS cluster without endpoints could never become ready."""
    inputs = outbound_inputs(db, key)
    if inputs is None or (inputs.assignment is not None and not inputs.assignment.endpoints):
        return None
    references = (Reference(ENDPOINT, inputs.name),) if inputs.discovery is Discovery.EDS else ()
    return Resource(CLUSTER, inputs.name, encode(build_outbound_cluster(inputs)), references)


@query
def outbound_inputs(db: Database, key: OutboundKey) -> OutboundInputs | None:
    """Select what shapes the cluster; endpoints only for those kinds of cluster that hold them."""
    destination = key.destination
    owner = service(db, destination.namespace, destination.hostname)
    port = owner.port(destination.port) if owner else None
    if owner is None or port is None:
        return None
    rules, defaults, subset = destination_policy(db, destination), mesh_defaults(db), destination.subset
    policy = policy_for(rules, port.number, subset, defaults.traffic_policy)
    discovery = discover(owner, port.protocol, policy.load_balancer, key.client)
    if discovery is None:
        return None
    endpoints = resolved_inputs(db, destination) if discovery.holds_endpoints else None
    if owner.races and endpoints is not None and len(endpoints.endpoints) != 1:
        # Envoy: only the addresses of one name can race.
        discovery = Discovery.STRICT_DNS
    mesh_tls = select_mesh_origination(db, key.client, (owner, port, subset), policy.tls)
    return OutboundInputs(
        name=destination.cluster,
        client=key.client,
        discovery=discovery,
        service=service_name(owner),
        protocol=port.protocol,
        subset=subset,
        external=owner.mesh_external and not subset,
        keeps_sessions=owner.persistent_session and not subset,
        policy=policy,
        rule=rule_of(rules),
        # What a client names by its SNI is encrypted by itself.
        origination=None if destination.by_sni else _origination(owner, rules, policy, key.client.role, defaults),
        mesh_tls=None if destination.by_sni else limit_to_discovery(db, mesh_tls, discovery, (owner, port)),
        spread=destination_spread(db, owner, rules, port.number, subset),
        panic_threshold=panic_threshold(policy, owner.distribution),
        stat_name=format_stat_name(defaults.outbound_stat_name, owner, port, subset=subset),
        port_override=_port_override(owner, port) if discovery is Discovery.ORIGINAL_DST else 0,
        races=owner.races,
        assignment=endpoints,
        defaults=defaults,
    )


def build_outbound_cluster(inputs: OutboundInputs) -> Cluster:
    """The message."""
    policy = inputs.policy
    cluster = Cluster(name=inputs.name, alt_stat_name=inputs.stat_name)
    apply_connection_settings(cluster, policy.connection_pool, inputs.defaults)
    cluster.circuit_breakers.CopyFrom(build_circuit_breakers(policy.connection_pool, policy.retry_budget))
    apply_load_balancer(cluster, policy.load_balancer)
    _apply_discovery(cluster, inputs)
    _apply_common_balancing(cluster.common_lb_config, inputs)
    if policy.outlier_detection is not None:
        cluster.outlier_detection.CopyFrom(build_outlier_detection(policy.outlier_detection))
    http = _http_settings(inputs)
    options = build_http_protocol_options(http)
    if options is not None:
        cluster.typed_extension_protocol_options[EXTENSION].CopyFrom(pack(options))
    if inputs.mesh_tls is not None:
        apply_mesh_tls(cluster, inputs.mesh_tls, policy.proxy_protocol, choose_alpn(inputs.protocol, http.version))
    else:
        http2 = http.version is HttpVersion.HTTP2
        apply_transport_socket(cluster, inputs.origination, policy.proxy_protocol, http2=http2)
    metadata = build_istio_metadata((inputs.service,), rule=inputs.rule, subset=inputs.subset, external=inputs.external)
    cluster.metadata.filter_metadata["istio"].CopyFrom(metadata)
    return cluster


def _apply_discovery(cluster: Cluster, inputs: OutboundInputs) -> None:
    families, refresh_rate = inputs.client.families, inputs.defaults.dns_refresh_rate
    match inputs.discovery:
        case Discovery.EDS:
            cluster.type = Cluster.EDS
            cluster.eds_cluster_config.service_name = inputs.name
            cluster.eds_cluster_config.eds_config.CopyFrom(_ADS)
        case Discovery.ORIGINAL_DST:
            cluster.type = Cluster.ORIGINAL_DST
            cluster.lb_policy = Cluster.CLUSTER_PROVIDED
            if inputs.port_override:
                cluster.original_dst_lb_config.upstream_port_override.value = inputs.port_override
        case Discovery.STRICT_DNS | Discovery.LOGICAL_DNS:
            single = inputs.discovery is Discovery.LOGICAL_DNS
            family = lookup_family(families, races=single and inputs.races)
            kind = build_dns_cluster_type(family, refresh_rate, single_endpoint=single)
            cluster.cluster_type.CopyFrom(kind)
            if inputs.assignment is not None:
                cluster.load_assignment.CopyFrom(build_assignment(inputs.assignment))
        case Discovery.DYNAMIC_FORWARD:
            cluster.cluster_type.CopyFrom(build_dynamic_cluster_type(inputs.service.host, families))
            cluster.lb_policy = Cluster.CLUSTER_PROVIDED


# Envoy by itself holds back what it learns of the health of endpoints, of readiness and of ejections alike, for up to a
# second after the change before, and meanwhile sends requests to those that are down.
_MERGE_WINDOW: Final = Duration(nanos=10_000_000)

# Envoy is not to give up on endpoints that take long: a cluster that is used without them answers 503.
_ADS: Final = ConfigSource(
    ads=AggregatedConfigSource(), initial_fetch_timeout=Duration(), resource_api_version=ApiVersion.V3
)


def _apply_common_balancing(config: Cluster.CommonLbConfig, inputs: OutboundInputs) -> None:
    """Istio: endpoints that are not ready are known to Envoy, so it must not turn to them in a panic."""
    config.healthy_panic_threshold.value = inputs.panic_threshold
    config.update_merge_window.CopyFrom(_MERGE_WINDOW)
    if inputs.discovery is not Discovery.ORIGINAL_DST:
        apply_spread(config, inputs.spread)
    if inputs.keeps_sessions:
        config.override_host_status.statuses.extend(_SESSION_STATES)


def _http_settings(inputs: OutboundInputs) -> HttpSettings:
    outlier, origination = inputs.policy.outlier_detection, inputs.origination
    # Envoy: where it resolves hosts as they are asked for, TLS has to be for the host that was asked for.
    dynamic = inputs.discovery is Discovery.DYNAMIC_FORWARD
    return HttpSettings(
        protocol=inputs.protocol,
        detects=inputs.client.role is Role.SIDECAR,
        pool=inputs.policy.connection_pool,
        upgrade=inputs.defaults.h2_upgrade_policy,
        error_codes=outlier.outlier_detection_http_error_codes if outlier else (),
        auto_sni=dynamic or (origination is not None and origination.auto_sni),
        auto_san=dynamic or (origination is not None and origination.auto_san),
        preserve_case=inputs.defaults.preserve_header_case,
    )


def _origination(
    owner: Service, rules: DestinationPolicy | None, policy: PortPolicy, role: Role, defaults: MeshDefaults
) -> Origination | None:
    names = () if owner.kubernetes else owner.subject_alt_names
    selects = rules is not None and rules.selector is not None
    return select_origination(policy.tls, role, selects_proxy=selects, service_names=names, defaults=defaults)


def _port_override(owner: Service, port: ServicePort) -> int:
    """Istio: a ServiceEntry without resolution can still send a port to another one."""
    return port.target_port if owner.unresolved and isinstance(port.target_port, int) else 0
