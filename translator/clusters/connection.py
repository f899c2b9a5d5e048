"""Connections of a cluster: how long making one may take, and how dead ones are noticed."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from translator.clusters.defaults import MeshDefaults
from translator.objects.destination_rule import ConnectionPoolSettings, TcpKeepalive
from translator.pb import duration


def apply_connection_settings(cluster: Cluster, pool: ConnectionPoolSettings | None, defaults: MeshDefaults) -> None:
    """Set the connect timeout and the keepalive of a cluster under construction."""
    tcp = pool.tcp if pool else None
    timeout = tcp.connect_timeout if tcp else None
    cluster.connect_timeout.CopyFrom(duration(defaults.connect_timeout if timeout is None else timeout))
    for keepalive in (defaults.tcp_keepalive, tcp.tcp_keepalive if tcp else None):
        if keepalive is not None:
            _overlay_keepalive(cluster, keepalive)


def _overlay_keepalive(cluster: Cluster, keepalive: TcpKeepalive) -> None:
    """Istio: what a rule sets overrides the mesh attribute by attribute; an empty block turns keepalive on."""
    target = cluster.upstream_connection_options.tcp_keepalive
    target.SetInParent()
    if keepalive.probes:
        target.keepalive_probes.value = keepalive.probes
    if keepalive.time is not None:
        target.keepalive_time.value = keepalive.time.seconds
    if keepalive.interval is not None:
        target.keepalive_interval.value = keepalive.interval.seconds
