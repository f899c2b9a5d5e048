"""Which matches concern a proxy."""

import pytest
import yaml

from tests.unit.translator.routes.tables import http_rule
from translator.routes.context import RouteContext, source_label_names

SIDECAR = RouteContext(namespace="shop", port=80, labels=(("app", "a"), ("version", "v1")))
GATEWAY = RouteContext(namespace="edge", port=80, gateway="edge/web")


def concerns(context: RouteContext, match: str) -> bool:
    rule = http_rule(yaml.safe_dump({"match": [yaml.safe_load(match)], "route": []}))
    return context.concerns(rule.match[0])


@pytest.mark.parametrize(
    ("match", "sidecar", "gateway"),
    [
        ("{}", True, True),
        ("port: 80", True, True),
        ("port: 8080", False, False),
        ("gateways: [mesh]", True, False),
        ("gateways: [edge/web]", False, True),
        ("gateways: [edge/web, mesh]", True, True),
        ("sourceLabels: {app: a}", True, False),
        ("sourceLabels: {app: a, version: v2}", False, False),
        ("sourceLabels: {other: a}", False, False),
        ("sourceNamespace: shop", True, False),
        ("sourceNamespace: edge", False, True),
        ("{gateways: [mesh], sourceLabels: {app: b}, sourceNamespace: x}", True, False),
        ("{gateways: [mesh], port: 8080}", False, False),
    ],
)
def test_case_11_port_gateway_and_source_decide(match: str, *, sidecar: bool, gateway: bool) -> None:
    assert concerns(SIDECAR, match) is sidecar
    assert concerns(GATEWAY, match) is gateway


def test_case_12_a_table_of_all_ports_takes_no_match_with_a_port() -> None:
    everything = RouteContext(namespace="shop", port=0)
    assert not concerns(everything, "port: 80")
    assert concerns(everything, "{}")


def test_case_12_rules_keep_the_matches_that_concern() -> None:
    rule = http_rule("{match: [{port: 80, uri: {prefix: /a}}, {port: 8080, uri: {prefix: /b}}], route: []}")
    unconditional = http_rule("{route: []}")
    gone = http_rule("{match: [{port: 8080}], route: []}")
    first, second = SIDECAR.select((rule, gone, unconditional))
    assert [match.port for match in first.match] == [80]
    assert second is unconditional


def test_labels_count_unless_the_match_names_gateways() -> None:
    rule = http_rule("{match: [{sourceLabels: {a: x}}, {gateways: [mesh], sourceLabels: {b: x}}], route: []}")
    assert source_label_names((rule,)) == {"a"}
