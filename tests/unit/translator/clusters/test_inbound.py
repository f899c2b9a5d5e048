"""Inbound clusters: the workload's own ports."""

from typing import Any

import msgspec
import pytest

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice, pod, rule, service
from translator.clusters.inbound import Delivery, InboundTarget, parse_default_endpoint
from translator.decode import decode_record
from translator.model.proxy import Capture, Proxy
from translator.objects.mesh_config import MeshConfig

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
WEB = msgspec.structs.replace(SIDECAR, name="web-1", addresses=("10.1.0.1",))
UNCAPTURED = msgspec.structs.replace(WEB, capture=Capture.NONE)
V6 = msgspec.structs.replace(WEB, addresses=("2001:db8::1",))
POD = pod("web-1", "10.1.0.1")
LOCALHOST, _ = decode_record({"inboundTrafficPolicy": {"mode": "LOCALHOST"}}, MeshConfig)


def inbound(mesh: Mesh, proxy: Proxy = WEB) -> list[str]:
    """The names of the inbound clusters."""
    return [name for name in mesh.clusters(proxy) if name.startswith("inbound|")]


def with_service(**spec: Any) -> Mesh:  # noqa: ANN401 - any YAML
    """A pod behind a service."""
    return Mesh(service(**spec), POD)


def ingress(*listeners: str, more: str = "") -> str:
    """A Sidecar with ingress listeners."""
    items = "".join(f"\n  - {listener}" for listener in listeners)
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: sidecar, namespace: default}}
spec:{more}
  ingress:{items}
"""


def test_what_arrives_goes_where_it_was_addressed() -> None:
    mesh = with_service(ports="{name: http, port: 80, targetPort: 8080}")
    assert inbound(mesh) == ["inbound|8080||"]
    cluster = mesh.shown("inbound|8080||", WEB)
    assert cluster["type"] == "ORIGINAL_DST"
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    assert cluster["cleanup_interval"] == "9223372035s"
    assert cluster["upstream_bind_config"] == {"source_address": {"address": "127.0.0.6", "port_value": 0}}
    assert "common_lb_config" not in cluster
    assert cluster["metadata"]["filter_metadata"]["istio"] == {
        "services": [{"host": "web.default.svc.cluster.local", "name": "web", "namespace": "default"}]
    }


@pytest.mark.parametrize(("proxy", "address"), [(WEB, "127.0.0.1"), (V6, "::1")])
def test_the_mesh_can_choose_the_loopback(proxy: Proxy, address: str) -> None:
    mesh = Mesh(service(ports="{name: http, port: 80, targetPort: 8080}"), POD, mesh=LOCALHOST)
    cluster = mesh.shown("inbound|8080||", proxy)
    assert cluster["type"] == "STATIC"
    assert "upstream_bind_config" not in cluster
    (group,) = cluster["load_assignment"]["endpoints"]
    target = {"address": {"socket_address": {"address": address, "port_value": 8080}}}
    assert group["lb_endpoints"] == [{"endpoint": target}]


def test_without_interception_only_ingress_listeners_are_served() -> None:
    mesh = with_service()
    assert inbound(mesh, UNCAPTURED) == []
    mesh.add(ingress("{port: {number: 9080, name: http, protocol: HTTP}}"))
    assert inbound(mesh, UNCAPTURED) == ["inbound|9080||"]
    (group,) = mesh.shown("inbound|9080||", UNCAPTURED)["load_assignment"]["endpoints"]
    target = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9080}}}
    assert group["lb_endpoints"] == [{"endpoint": target}]


def test_case_13_named_target_ports() -> None:
    names = ("main", "side", "gone")
    ports = ", ".join(f"{{name: {name}, port: {number}, targetPort: {name}}}" for number, name in enumerate(names, 80))
    containers = [{"name": "m", "ports": [{"name": "main", "containerPort": 1001}]}]
    init = [
        {"name": "once", "ports": [{"name": "gone", "containerPort": 1003}]},
        {"name": "s", "restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 1002}]},
    ]
    mesh = Mesh(service(ports=ports), pod("web-1", "10.1.0.1", containers=containers, initContainers=init))
    assert inbound(mesh) == ["inbound|1001||", "inbound|1002||"]


def test_services_with_one_target_port_share_a_cluster_that_the_oldest_rules() -> None:
    younger = service("young", ports="{name: tcp, port: 80}", selector={"app": "web"}).replace(
        "2026-01-01", "2026-02-01"
    )
    other_port = service("other", ports="{name: grpc, port: 90, targetPort: 80}", selector={"app": "web"}).replace(
        "2026-01-01", "2026-03-01"
    )
    older = service("old", ports="{name: grpc, port: 80}", selector={"app": "web"})
    pool = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}"
    mesh = Mesh(younger, older, other_port, POD, rule(f"host: old\n{pool}"))
    assert inbound(mesh) == ["inbound|80||"]
    cluster = mesh.shown("inbound|80||", WEB)
    assert "http2_protocol_options" in cluster["typed_extension_protocol_options"][HTTP_OPTIONS]["explicit_http_config"]
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 3
    istio = cluster["metadata"]["filter_metadata"]["istio"]
    assert [each["name"] for each in istio["services"]] == ["old", "young"]
    assert istio["config"].endswith("/destination-rule/rule")


def test_only_the_pool_of_a_rule_holds_inbound() -> None:
    pool, others = "{http: {h2UpgradePolicy: UPGRADE}}", "tls: {mode: SIMPLE}, loadBalancer: {simple: RANDOM}"
    policy = f"{{connectionPool: {pool}, outlierDetection: {{}}, {others}}}"
    cluster = Mesh(service(), POD, rule(f"trafficPolicy: {policy}")).shown("inbound|80||", WEB)
    for absent in ("outlier_detection", "transport_socket", "typed_extension_protocol_options"):
        assert absent not in cluster
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"


def test_rules_with_a_selector_are_not_for_inbound() -> None:
    pool = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}"
    mesh = Mesh(service(), POD, rule(f"{pool}\nworkloadSelector: {{matchLabels: {{app: web}}}}"))
    assert mesh.shown("inbound|80||", WEB)["circuit_breakers"]["thresholds"][0]["max_connections"] == 2**32 - 1


def test_pools_of_the_sidecar_replace_the_rules_pool() -> None:
    def limit(number: int, mesh: Mesh) -> int:
        found: int = mesh.shown(f"inbound|{number}||", WEB)["circuit_breakers"]["thresholds"][0]["max_connections"]
        return found

    pool = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}"
    mesh = Mesh(service(), POD, rule(pool))
    assert limit(80, mesh) == 3
    own = "\n  inboundConnectionPool: {tcp: {maxConnections: 4}}"
    plain = "{port: {number: 80, name: http, protocol: HTTP}}"
    special = "{port: {number: 81, name: tcp, protocol: TCP}, connectionPool: {tcp: {maxConnections: 5}}}"
    mesh.add(ingress(plain, special, more=own))
    assert (limit(80, mesh), limit(81, mesh)) == (4, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", InboundTarget(delivery=Delivery.AS_ADDRESSED)),
        ("127.0.0.1:8080", InboundTarget(delivery=Delivery.LOOPBACK, port=8080)),
        ("[::1]:8080", InboundTarget(delivery=Delivery.LOOPBACK, port=8080)),
        ("0.0.0.0:8080", InboundTarget(delivery=Delivery.AS_ADDRESSED, port=8080)),
        ("[::]:8080", InboundTarget(delivery=Delivery.AS_ADDRESSED, port=8080)),
        ("unix:///var/run/a.sock", InboundTarget(delivery=Delivery.SOCKET, path="/var/run/a.sock")),
    ],
)
def test_case_44_default_endpoints(text: str, expected: InboundTarget) -> None:
    assert parse_default_endpoint(text) == expected


def test_case_44_ingress_replaces_the_ports_of_services() -> None:
    mesh = with_service()
    mesh.add(
        ingress(
            "{port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'}",
            "{port: {number: 9081, name: grpc, protocol: GRPC}, defaultEndpoint: '0.0.0.0:8081'}",
            "{port: {number: 9082, name: tcp, protocol: TCP}, defaultEndpoint: 'unix:///a.sock'}",
            "{port: {number: 9083, name: tcp-b, protocol: TCP}}",
        )
    )
    assert inbound(mesh) == [f"inbound|908{last}||" for last in range(4)]
    loopback, own, socket, addressed = (mesh.shown(f"inbound|908{last}||", WEB) for last in range(4))
    assert loopback["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == {
        "socket_address": {"address": "127.0.0.1", "port_value": 8080}
    }
    assert own["type"] == "ORIGINAL_DST"
    assert own["original_dst_lb_config"] == {"upstream_port_override": 8081}
    assert "upstream_bind_config" in own
    assert socket["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == {
        "pipe": {"path": "/a.sock"}
    }
    assert addressed["type"] == "ORIGINAL_DST"
    assert "original_dst_lb_config" not in addressed


def test_services_without_selector_are_found_by_their_endpoints() -> None:
    bare = service("bare", selector={})
    mesh = Mesh(bare, POD, endpoint_slice("s", endpoint("10.1.0.1"), service="bare"))
    assert inbound(mesh) == ["inbound|80||"]


def test_inbound_stat_names() -> None:
    settings, _ = decode_record({"inboundClusterStatName": "in_%SERVICE%_%TARGET_PORT%"}, MeshConfig)
    mesh = Mesh(service(ports="{name: http, port: 80, targetPort: 8080}"), POD, mesh=settings)
    assert mesh.shown("inbound|8080||", WEB)["alt_stat_name"] == "in_web.default_8080"
