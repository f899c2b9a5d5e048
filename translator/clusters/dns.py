"""Clusters whose endpoints are found by DNS."""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver_pb2 import CaresDnsResolverConfig
from google.protobuf.duration_pb2 import Duration

from translator.dns_cache import build_dns_cache
from translator.model.proxy import IpFamilies
from translator.objects import duration as objects
from translator.pb import duration, pack, uint32

# Istio: a little randomness, so that the proxies of a mesh do not ask in step.
_JITTER: Final = Duration(nanos=100_000_000)
# Istio: c-ares keeps one UDP socket, whose answers a middlebox may drop, until this many queries have used it.
_QUERIES_PER_SOCKET: Final = 100


def lookup_family(families: IpFamilies, *, races: bool) -> DnsLookupFamily:
    """Istio: without dual stack, a proxy with both families asks for IPv4; where addresses race, all take part."""
    if races:
        return DnsLookupFamily.ALL
    return DnsLookupFamily.V6_ONLY if families is IpFamilies.V6 else DnsLookupFamily.V4_ONLY


def build_dns_cluster_type(
    family: DnsLookupFamily, refresh_rate: objects.Duration, *, single_endpoint: bool
) -> Cluster.CustomClusterType:
    """The cluster type that resolves the names of its endpoints.

    ``single_endpoint``: all addresses are one endpoint, of which connections use one after the other.
    """
    config = DnsCluster(
        dns_refresh_rate=duration(refresh_rate),
        respect_dns_ttl=True,
        dns_jitter=_JITTER,
        dns_lookup_family=family,
        typed_dns_resolver_config=TypedExtensionConfig(
            name="envoy.network.dns_resolver.cares",
            typed_config=pack(CaresDnsResolverConfig(udp_max_queries=uint32(_QUERIES_PER_SOCKET))),
        ),
        all_addresses_in_single_endpoint=single_endpoint,
    )
    return Cluster.CustomClusterType(name="envoy.clusters.dns", typed_config=pack(config))


def build_dynamic_cluster_type(hostname: str, families: IpFamilies) -> Cluster.CustomClusterType:
    """The cluster type that resolves whatever host a request is for."""
    config = ClusterConfig(dns_cache_config=build_dns_cache(hostname, families))
    return Cluster.CustomClusterType(name="envoy.clusters.dynamic_forward_proxy", typed_config=pack(config))
