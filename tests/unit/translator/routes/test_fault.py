"""Fault injection."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.objects.virtual_service import HTTPFaultInjection
from translator.routes.fault import build_fault


def fault(text: str) -> HTTPFaultInjection:
    found = http_rule(yaml.safe_dump({"fault": yaml.safe_load(text), "route": []})).fault
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "delay: {fixedDelay: 2s, percentage: {value: 50}}",
            {"delay": {"fixed_delay": "2s", "percentage": {"numerator": 500000, "denominator": "MILLION"}}},
        ),
        ("delay: {fixedDelay: 2s, percent: 10}", {"delay": {"fixed_delay": "2s", "percentage": {"numerator": 10}}}),
        ("delay: {fixedDelay: 2s}", {"delay": {"fixed_delay": "2s", "percentage": {}}}),
        (
            "abort: {grpcStatus: UNAVAILABLE, percentage: {value: 0.57}}",
            {"abort": {"grpc_status": 14, "percentage": {"numerator": 5700, "denominator": "MILLION"}}},
        ),
        ("abort: {grpcStatus: UNAUTHENTICATED}", {"abort": {"grpc_status": 16}}),
        ("abort: {httpStatus: 503}", {"abort": {"http_status": 503}}),
        (
            "{delay: {exponentialDelay: 1s}, abort: {httpStatus: 500}}",
            {"abort": {"http_status": 500}},
        ),
    ],
)
def test_case_21_a_fault_is_encoded(text: str, expected: Tree) -> None:
    assert tree(build_fault(fault(text))) == expected


@pytest.mark.parametrize("text", ["{}", "delay: {exponentialDelay: 1s}", "abort: {http2Error: REFUSED}"])
def test_nothing_to_inject(text: str) -> None:
    assert build_fault(fault(text)) is None
