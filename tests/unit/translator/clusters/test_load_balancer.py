"""Load balancing of outbound clusters: algorithms, warm-up, localities."""

from typing import Any

import pytest

from tests.unit.translator.clusters.cluster_kit import (
    UNCAPTURED,
    WEB,
    with_policy,
)
from tests.unit.translator.mesh_kit import Mesh, rule, service


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
