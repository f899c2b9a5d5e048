"""What a client without a proxy may ask for, and that nothing of it is beyond gRPC."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from msgspec.structs import replace

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice, rule, service, writes
from translator.model.proxy import Capture, Proxy
from translator.settings import Settings
from translator.translator import Translator
from translator.view import View
from xds.resource import Reference
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

CLIENT = replace(SIDECAR, capture=Capture.NONE, proxyless=True)
HOST = "web.default.svc.cluster.local"
NAME = f"outbound|80||{HOST}"


def view(*texts: str, proxy: Proxy = CLIENT) -> View:
    """The View of a client in a mesh of these objects."""
    translator = Translator(Settings())
    for text in texts:
        translator.apply(writes(text))
    found = translator.bind(proxy).view
    for _ in found.refresh():
        pass
    found.commit()
    assert not found.failures
    return found


def test_every_spelling_leads_to_the_routes_of_its_port() -> None:
    ports = "{name: grpc, port: 9000}, {name: http, port: 80}, {name: tcp-db, port: 5432}"
    listeners = view(service(ports=ports)).resources(LISTENER)
    hosts = (HOST, f"{HOST}.", "web", "web.default", "web.default.svc")
    assert set(listeners) == {f"{host}{port}" for host in hosts for port in ("", ":80", ":9000")}
    for name, found in listeners.items():
        listener = Listener.FromString(found.body)
        manager = HttpConnectionManager()
        assert listener.api_listener.api_listener.Unpack(manager)
        # Who names no port means 80.
        route = f"outbound|9000||{HOST}" if name.endswith(":9000") else NAME
        assert (listener.name, manager.rds.route_config_name) == (name, route)
        assert found.references == (Reference(ROUTE, route),)
        assert listener.SerializeToString(deterministic=True) == found.body
        assert [each.name for each in manager.http_filters] == ["envoy.filters.http.fault", "envoy.filters.http.router"]


def test_without_port_80_the_first_port_is_meant() -> None:
    listeners = view(service(ports="{name: grpc, port: 9000}, {name: http, port: 81}")).resources(LISTENER)
    assert listeners[HOST].references == (Reference(ROUTE, f"outbound|9000||{HOST}"),)


def test_names_of_other_namespaces_keep_their_namespace() -> None:
    listeners = view(service(), service(namespace="other")).resources(LISTENER)
    assert listeners["web:80"].references == (Reference(ROUTE, NAME),)
    assert listeners["web.other:80"].references == (Reference(ROUTE, "outbound|80||web.other.svc.cluster.local"),)


def test_a_real_name_wins_over_a_short_one() -> None:
    real = (
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x, namespace: default}\n"
        "spec: {hosts: [web], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC}\n"
    )
    assert view(service(), real).resources(LISTENER)["web"].references == (Reference(ROUTE, "outbound|80||web"),)


def test_each_step_refers_to_the_next() -> None:
    found = view(service(), endpoint_slice("web-1", endpoint("10.1.0.1")))
    assert found.resources(ROUTE)[NAME].references == (Reference(CLUSTER, NAME),)
    assert found.resources(CLUSTER)[NAME].references == (Reference(ENDPOINT, NAME),)
    assert set(found.resources(CLUSTER)) == set(found.resources(ENDPOINT)) == set(found.resources(ROUTE)) == {NAME}


def test_what_does_not_exist_is_not_answered() -> None:
    found = view(service())
    assert not [kind for kind in (LISTENER, ROUTE, CLUSTER, ENDPOINT) if found.fallback(kind, "nothing") is not None]


def test_routes_hold_no_settings_of_unknown_filters() -> None:
    rules = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x, namespace: default}\n"
        f"spec: {{hosts: [{HOST}], http: [{{corsPolicy: {{allowOrigins: [{{exact: a}}]}}, timeout: 2s, "
        "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 10}}}, "
        f"route: [{{destination: {{host: {HOST}}}}}]}}]}}\n"
    )
    (host,) = RouteConfiguration.FromString(view(service(), rules).resources(ROUTE)[NAME].body).virtual_hosts
    (route,) = host.routes
    assert list(host.domains) == ["*"]
    assert list(route.typed_per_filter_config) == ["envoy.filters.http.fault"]
    assert route.route.max_stream_duration.grpc_timeout_header_max.seconds == 2


def cluster(*policies: str) -> Cluster:
    """The cluster under DestinationRules."""
    return Cluster.FromString(view(service(), *map(rule, policies)).resources(CLUSTER)[NAME].body)


def test_clusters_hold_only_what_grpc_knows() -> None:
    plain = cluster()
    known = {"name", "type", "eds_cluster_config"}
    assert {field.name for field, _ in plain.ListFields()} == known
    assert plain.lb_policy == Cluster.ROUND_ROBIN
    full = cluster(
        "trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}, outlierDetection: {consecutive5xxErrors: 3}, "
        "connectionPool: {tcp: {maxConnections: 3}, http: {http2MaxRequests: 7, maxRetries: 2}}}"
    )
    more = {"load_balancing_policy", "circuit_breakers", "outlier_detection"}
    assert {field.name for field, _ in full.ListFields()} == known | more
    (limits,) = full.circuit_breakers.thresholds
    assert {field.name for field, _ in limits.ListFields()} == {"max_requests"}


def test_hashing_becomes_a_ring_whatever_was_asked_for() -> None:
    made = cluster("trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {}}}}")
    assert made.lb_policy == Cluster.RING_HASH
    assert made.ring_hash_lb_config.minimum_ring_size.value == 1024


def test_all_clients_of_a_namespace_share_a_view() -> None:
    mesh = Mesh(service(), endpoint_slice("web-1", endpoint("10.1.0.1")))
    other = replace(CLIENT, name="other", addresses=("127.0.0.9",))
    assert mesh.view(CLIENT) == mesh.view(other) != mesh.view(SIDECAR)
