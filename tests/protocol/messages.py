"""Envoy messages for tests: what a cache serves to a real client."""

from collections.abc import Iterable

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2


def ads() -> config_source_pb2.ConfigSource:
    """From the same stream."""
    source = config_source_pb2.ConfigSource(ads={}, resource_api_version=config_source_pb2.ApiVersion.V3)
    # Waiting for ever instead of 15 seconds: what the server forgets to send shows.
    source.initial_fetch_timeout.FromSeconds(0)
    return source


def cluster(name: str, *, timeout: int = 5) -> cluster_pb2.Cluster:
    """A cluster with endpoints from the stream."""
    made = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    made.connect_timeout.FromSeconds(timeout)
    made.eds_cluster_config.eds_config.CopyFrom(ads())
    return made


def broken_cluster(name: str) -> cluster_pb2.Cluster:
    """A cluster that Envoy refuses without naming it."""
    made = cluster(name)
    made.connect_timeout.nanos = -1
    return made


def endpoints(name: str, addresses: Iterable[str]) -> endpoint_pb2.ClusterLoadAssignment:
    """Endpoints given as ``ip:port``."""
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    group = made.endpoints.add()
    for address in addresses:
        ip, _, port = address.rpartition(":")
        socket = group.lb_endpoints.add().endpoint.address.socket_address
        socket.address, socket.port_value = ip, int(port)
    return made


def routes(name: str, weights: dict[str, int]) -> route_pb2.RouteConfiguration:
    """All traffic split by weight."""
    made = route_pb2.RouteConfiguration(name=name)
    route = made.virtual_hosts.add(name="all", domains=["*"]).routes.add()
    route.match.prefix = "/"
    for service, weight in weights.items():
        route.route.weighted_clusters.clusters.add(name=service).weight.value = weight
    return made


def listener(name: str, address: str, route: str) -> listener_pb2.Listener:
    """HTTP on an address, routed by a table from the stream."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix=name)
    manager.rds.route_config_name = route
    manager.rds.config_source.CopyFrom(ads())
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    made = listener_pb2.Listener(name=name)
    ip, _, port = address.rpartition(":")
    made.address.socket_address.address, made.address.socket_address.port_value = ip, int(port)
    manager_filter = made.filter_chains.add().filters.add(name="envoy.filters.network.http_connection_manager")
    manager_filter.typed_config.Pack(manager)
    return made
