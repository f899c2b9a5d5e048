"""Caches of resolved names, which a cluster shares with the filters in front of it."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig

from translator.model.proxy import IpFamilies


def build_dns_cache(hostname: str, families: IpFamilies) -> DnsCacheConfig:
    """The cache of a host; Envoy refuses it if the cluster and the filter describe it differently."""
    v6_only = families is IpFamilies.V6
    return DnsCacheConfig(
        name=f"{hostname}_dfp_dns_cache", dns_lookup_family=Cluster.V6_ONLY if v6_only else Cluster.V4_ONLY
    )
