"""When outbound clusters give up on endpoints."""

from typing import Any

import pytest

from tests.unit.translator.clusters.cluster_kit import (
    WEB,
    http_options,
    with_policy,
)
from tests.unit.translator.mesh_kit import Mesh, rule, service


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
