"""The TCP proxy: passes the bytes of a connection on to a cluster, or to one of several by weight."""

from typing import Final, NamedTuple

import msgspec
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.type.v3 import hash_policy_pb2

from translator.model.host import is_ip
from translator.objects.destination_rule import TunnelSettings
from translator.objects.duration import Duration
from translator.pb import duration, pack
from translator.telemetry.access_log import AccessLogFile, build_access_logs

NAME: Final = "envoy.filters.network.tcp_proxy"


class WeightedCluster(NamedTuple):
    """A cluster and its share of the connections."""

    cluster: str
    weight: int = 1


class TCPProxyInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Where connections go, and the limits on them; what is None is left to Envoy."""

    stat_prefix: str
    clusters: tuple[WeightedCluster, ...]
    idle_timeout: Duration | None = None
    max_duration: Duration | None = None
    hashes_source_ip: bool = False
    tunnel: TunnelSettings | None = None


def to_cluster(cluster: str, stat_prefix: str = "") -> TCPProxyInputs:
    """Inputs that send everything to one cluster."""
    return TCPProxyInputs(stat_prefix=stat_prefix or cluster, clusters=(WeightedCluster(cluster),))


def build_tcp_proxy(inputs: TCPProxyInputs, log: AccessLogFile | None) -> listener_components_pb2.Filter:
    """The filter; Istio: a single destination gets everything, whatever its weight, and weight 0 gets nothing."""
    proxy = tcp_proxy_pb2.TcpProxy(
        stat_prefix=inputs.stat_prefix,
        access_log=build_access_logs(log),
        idle_timeout=None if inputs.idle_timeout is None else duration(inputs.idle_timeout),
        max_downstream_connection_duration=None if inputs.max_duration is None else duration(inputs.max_duration),
    )
    if len(inputs.clusters) == 1:
        proxy.cluster = inputs.clusters[0].cluster
    else:
        for cluster, weight in inputs.clusters:
            if weight:
                proxy.weighted_clusters.clusters.add(name=cluster, weight=weight)
    if inputs.hashes_source_ip:
        proxy.hash_policy.append(hash_policy_pb2.HashPolicy(source_ip=hash_policy_pb2.HashPolicy.SourceIp()))
    if inputs.tunnel is not None:
        _set_tunnel(proxy, inputs.tunnel)
    return listener_components_pb2.Filter(name=NAME, typed_config=pack(proxy))


def _set_tunnel(proxy: tcp_proxy_pb2.TcpProxy, tunnel: TunnelSettings) -> None:
    host = f"[{tunnel.target_host}]" if is_ip(tunnel.target_host) and ":" in tunnel.target_host else tunnel.target_host
    proxy.tunneling_config.hostname = f"{host}:{tunnel.target_port}"
    proxy.tunneling_config.use_post = tunnel.protocol == "POST"
