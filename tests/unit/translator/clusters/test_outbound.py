"""Outbound clusters as a whole, and the cases that Istio's users rely on."""

import msgspec

from tests.unit.translator.clusters.cluster_kit import (
    A_COM,
    ENTRY,
    UNCAPTURED,
    UNLIMITED,
    WEB,
    http_options,
    mesh_config,
    thresholds,
    with_policy,
)
from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service


def test_case_01_a_service_port_is_an_eds_cluster() -> None:
    cluster = with_policy("")
    assert cluster["type"] == "EDS"
    assert cluster["lb_policy"] == "LEAST_REQUEST"
    assert cluster["connect_timeout"] == "10s"
    assert cluster["eds_cluster_config"] == {
        "eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
        "service_name": WEB,
    }
    assert thresholds(cluster) == {
        "max_connections": UNLIMITED,
        "max_pending_requests": UNLIMITED,
        "max_requests": UNLIMITED,
        "max_retries": UNLIMITED,
        "track_remaining": True,
    }
    assert cluster["common_lb_config"] == {"healthy_panic_threshold": {}, "update_merge_window": "0.010s"}
    assert http_options(cluster) is None
    for absent in ("alt_stat_name", "transport_socket", "outlier_detection", "upstream_connection_options"):
        assert absent not in cluster


def test_case_02_udp_ports_have_no_cluster() -> None:
    mesh = Mesh(service(ports="{name: dns, port: 53, protocol: UDP}, {name: http, port: 80}"))
    assert [name for name in mesh.clusters() if name.startswith("outbound")] == [WEB]


def test_case_02_a_headless_service_is_passed_through_by_sidecars_and_dialled_by_others() -> None:
    mesh = Mesh(service(clusterIP="None"))
    assert mesh.shown(WEB)["type"] == "ORIGINAL_DST"
    assert mesh.shown(WEB)["lb_policy"] == "CLUSTER_PROVIDED"
    assert "eds_cluster_config" not in mesh.shown(WEB)
    assert WEB not in mesh.assignments()
    for proxy in (GATEWAY, UNCAPTURED):
        assert mesh.shown(WEB, proxy)["type"] == "EDS"
        assert WEB in mesh.assignments(proxy)


def test_case_03_external_names_have_no_clusters() -> None:
    alias = service("alias", clusterIP="", type="ExternalName", externalName="web.default.svc.cluster.local")
    mesh = Mesh(alias, service("loop", type="ExternalName", externalName="loop.default.svc.cluster.local"), service())
    assert [name for name in mesh.clusters() if name.startswith("outbound")] == [WEB]


def test_case_16_a_subset_is_a_cluster_even_without_endpoints() -> None:
    mesh = Mesh(service(), rule("subsets: [{name: v1, labels: {version: v1}}]"))
    name = "outbound|80|v1|web.default.svc.cluster.local"
    istio = mesh.shown(name)["metadata"]["filter_metadata"]["istio"]
    assert istio["subset"] == "v1"
    assert istio["config"] == "/apis/networking.istio.io/v1/namespaces/default/destination-rule/rule"
    assert mesh.addresses(name) == []


def test_case_20_a_port_entry_does_not_inherit() -> None:
    mesh = Mesh(
        service(ports="{name: http, port: 80}, {name: alt, port: 8080}"),
        rule("""
trafficPolicy:
  connectionPool: {tcp: {maxConnections: 5}}
  portLevelSettings: [{port: {number: 8080}, tls: {mode: SIMPLE}}]
"""),
    )
    assert thresholds(mesh.shown(WEB))["max_connections"] == 5
    special = mesh.shown("outbound|8080||web.default.svc.cluster.local")
    assert thresholds(special)["max_connections"] == UNLIMITED
    assert special["transport_socket"]["name"] == "envoy.transport_sockets.tls"


def test_case_21_a_subset_overrides_block_by_block() -> None:
    mesh = Mesh(
        service(),
        rule("""
trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 5}}}
subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {maxRetries: 7}}}}]
"""),
    )
    subset = mesh.shown("outbound|80|v1|web.default.svc.cluster.local")
    assert subset["lb_policy"] == "RANDOM"
    assert thresholds(subset)["max_connections"] == UNLIMITED
    assert thresholds(subset)["max_retries"] == 7


def test_mesh_defaults_fill_blocks_that_are_unset() -> None:
    defaults = {"connectionPool": {"tcp": {"maxConnections": 9}}, "outlierDetection": {"interval": "4s"}}
    mesh = mesh_config({"defaultTrafficPolicy": defaults})
    assert thresholds(with_policy("", mesh=mesh))["max_connections"] == 9
    cluster = with_policy("{connectionPool: {http: {maxRetries: 1}}}", mesh=mesh)
    assert thresholds(cluster)["max_connections"] == UNLIMITED
    assert cluster["outlier_detection"]["interval"] == "4s"


def test_stat_names_follow_the_pattern_of_the_mesh() -> None:
    pattern = "%SERVICE%_%SERVICE_NAME%_%SERVICE_FQDN%_%SERVICE_PORT%_%SERVICE_PORT_NAME%_%SUBSET_NAME%%TARGET_PORT%"
    cluster = with_policy("", mesh=mesh_config({"outboundClusterStatName": pattern}))
    assert cluster["alt_stat_name"] == "web.default_web_web.default.svc.cluster.local_80_http_"


def test_sessions_stay_with_endpoints_that_drain() -> None:
    text = service().replace("name: web\n", "name: web\n  labels: {istio.io/persistent-session: cookie}\n", 1)
    assert Mesh(text).shown(WEB)["common_lb_config"]["override_host_status"] == {
        "statuses": ["HEALTHY", "DRAINING", "UNKNOWN", "DEGRADED"]
    }


def test_case_36_static_and_none() -> None:
    static = Mesh(entry(ENTRY % ("STATIC", ", endpoints: [{address: 1.2.3.4}]")))
    assert static.shown(A_COM)["type"] == "EDS"
    assert static.addresses(A_COM) == ["1.2.3.4"]
    none = Mesh(entry(ENTRY % ("NONE", "")))
    assert none.shown(A_COM)["type"] == "ORIGINAL_DST"
    assert none.shown(A_COM, GATEWAY)["type"] == "EDS"
    assert none.addresses(A_COM, GATEWAY) == []


def test_a_port_without_resolution_can_lead_to_another_one() -> None:
    text = "{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], resolution: NONE}"
    assert Mesh(entry(text)).shown(A_COM)["original_dst_lb_config"] == {"upstream_port_override": 8080}


def test_external_services_are_marked() -> None:
    mesh = Mesh(entry(ENTRY % ("DNS", "")), service(), rule("{host: a.com, subsets: [{name: v1}]}"))
    assert mesh.shown(A_COM)["metadata"]["filter_metadata"]["istio"]["external"] is True
    assert "external" not in mesh.shown("outbound|80|v1|a.com")["metadata"]["filter_metadata"]["istio"]
    assert mesh.shown(WEB)["metadata"]["filter_metadata"]["istio"] == {
        "services": [{"host": "web.default.svc.cluster.local", "name": "web", "namespace": "default"}]
    }


def test_case_39_a_service_beats_an_older_entry_of_its_host() -> None:
    host = "web.default.svc.cluster.local"
    older = entry(
        f"{{hosts: [{host}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: DNS}}",
        created="2020-01-01T00:00:00Z",
    )
    assert Mesh(older, service()).shown(WEB)["type"] == "EDS"


def test_case_39_the_own_namespace_beats_the_oldest() -> None:
    def text(address: str) -> str:
        return ENTRY % ("STATIC", f", endpoints: [{{address: {address}}}]")

    mesh = Mesh(
        entry(text("1.1.1.1"), namespace="default", created="2026-03-01T00:00:00Z"),
        entry(text("2.2.2.2"), namespace="other"),
    )
    assert mesh.addresses(A_COM) == ["1.1.1.1"]
    third = msgspec.structs.replace(SIDECAR, namespace="third")
    assert mesh.addresses(A_COM, third) == ["2.2.2.2"]


def test_case_48_what_shapes_nothing_changes_nothing() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    before = {**mesh.clusters(), **mesh.assignments()}
    mesh.add(service().replace("name: web\n", "name: web\n  resourceVersion: '7'\n  annotations: {a: b}\n", 1))
    assert {**mesh.clusters(), **mesh.assignments()} == before


def test_references_lead_to_the_assignment() -> None:
    mesh = Mesh(service(), entry(ENTRY % ("DNS", "")))
    (reference,) = mesh.clusters()[WEB].references
    assert reference.name == WEB
    assert mesh.clusters()[A_COM].references == ()
