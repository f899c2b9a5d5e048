"""Clusters as gRPC takes them: without anything that only Envoy understands."""

from typing import Final

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster, LoadBalancingPolicy
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2 import LeastRequest
from envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin
from envoy.extensions.load_balancing_policies.wrr_locality.v3.wrr_locality_pb2 import WrrLocality
from google.protobuf.message import Message

from translator.clusters.outbound import OutboundInputs, OutboundKey, outbound_inputs
from translator.clusters.outlier import build_outlier_detection
from translator.database import Database
from translator.engine import query
from translator.objects.destination_rule import LoadBalancerSettings, SimpleLB
from translator.pb import encode, pack, uint32
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ENDPOINT

_ADS: Final = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
_DEFAULT_RING_SIZE: Final = 1024
_FEWEST_REQUESTS: Final = frozenset({SimpleLB.LEAST_REQUEST, SimpleLB.LEAST_CONN})


@query
def call_cluster(db: Database, key: OutboundKey) -> Resource | None:
    """The cluster of a service port or subset."""
    inputs = outbound_inputs(db, key)
    if inputs is None:
        return None
    return Resource(CLUSTER, inputs.name, encode(build_call_cluster(inputs)), (Reference(ENDPOINT, inputs.name),))


def build_call_cluster(inputs: OutboundInputs) -> Cluster:
    """The message."""
    policy = inputs.policy
    cluster = Cluster(name=inputs.name, type=Cluster.EDS)
    cluster.eds_cluster_config.service_name = inputs.name
    cluster.eds_cluster_config.eds_config.CopyFrom(_ADS)
    _apply_load_balancer(cluster, policy.load_balancer or LoadBalancerSettings())
    http = policy.connection_pool.http if policy.connection_pool else None
    if http is not None and http.http2_max_requests:
        limit = CircuitBreakers.Thresholds(max_requests=uint32(http.http2_max_requests))
        cluster.circuit_breakers.thresholds.append(limit)
    if policy.outlier_detection is not None:
        cluster.outlier_detection.CopyFrom(build_outlier_detection(policy.outlier_detection))
    return cluster


def _apply_load_balancer(cluster: Cluster, settings: LoadBalancerSettings) -> None:
    """Istio: in turn, unless a rule says otherwise.

    gRPC: clients that know neither ``load_balancing_policy`` nor fewest requests take turns, too.
    """
    cluster.lb_policy = Cluster.ROUND_ROBIN
    if settings.consistent_hash is not None:
        ring = settings.consistent_hash.ring_hash
        size = ring.minimum_ring_size if ring else settings.consistent_hash.minimum_ring_size
        cluster.lb_policy = Cluster.RING_HASH
        cluster.ring_hash_lb_config.minimum_ring_size.value = size or _DEFAULT_RING_SIZE
    elif settings.simple in _FEWEST_REQUESTS:
        pickers = (_policy("least_request", LeastRequest()), _policy("round_robin", RoundRobin()))
        weighted = WrrLocality(endpoint_picking_policy=LoadBalancingPolicy(policies=pickers))
        cluster.load_balancing_policy.policies.append(_policy("wrr_locality", weighted))


def _policy(name: str, config: Message) -> LoadBalancingPolicy.Policy:
    extension = TypedExtensionConfig(name=f"envoy.load_balancing_policies.{name}", typed_config=pack(config))
    return LoadBalancingPolicy.Policy(typed_extension_config=extension)
