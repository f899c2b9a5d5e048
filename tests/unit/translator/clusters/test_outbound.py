"""Outbound clusters: every field of a DestinationRule, and the cases that Istio's users rely on."""

from typing import Any

import msgspec
import pytest
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service
from translator.decode import decode_record
from translator.endpoints.selection import unknown_assignment
from translator.model.proxy import Capture
from translator.objects.mesh_config import MeshConfig

WEB = "outbound|80||web.default.svc.cluster.local"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNLIMITED = 2**32 - 1
UNCAPTURED = msgspec.structs.replace(SIDECAR, capture=Capture.NONE)


def with_policy(policy: str, *, protocol: str = "http", mesh: MeshConfig | None = None) -> dict[str, Any]:
    """The cluster of a service port under a traffic policy, in proto JSON."""
    texts = [service(ports=f"{{name: {protocol}, port: 80}}")]
    if policy:
        texts.append(rule(f"trafficPolicy: {policy}"))
    return Mesh(*texts, mesh=mesh).shown(WEB)


def http_options(cluster: dict[str, Any]) -> dict[str, Any] | None:
    """The HTTP protocol options of a cluster."""
    options: dict[str, Any] = dict(cluster.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {}))
    options.pop("@type", None)
    return options or None


def thresholds(cluster: dict[str, Any]) -> dict[str, Any]:
    """The one set of circuit breakers of a cluster."""
    (only,) = cluster["circuit_breakers"]["thresholds"]
    found: dict[str, Any] = only
    return found


def mesh_config(text: dict[str, Any]) -> MeshConfig:
    """Mesh settings from their YAML form."""
    found, violations = decode_record(text, MeshConfig)
    assert found is not None, violations
    return found


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


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ("{simple: UNSPECIFIED}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: LEAST_REQUEST}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: LEAST_CONN}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: RANDOM}", {"lb_policy": "RANDOM"}),
        ("{simple: ROUND_ROBIN}", {}),
        ("{consistentHash: {useSourceIp: true}}", {"lb_policy": "RING_HASH", "ring": "1024"}),
        ("{consistentHash: {useSourceIp: true, minimumRingSize: 5}}", {"lb_policy": "RING_HASH", "ring": "5"}),
        (
            "{consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 7}}}",
            {"lb_policy": "RING_HASH", "ring": "7"},
        ),
        ("{consistentHash: {httpHeaderName: x, ringHash: {}}}", {"lb_policy": "RING_HASH"}),
        (
            "{consistentHash: {httpHeaderName: x, maglev: {tableSize: 65537}}}",
            {"lb_policy": "MAGLEV", "table": "65537"},
        ),
        ("{consistentHash: {httpHeaderName: x, maglev: {}}}", {"lb_policy": "MAGLEV"}),
    ],
)
def test_case_22_algorithms(balancer: str, expected: dict[str, str]) -> None:
    cluster = with_policy(f"{{loadBalancer: {balancer}}}")
    found = {
        # Round robin is Envoy's default, which proto JSON leaves out.
        "lb_policy": cluster.get("lb_policy"),
        "ring": cluster.get("ring_hash_lb_config", {}).get("minimum_ring_size"),
        "table": cluster.get("maglev_lb_config", {}).get("table_size"),
    }
    assert {name: value for name, value in found.items() if value} == expected


def test_balancer_passthrough_lets_sidecars_pass_connections_on() -> None:
    mesh = Mesh(service(), rule("trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"))
    assert mesh.shown(WEB)["type"] == "ORIGINAL_DST"
    assert mesh.shown(WEB)["lb_policy"] == "CLUSTER_PROVIDED"
    assert WEB not in mesh.assignments()
    assert mesh.shown(WEB, UNCAPTURED)["type"] == "EDS"


SLOW_START = {
    "slow_start_window": "60s",
    "min_weight_percent": {"value": 10.0},
    "aggression": {"default_value": 1.0, "runtime_key": "fairlead.slow_start.aggression"},
}


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ("{warmup: {duration: 60s}}", {"least_request_lb_config": {"slow_start_config": SLOW_START}}),
        (
            "{simple: ROUND_ROBIN, warmup: {duration: 60s, minimumPercent: 5, aggression: 2.5}}",
            {
                "round_robin_lb_config": {
                    "slow_start_config": {
                        "slow_start_window": "60s",
                        "min_weight_percent": {"value": 5.0},
                        "aggression": {"default_value": 2.5, "runtime_key": "fairlead.slow_start.aggression"},
                    }
                }
            },
        ),
        ("{simple: RANDOM, warmup: {duration: 60s}}", {}),
        ("{consistentHash: {useSourceIp: true}, warmup: {duration: 60s}}", {}),
        ("{warmupDurationSecs: 60s}", {"least_request_lb_config": {"slow_start_config": {"slow_start_window": "60s"}}}),
        (
            "{warmupDurationSecs: 1s, warmup: {duration: 60s}}",
            {"least_request_lb_config": {"slow_start_config": SLOW_START}},
        ),
    ],
)
def test_case_25_warmup(balancer: str, expected: dict[str, Any]) -> None:
    cluster = with_policy(f"{{loadBalancer: {balancer}}}")
    assert {
        name: cluster[name] for name in cluster if name in ("least_request_lb_config", "round_robin_lb_config")
    } == expected


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ("{tcp: {maxConnections: 5}}", {"max_connections": 5}),
        ("{tcp: {maxConnections: 0}}", {}),
        ("{http: {http1MaxPendingRequests: 6}}", {"max_pending_requests": 6}),
        ("{http: {http2MaxRequests: 7}}", {"max_requests": 7}),
        ("{http: {maxRetries: 8}}", {"max_retries": 8}),
    ],
)
def test_connection_pool_limits(pool: str, limits: dict[str, int]) -> None:
    found = thresholds(with_policy(f"{{connectionPool: {pool}}}"))
    unlimited = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    assert found == {**unlimited, "track_remaining": True, **limits}


def test_connect_timeout_of_rule_and_mesh() -> None:
    assert with_policy("{connectionPool: {tcp: {connectTimeout: 1500ms}}}")["connect_timeout"] == "1.500s"
    assert with_policy("", mesh=mesh_config({"connectTimeout": "3s"}))["connect_timeout"] == "3s"


@pytest.mark.parametrize(
    ("keepalive", "mesh", "expected"),
    [
        (None, None, None),
        ("{}", None, {}),
        ("{probes: 3, time: 7200s, interval: 75s}", None, {"probes": 3, "time": 7200, "interval": 75}),
        (None, {"time": "10s"}, {"time": 10}),
        ("{probes: 2, interval: 1500ms}", {"probes": 9, "time": "10s"}, {"probes": 2, "time": 10, "interval": 1}),
    ],
)
def test_tcp_keepalive(keepalive: str | None, mesh: dict[str, Any] | None, expected: dict[str, int] | None) -> None:
    policy = f"{{connectionPool: {{tcp: {{tcpKeepalive: {keepalive}}}}}}}" if keepalive else ""
    cluster = with_policy(policy, mesh=mesh_config({"tcpKeepalive": mesh} if mesh else {}))
    found = cluster.get("upstream_connection_options", {}).get("tcp_keepalive")
    assert found == (None if expected is None else {f"keepalive_{name}": value for name, value in expected.items()})


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("{http: {maxRequestsPerConnection: 3}}", {"max_requests_per_connection": 3}),
        ("{http: {idleTimeout: 7s}}", {"idle_timeout": "7s"}),
        ("{tcp: {idleTimeout: 8s}}", {"idle_timeout": "8s"}),
        ("{tcp: {idleTimeout: 8s}, http: {idleTimeout: 7s}}", {"idle_timeout": "7s"}),
        ("{tcp: {maxConnectionDuration: 1h}}", {"max_connection_duration": "3600s"}),
    ],
)
def test_connection_pool_in_http_options(pool: str, expected: dict[str, Any]) -> None:
    assert http_options(with_policy(f"{{connectionPool: {pool}}}")) == {
        "common_http_protocol_options": expected,
        "explicit_http_config": {"http_protocol_options": {}},
    }


HTTP2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
DOWNSTREAM: dict[str, Any] = {
    "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}
}


@pytest.mark.parametrize(
    ("protocol", "sidecar", "gateway"),
    [
        ("http", None, None),
        ("http2", HTTP2, HTTP2),
        ("grpc", HTTP2, HTTP2),
        ("grpc-web", HTTP2, HTTP2),
        ("unknown", DOWNSTREAM, None),
        ("tcp", None, None),
        ("tls", None, None),
        ("https", None, None),
        ("mongo", None, None),
    ],
)
def test_http_options_by_protocol(
    protocol: str, sidecar: dict[str, Any] | None, gateway: dict[str, Any] | None
) -> None:
    mesh = Mesh(service(ports=f"{{name: {protocol}, port: 80}}"))
    assert http_options(mesh.shown(WEB, SIDECAR)) == sidecar
    assert http_options(mesh.shown(WEB, GATEWAY)) == gateway


@pytest.mark.parametrize(
    ("protocol", "http", "mesh", "expected"),
    [
        ("http", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", HTTP2),
        ("tcp", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", HTTP2),
        ("unknown", "{h2UpgradePolicy: UPGRADE}", "DO_NOT_UPGRADE", DOWNSTREAM),
        ("http", "{maxRetries: 1}", "UPGRADE", HTTP2),
        ("tcp", "{maxRetries: 1}", "UPGRADE", None),
        ("http", "{h2UpgradePolicy: DO_NOT_UPGRADE}", "UPGRADE", None),
        ("grpc", "{h2UpgradePolicy: DO_NOT_UPGRADE}", "UPGRADE", HTTP2),
        ("http", "{useClientProtocol: true}", "UPGRADE", DOWNSTREAM),
        ("grpc", "{useClientProtocol: true}", "DO_NOT_UPGRADE", DOWNSTREAM),
        ("http", "{maxConcurrentStreams: 9}", "DO_NOT_UPGRADE", None),
    ],
)
def test_case_24_http2_upgrade(protocol: str, http: str, mesh: str, expected: dict[str, Any] | None) -> None:
    settings = mesh_config({"h2UpgradePolicy": mesh})
    assert (
        http_options(with_policy(f"{{connectionPool: {{http: {http}}}}}", protocol=protocol, mesh=settings)) == expected
    )


def test_case_24_limits_of_http2() -> None:
    pool = "{http: {maxConcurrentStreams: 9, http2KeepAlive: {interval: 5s, timeout: 1s}}}"
    assert http_options(with_policy(f"{{connectionPool: {pool}}}", protocol="grpc")) == {
        "explicit_http_config": {
            "http2_protocol_options": {
                "max_concurrent_streams": 9,
                "connection_keepalive": {"interval": "5s", "timeout": "1s"},
            }
        }
    }


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("{}", {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}),
        ("{percent: 5, minRetryConcurrency: 9}", {"budget_percent": {"value": 5.0}, "min_retry_concurrency": 9}),
    ],
)
def test_case_26_retry_budget(budget: str, expected: dict[str, Any]) -> None:
    assert thresholds(with_policy(f"{{retryBudget: {budget}}}"))["retry_budget"] == expected


def test_case_26_proxy_protocol_wraps_clear_text_and_tls() -> None:
    plain = with_policy("{proxyProtocol: {version: V2}}")["transport_socket"]
    assert plain["name"] == "envoy.transport_sockets.upstream_proxy_protocol"
    assert plain["typed_config"]["config"] == {"version": "V2"}
    assert plain["typed_config"]["transport_socket"]["name"] == "envoy.transport_sockets.raw_buffer"
    tls = with_policy("{proxyProtocol: {version: V1}, tls: {mode: SIMPLE}}")["transport_socket"]
    assert tls["typed_config"]["config"] == {}
    assert tls["typed_config"]["transport_socket"]["name"] == "envoy.transport_sockets.tls"


@pytest.mark.parametrize(
    ("outlier", "expected"),
    [
        ("{}", {}),
        ("{consecutiveErrors: 3}", {}),
        ("{consecutive5xxErrors: 0}", {"consecutive_5xx": 0, "enforcing_consecutive_5xx": 0}),
        ("{consecutive5xxErrors: 7}", {"consecutive_5xx": 7, "enforcing_consecutive_5xx": 100}),
        (
            "{consecutiveGatewayErrors: 3}",
            {"consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100},
        ),
        (
            "{consecutiveGatewayErrors: 0}",
            {"consecutive_gateway_failure": 0, "enforcing_consecutive_gateway_failure": 0},
        ),
        ("{interval: 1s, baseEjectionTime: 3m}", {"interval": "1s", "base_ejection_time": "180s"}),
        ("{maxEjectionPercent: 50}", {"max_ejection_percent": 50}),
        ("{maxEjectionPercent: 0}", {}),
        (
            "{splitExternalLocalOriginErrors: true}",
            {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0},
        ),
        (
            "{splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2}",
            {
                "split_external_local_origin_errors": True,
                "enforcing_local_origin_success_rate": 0,
                "consecutive_local_origin_failure": 2,
                "enforcing_consecutive_local_origin_failure": 100,
            },
        ),
        ("{consecutiveLocalOriginFailures: 2}", {}),
    ],
)
def test_case_23_outlier_detection(outlier: str, expected: dict[str, Any]) -> None:
    cluster = with_policy(f"{{outlierDetection: {outlier}}}")
    assert cluster["outlier_detection"] == {"enforcing_success_rate": 0, **expected}
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {}


@pytest.mark.parametrize("percent", [0, 30])
def test_case_08_the_panic_threshold(percent: int) -> None:
    config = with_policy(f"{{outlierDetection: {{minHealthPercent: {percent}}}}}")["common_lb_config"]
    assert config["healthy_panic_threshold"] == ({"value": 30.0} if percent else {})


def test_a_service_that_wishes_for_near_endpoints_never_panics() -> None:
    mesh = Mesh(
        service(trafficDistribution="PreferClose"),
        rule("trafficPolicy: {outlierDetection: {minHealthPercent: 30}}"),
    )
    assert mesh.shown(WEB)["common_lb_config"]["healthy_panic_threshold"] == {}


def test_error_codes_of_outlier_detection() -> None:
    one = http_options(with_policy("{outlierDetection: {outlierDetectionHttpErrorCodes: [429]}}"))
    match = {"http_response_headers_match": {"headers": [{"name": ":status", "string_match": {"exact": "429"}}]}}
    assert one == {
        "outlier_detection": {"error_matcher": match},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    two = http_options(with_policy("{outlierDetection: {outlierDetectionHttpErrorCodes: [429, 503]}}"))
    assert two is not None
    assert [
        rule["http_response_headers_match"]["headers"][0]["string_match"]["exact"]
        for rule in two["outlier_detection"]["error_matcher"]["or_match"]["rules"]
    ] == ["429", "503"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("{outlierDetection: {}}", {}),
        (
            "{outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}",
            {"weighted": True},
        ),
        ("{outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [zone]}}}", {"weighted": True}),
        ("{loadBalancer: {localityLbSetting: {failoverPriority: [zone]}}}", {}),
        ("{loadBalancer: {localityLbSetting: {distribute: [{from: '*', to: {a: 100}}]}}}", {"weighted": True}),
        ("{loadBalancer: {localityLbSetting: {enabled: false}}}", {}),
        ("{loadBalancer: {zoneAwareLbSetting: {minClusterSize: 3}}}", {"zones": {"min_cluster_size": "3"}}),
        ("{loadBalancer: {zoneAwareLbSetting: {enabled: false}}}", {"zones": {"routing_enabled": {}}}),
    ],
)
def test_locality_settings(policy: str, expected: dict[str, Any]) -> None:
    config = with_policy(policy)["common_lb_config"]
    found = {"weighted": "locality_weighted_lb_config" in config, "zones": config.get("zone_aware_lb_config")}
    assert {name: value for name, value in found.items() if value} == expected


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


DNS = """
{hosts: [a.com], ports: [{number: 443, name: https, protocol: HTTPS}, {number: 80, name: http, protocol: HTTP}],
 resolution: %s %s}
"""
CLUSTER_80 = "outbound|80||a.com"


def test_case_36_static_and_none() -> None:
    static = Mesh(entry(DNS % ("STATIC", ", endpoints: [{address: 1.2.3.4}]")))
    assert static.shown(CLUSTER_80)["type"] == "EDS"
    assert static.addresses(CLUSTER_80) == ["1.2.3.4"]
    none = Mesh(entry(DNS % ("NONE", "")))
    assert none.shown(CLUSTER_80)["type"] == "ORIGINAL_DST"
    assert none.shown(CLUSTER_80, GATEWAY)["type"] == "EDS"
    assert none.addresses(CLUSTER_80, GATEWAY) == []


def test_case_36_dns_resolves_the_endpoints_or_the_host() -> None:
    for endpoints, expected in (
        ("", ["a.com"]),
        (", endpoints: [{address: b.com}, {address: c.com}]", ["b.com", "c.com"]),
    ):
        cluster = Mesh(entry(DNS % ("DNS", endpoints))).shown(CLUSTER_80)
        assert cluster["cluster_type"]["name"] == "envoy.clusters.dns"
        config = cluster["cluster_type"]["typed_config"]
        assert config["dns_refresh_rate"] == "60s"
        assert config["respect_dns_ttl"] is True
        assert config["dns_lookup_family"] == "V4_ONLY"
        assert "all_addresses_in_single_endpoint" not in config
        (group,) = cluster["load_assignment"]["endpoints"]
        found = [each["endpoint"]["address"]["socket_address"] for each in group["lb_endpoints"]]
        assert found == [{"address": address, "port_value": 80} for address in expected]
        assert cluster["lb_policy"] == "LEAST_REQUEST"
        assert "eds_cluster_config" not in cluster


def test_case_36_round_robin_keeps_the_first_endpoint_of_the_oldest_entry() -> None:
    younger = entry(
        DNS % ("DNS_ROUND_ROBIN", ", endpoints: [{address: y.com}]"), name="a", created="2026-02-01T00:00:00Z"
    )
    older = entry(DNS % ("DNS_ROUND_ROBIN", ", endpoints: [{address: o.com}]"), name="b")
    cluster = Mesh(younger, older).shown(CLUSTER_80)
    assert cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] is True
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [each["endpoint"]["address"]["socket_address"]["address"] for each in group["lb_endpoints"]] == ["o.com"]


def test_dns_clusters_ask_for_the_family_of_the_proxy() -> None:
    proxy = msgspec.structs.replace(SIDECAR, addresses=("2001:db8::1",))
    cluster = Mesh(entry(DNS % ("DNS", ""))).shown(CLUSTER_80, proxy)
    assert cluster["cluster_type"]["typed_config"]["dns_lookup_family"] == "V6_ONLY"


def test_case_18_a_dns_subset_without_endpoints_is_no_cluster() -> None:
    mesh = Mesh(
        entry(DNS % ("DNS", ", endpoints: [{address: b.com, labels: {version: v1}}]")),
        rule("{host: a.com, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}"),
    )
    assert "outbound|80|v1|a.com" in mesh.clusters()
    assert "outbound|80|v2|a.com" not in mesh.clusters()


def test_dynamic_dns_only_for_protocols_that_name_their_host() -> None:
    text = """
{hosts: ["*.a.com"], resolution: DYNAMIC_DNS, ports: [
 {number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS},
 {number: 99, name: tcp, protocol: TCP}]}
"""
    mesh = Mesh(entry(text), rule("{host: '*.a.com', subsets: [{name: v1}]}"))
    outbound = {name for name in mesh.clusters() if name.startswith("outbound")}
    assert outbound == {"outbound|80||*.a.com", "outbound|443||*.a.com"}
    cluster = mesh.shown("outbound|80||*.a.com")
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    assert cluster["cluster_type"]["name"] == "envoy.clusters.dynamic_forward_proxy"
    assert cluster["cluster_type"]["typed_config"]["dns_cache_config"]["name"] == "*.a.com_dfp_dns_cache"


def test_a_port_without_resolution_can_lead_to_another_one() -> None:
    text = "{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], resolution: NONE}"
    assert Mesh(entry(text)).shown(CLUSTER_80)["original_dst_lb_config"] == {"upstream_port_override": 8080}


def test_external_services_are_marked() -> None:
    mesh = Mesh(entry(DNS % ("DNS", "")), service(), rule("{host: a.com, subsets: [{name: v1}]}"))
    assert mesh.shown(CLUSTER_80)["metadata"]["filter_metadata"]["istio"]["external"] is True
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
        return DNS % ("STATIC", f", endpoints: [{{address: {address}}}]")

    mesh = Mesh(
        entry(text("1.1.1.1"), namespace="default", created="2026-03-01T00:00:00Z"),
        entry(text("2.2.2.2"), namespace="other"),
    )
    assert mesh.addresses(CLUSTER_80) == ["1.1.1.1"]
    third = msgspec.structs.replace(SIDECAR, namespace="third")
    assert mesh.addresses(CLUSTER_80, third) == ["2.2.2.2"]


def test_case_48_what_shapes_nothing_changes_nothing() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    before = {**mesh.clusters(), **mesh.assignments()}
    mesh.add(service().replace("name: web\n", "name: web\n  resourceVersion: '7'\n  annotations: {a: b}\n", 1))
    assert {**mesh.clusters(), **mesh.assignments()} == before


def test_references_lead_to_the_assignment() -> None:
    mesh = Mesh(service(), entry(DNS % ("DNS", "")))
    (reference,) = mesh.clusters()[WEB].references
    assert reference.name == WEB
    assert mesh.clusters()[CLUSTER_80].references == ()


def test_case_36_what_nobody_resolves_is_dialled_where_nothing_is_intercepted() -> None:
    direct = UNCAPTURED
    named = Mesh(entry(DNS % ("NONE", ""))).shown(CLUSTER_80, direct)
    assert named["cluster_type"]["name"] == "envoy.clusters.dns"
    assert dns_hosts(named) == ["a.com:80"]
    redirected = entry(
        "{hosts: [a.com], ports: [{number: 80, name: http, targetPort: 8080}], addresses: [1.2.3.4, 10.0.0.0/8]}"
    )
    assert dns_hosts(Mesh(redirected).shown(CLUSTER_80, direct)) == ["1.2.3.4:8080"]
    wildcard = Mesh(entry("{hosts: ['*.a.com'], ports: [{number: 80, name: http, protocol: HTTP}]}"))
    assert wildcard.shown("outbound|80||*.a.com", direct)["type"] == "EDS"


def dns_hosts(cluster: dict[str, Any]) -> list[str]:
    """The endpoints in a cluster."""
    sockets = [
        each["endpoint"]["address"]["socket_address"]
        for group in cluster["load_assignment"]["endpoints"]
        for each in group["lb_endpoints"]
    ]
    return [f"{socket['address']}:{socket['port_value']}" for socket in sockets]


@pytest.mark.parametrize(
    ("strategy", "endpoints", "family", "single"),
    [
        ("RACE_FIRST_TCP_CONNECT", "", "ALL", True),
        ("race_first_tcp_connect", "", "ALL", True),
        # Only the addresses of one name can race.
        ("RACE_FIRST_TCP_CONNECT", ", endpoints: [{address: b.com}, {address: c.com}]", "V4_ONLY", False),
        ("FIRST_HEALTHY_RACE", "", "V4_ONLY", False),
    ],
)
def test_addresses_of_a_name_can_race(strategy: str, endpoints: str, family: str, single: bool) -> None:  # noqa: FBT001
    text = entry(DNS % ("DNS", endpoints))
    text = text.replace("name: entry\n", f"name: entry\n  annotations: {{istio.io/connect-strategy: {strategy}}}\n", 1)
    config = Mesh(text).shown(CLUSTER_80)["cluster_type"]["typed_config"]
    assert config["dns_lookup_family"] == family
    assert config.get("all_addresses_in_single_endpoint", False) is single


@pytest.mark.parametrize(
    ("protocol", "where"),
    [("http", "explicit_http_config"), ("auto", "use_downstream_protocol_config"), ("grpc", None), ("tcp", None)],
)
def test_headers_keep_their_spelling_where_the_mesh_wants_it(protocol: str, where: str | None) -> None:
    mesh = MeshConfig(default_config={"proxyHeaders": {"preserveHttp1HeaderCase": True}})
    shown = Mesh(service(ports=f"{{name: {protocol}, port: 80}}"), mesh=mesh).shown(WEB)
    options = shown.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
    if where is None:
        assert "header_key_format" not in str(options)
        return
    formatter = options[where]["http_protocol_options"]["header_key_format"]["stateful_formatter"]
    assert formatter["name"] == "envoy.http.stateful_header_formatters.preserve_case"


def test_case_49_an_assignment_that_is_asked_for_after_its_cluster_came_to_be_resolved_is_empty() -> None:
    mesh = Mesh(entry(DNS % ("STATIC", ", endpoints: [{address: 1.2.3.4}]")))
    assert mesh.addresses(CLUSTER_80) == ["1.2.3.4"]
    mesh.add(entry(DNS % ("DNS", ", endpoints: [{address: 1.2.3.4}]")))
    assert CLUSTER_80 in mesh.clusters()
    assert CLUSTER_80 not in mesh.assignments()
    assert not ClusterLoadAssignment.FromString(unknown_assignment(CLUSTER_80).body).endpoints
