"""Names and references of plain Envoy messages."""

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as aggregate_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.message import Message

from xds.errors import UnsupportedMessage
from xds.references import resource_of
from xds.types import CLUSTER, ENDPOINT, EXTENSION_CONFIG, ROUTE, SECRET


def needs(message: Message) -> set[tuple[str, str]]:
    return set(resource_of(message).references)


def packed(message: Message) -> any_pb2.Any:
    box = any_pb2.Any()
    box.Pack(message)
    return box


def test_an_eds_cluster_needs_endpoints_and_secrets() -> None:
    cluster = cluster_pb2.Cluster(name="c", type=cluster_pb2.Cluster.EDS)
    assert needs(cluster) == {(ENDPOINT, "c")}
    cluster.eds_cluster_config.service_name = "s"
    context = tls_pb2.UpstreamTlsContext()
    certificate = context.common_tls_context.tls_certificate_sds_secret_configs.add(name="cert")
    certificate.sds_config.ads.SetInParent()
    context.common_tls_context.validation_context_sds_secret_config.name = "static"
    cluster.transport_socket.name = "tls"
    cluster.transport_socket.typed_config.CopyFrom(packed(context))
    assert needs(cluster) == {(ENDPOINT, "s"), (SECRET, "cert")}


def test_a_cluster_with_addresses_needs_nothing() -> None:
    assert needs(cluster_pb2.Cluster(name="c", type=cluster_pb2.Cluster.STRICT_DNS)) == set()


def test_an_aggregate_cluster_needs_its_members() -> None:
    cluster = cluster_pb2.Cluster(name="c")
    cluster.cluster_type.typed_config.CopyFrom(packed(aggregate_pb2.ClusterConfig(clusters=["a", "b"])))
    assert needs(cluster) == {(CLUSTER, "a"), (CLUSTER, "b")}


def test_routes_need_their_clusters() -> None:
    table = route_pb2.RouteConfiguration(name="r")
    host = table.virtual_hosts.add(name="h", domains=["*"])
    host.routes.add().route.cluster = "plain"
    host.routes.add().route.weighted_clusters.clusters.add(name="weighted")
    host.routes.add().route.request_mirror_policies.add(cluster="mirror")
    host.routes.add().redirect.https_redirect = True
    assert needs(table) == {(CLUSTER, "plain"), (CLUSTER, "weighted"), (CLUSTER, "mirror")}


def test_a_listener_needs_what_its_filters_need() -> None:
    manager = http_connection_manager_pb2.HttpConnectionManager()
    manager.rds.route_config_name = "r"
    lua = manager.http_filters.add(name="lua")
    lua.config_discovery.config_source.ads.SetInParent()
    listener = listener_pb2.Listener(name="l")
    chain = listener.filter_chains.add()
    chain.filters.add(name="hcm").typed_config.CopyFrom(packed(manager))
    chain.filters.add(name="tcp").typed_config.CopyFrom(packed(tcp_proxy_pb2.TcpProxy(cluster="db")))
    assert needs(listener) == {(ROUTE, "r"), (EXTENSION_CONFIG, "lua"), (CLUSTER, "db")}


def test_a_scope_needs_its_route_table() -> None:
    scope = scoped_route_pb2.ScopedRouteConfiguration(name="s", route_configuration_name="r")
    assert needs(scope) == {(ROUTE, "r")}


def test_foreign_extensions_are_skipped() -> None:
    cluster = cluster_pb2.Cluster(name="c")
    cluster.cluster_type.typed_config.type_url = "type.googleapis.com/nobody.knows.This"
    assert needs(cluster) == set()


@pytest.mark.parametrize("message", [secret_pb2.Secret(name="x"), rtds_pb2.Runtime(name="x")])
def test_every_type_has_a_name(message: Message) -> None:
    resource = resource_of(message, version="7")
    assert (resource.name, resource.version) == ("x", "7")


def test_what_is_no_resource_is_refused() -> None:
    with pytest.raises(UnsupportedMessage):
        resource_of(wrappers_pb2.BoolValue())
