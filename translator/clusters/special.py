"""Clusters that belong to no service: for traffic to unknown destinations."""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import BindConfig, ExtraSourceAddress, SocketAddress
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from translator.clusters.circuit_breaker import build_circuit_breakers
from translator.clusters.connection import apply_connection_settings
from translator.clusters.defaults import MeshDefaults, mesh_defaults
from translator.clusters.dns import build_dynamic_cluster_type
from translator.clusters.http_protocol import EXTENSION, apply_downstream_protocol, apply_requested_host
from translator.database import Database
from translator.engine import query
from translator.model.proxy import IpFamilies
from translator.names import BLACK_HOLE_CLUSTER, DYNAMIC_DNS_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER
from translator.pb import duration, encode, pack, seconds
from xds.resource import Resource
from xds.types import CLUSTER

# The interception rules let connections from this address pass, so that what a proxy delivers does not return to it.
_BYPASS_V4: Final = "127.0.0.6"
_BYPASS_V6: Final = "::6"

_IDLE_SECONDS: Final = 300


@query
def black_hole_cluster(db: Database) -> Resource:
    """The cluster without endpoints."""
    return Resource(CLUSTER, BLACK_HOLE_CLUSTER, encode(build_black_hole(mesh_defaults(db))))


@query
def passthrough_cluster(db: Database) -> Resource:
    """The cluster for connections that go on to where they were meant to go."""
    cluster = build_passthrough(PASSTHROUGH_CLUSTER, mesh_defaults(db))
    return Resource(CLUSTER, PASSTHROUGH_CLUSTER, encode(cluster))


@query
def dynamic_dns_cluster(db: Database, families: IpFamilies) -> Resource:
    """The cluster for requests to unknown hosts where the mesh lets their names be resolved."""
    cluster = build_passthrough(DYNAMIC_DNS_CLUSTER, mesh_defaults(db), for_host=True)
    cluster.cluster_type.CopyFrom(build_dynamic_cluster_type(DYNAMIC_DNS_CLUSTER, families))
    return Resource(CLUSTER, DYNAMIC_DNS_CLUSTER, encode(cluster))


@query
def inbound_passthrough_cluster(db: Database, families: IpFamilies) -> Resource:
    """The cluster for connections to ports of the workload that no service knows."""
    cluster = build_passthrough(INBOUND_PASSTHROUGH_CLUSTER, mesh_defaults(db))
    cluster.upstream_bind_config.CopyFrom(build_bypass_bind(families))
    return Resource(CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, encode(cluster))


def build_black_hole(defaults: MeshDefaults) -> Cluster:
    """Envoy answers for it as for every cluster without endpoints."""
    cluster = Cluster(name=BLACK_HOLE_CLUSTER, type=Cluster.STATIC)
    cluster.connect_timeout.CopyFrom(duration(defaults.connect_timeout))
    return cluster


def build_passthrough(name: str, defaults: MeshDefaults, *, for_host: bool = False) -> Cluster:
    """Istio: of the mesh's default policy, the limits of connections hold here too.

    ``for_host``: TLS would be for the requested host, which Envoy requires of what it resolves as it is asked for.
    """
    pool = defaults.traffic_policy.connection_pool if defaults.traffic_policy else None
    cluster = Cluster(name=name, type=Cluster.ORIGINAL_DST, lb_policy=Cluster.CLUSTER_PROVIDED)
    apply_connection_settings(cluster, pool, defaults)
    cluster.circuit_breakers.CopyFrom(build_circuit_breakers(pool))
    options = HttpProtocolOptions()
    options.common_http_protocol_options.idle_timeout.CopyFrom(seconds(_IDLE_SECONDS))
    if for_host:
        apply_requested_host(options, check_san=True)
    apply_downstream_protocol(options)
    cluster.typed_extension_protocol_options[EXTENSION].CopyFrom(pack(options))
    return cluster


def build_bypass_bind(families: IpFamilies) -> BindConfig:
    """Where connections to the workload come from under interception."""
    if families is IpFamilies.V6:
        return BindConfig(source_address=_any_port(_BYPASS_V6))
    bind = BindConfig(source_address=_any_port(_BYPASS_V4))
    if families is IpFamilies.DUAL:
        bind.extra_source_addresses.append(ExtraSourceAddress(address=_any_port(_BYPASS_V6)))
    return bind


def _any_port(address: str) -> SocketAddress:
    # Envoy requires the port to be present.
    return SocketAddress(address=address, port_value=0)
