"""Load balancing: the algorithm of a cluster, and what it does about localities and bad health."""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from translator.endpoints.spread import Spread
from translator.objects.destination_rule import ConsistentHashLB, LoadBalancerSettings, SimpleLB
from translator.pb import duration

# Istio's default where the API asks for a ring, but neither for its kind nor for its size.
_DEFAULT_RING_SIZE: Final = 1024

_DEFAULT_WARMUP_PERCENT: Final = 10.0
_DEFAULT_AGGRESSION: Final = 1.0
# Envoy requires a name under which the runtime layer could override the value.
_AGGRESSION_RUNTIME_KEY: Final = "fairlead.slow_start.aggression"

_POLICIES: Final = {SimpleLB.RANDOM: Cluster.RANDOM, SimpleLB.ROUND_ROBIN: Cluster.ROUND_ROBIN}


def apply_load_balancer(cluster: Cluster, settings: LoadBalancerSettings | None) -> None:
    """Set the algorithm of a cluster that chooses among endpoints. Istio: least requests, if nothing is said."""
    settings = settings or LoadBalancerSettings()
    if settings.consistent_hash is not None:
        _apply_hashing(cluster, settings.consistent_hash)
        return
    policy = _POLICIES.get(settings.simple or SimpleLB.UNSPECIFIED, Cluster.LEAST_REQUEST)
    cluster.lb_policy = policy
    if policy == Cluster.LEAST_REQUEST:
        _apply_slow_start(cluster.least_request_lb_config, settings)
    elif policy == Cluster.ROUND_ROBIN:
        _apply_slow_start(cluster.round_robin_lb_config, settings)


def apply_spread(config: Cluster.CommonLbConfig, spread: Spread) -> None:
    """Set what Envoy itself does about localities; priorities and weights are the assignment's."""
    if spread.zone_routing is not None:
        zone = config.zone_aware_lb_config
        zone.SetInParent()
        if not spread.zone_routing:
            zone.routing_enabled.value = 0
        elif spread.min_cluster_size is not None:
            zone.min_cluster_size.value = spread.min_cluster_size
    elif spread.weighted:
        config.locality_weighted_lb_config.SetInParent()


def _apply_hashing(cluster: Cluster, hashing: ConsistentHashLB) -> None:
    if hashing.maglev is not None:
        cluster.lb_policy = Cluster.MAGLEV
        if hashing.maglev.table_size:
            cluster.maglev_lb_config.table_size.value = hashing.maglev.table_size
        return
    cluster.lb_policy = Cluster.RING_HASH
    if hashing.ring_hash is None:
        size = hashing.minimum_ring_size or _DEFAULT_RING_SIZE
    else:
        size = hashing.ring_hash.minimum_ring_size
    if size:
        cluster.ring_hash_lb_config.minimum_ring_size.value = size


def _apply_slow_start(
    config: Cluster.LeastRequestLbConfig | Cluster.RoundRobinLbConfig, settings: LoadBalancerSettings
) -> None:
    """Istio: the older field stands for the window alone, and only if the newer one is not used."""
    slow_start = config.slow_start_config
    if settings.warmup is not None:
        warmup = settings.warmup
        percent, aggression = warmup.minimum_percent, warmup.aggression
        slow_start.slow_start_window.CopyFrom(duration(warmup.duration))
        slow_start.min_weight_percent.value = _DEFAULT_WARMUP_PERCENT if percent is None else percent
        slow_start.aggression.default_value = _DEFAULT_AGGRESSION if aggression is None else aggression
        slow_start.aggression.runtime_key = _AGGRESSION_RUNTIME_KEY
    elif settings.warmup_duration_secs is not None:
        slow_start.slow_start_window.CopyFrom(duration(settings.warmup_duration_secs))
