"""The routes of one rule: order, names, what stands around the action."""

import pytest
import yaml

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import Tree, tree, virtual_service
from translator.model.routing_rule import destinations
from translator.objects.virtual_service import VirtualService
from translator.routes.destination import Target
from translator.routes.route import RuleInputs, build_routes

TO_A = "route: [{destination: {host: a}}]"


def routes(http: str, port: int = 80, *, tls: bool = False) -> list[Tree]:
    """The routes of a VirtualService ``cfg/rule`` with these HTTP rules."""
    spec = yaml.safe_dump({"hosts": ["a.com"], "http": yaml.safe_load(http)})
    (write,) = writes(virtual_service("rule", spec, namespace="cfg"))
    assert isinstance(write.value, VirtualService)
    rules = write.value.spec.http
    targets = {
        each: Target(f"outbound|8080|{each.subset}|{each.host}") for rule in rules for each in destinations(rule)
    }
    inputs = RuleInputs(key=write.key, http=rules, port=port, tls=tls, targets=targets)
    return [tree(route) for route in build_routes(inputs)]


def paths(http: str) -> list[str]:
    return [next(iter(route["match"].values())) for route in routes(http)]


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (f"[{{{TO_A}}}, {{match: [{{uri: {{prefix: /b}}}}], {TO_A}}}]", ["/"]),
        (f"[{{match: [{{uri: {{prefix: /a}}}}, {{uri: {{exact: /b}}}}], {TO_A}}}, {{{TO_A}}}]", ["/a", "/b", "/"]),
        (f"[{{match: [{{uri: {{prefix: /}}}}, {{uri: {{exact: /b}}}}], {TO_A}}}, {{{TO_A}}}]", ["/"]),
        (f"[{{match: [{{headers: {{x: {{}}}}}}], {TO_A}}}, {{{TO_A}}}, {{{TO_A}}}]", ["/", "/"]),
    ],
)
def test_case_12_a_route_for_every_match_until_nothing_can_follow(http: str, expected: list[str]) -> None:
    assert paths(http) == expected


def test_case_12_all_matches_of_a_rule_share_its_action() -> None:
    first, second = routes(f"[{{match: [{{uri: {{prefix: /a}}}}, {{uri: {{prefix: /b}}}}], timeout: 5s, {TO_A}}}]")
    assert first["route"] == second["route"]
    assert first["route"]["timeout"] == "5s"


def test_names_are_those_of_rule_and_match() -> None:
    http = (
        f"[{{name: r, match: [{{name: m, uri: {{prefix: /a}}}}, {{uri: {{prefix: /b}}}}], {TO_A}}}, "
        f"{{match: [{{name: m, uri: {{prefix: /c}}}}], {TO_A}}}, {{{TO_A}}}]"
    )
    assert [route.get("name", "") for route in routes(http)] == ["r.m", "r", ".m", ""]


def test_a_route_tells_its_origin_and_what_to_call_it_in_statistics() -> None:
    (route,) = routes(f"[{{match: [{{uri: {{prefix: /a}}, statPrefix: s}}], {TO_A}}}]")
    origin = "/apis/networking.istio.io/v1/namespaces/cfg/virtual-service/rule"
    assert route["metadata"] == {"filter_metadata": {"istio": {"config": origin}}}
    assert route["stat_prefix"] == "s"


@pytest.mark.parametrize(
    ("rule", "operation"),
    [
        ("route: [{destination: {host: a}}]", "a:8080/*"),
        ("{match: [{uri: {exact: /x}}], route: [{destination: {host: a, subset: v1}}]}", "a:8080/x"),
        ("route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1}]", "rule:80/*"),
        ("redirect: {uri: /x}", "rule:80/*"),
        ("{match: [{uri: {regex: '.*x'}}], directResponse: {status: 200}}", "rule:80.*x"),
    ],
)
def test_spans_are_called_by_the_only_cluster_or_the_rule(rule: str, operation: str) -> None:
    (route,) = routes(f"[{rule if rule.startswith('{') else '{' + rule + '}'}]")
    assert route["decorator"] == {"operation": operation}


def test_case_18_an_action_that_envoy_refuses_costs_its_rule_alone() -> None:
    http = (
        "[{match: [{uri: {prefix: /a}}], redirect: {uri: /x, redirectCode: 304}}, "
        "{match: [{uri: {prefix: /b}}], directResponse: {status: 600}}, "
        "{match: [{uri: {prefix: /c}}], route: [{destination: {host: a}}, {destination: {host: b}}]}, "
        f"{{match: [{{uri: {{prefix: /d}}}}], {TO_A}}}]"
    )
    assert paths(http) == ["/d"]


def test_a_redirect_wins_over_a_response_and_this_over_a_cluster() -> None:
    both = "redirect: {uri: /x}, directResponse: {status: 200}, " + TO_A
    assert "redirect" in routes(f"[{{{both}}}]")[0]
    assert "direct_response" in routes(f"[{{directResponse: {{status: 200}}, {TO_A}}}]")[0]


def test_derived_ports_are_those_of_the_listener() -> None:
    http = "[{redirect: {authority: b, derivePort: FROM_REQUEST_PORT}}]"
    assert routes(http, 8080)[0]["redirect"]["port_redirect"] == 8080
    assert "port_redirect" not in routes(http, 443, tls=True)[0]["redirect"]


def test_case_17_headers_of_rule_then_of_the_only_destination() -> None:
    http = (
        "[{headers: {request: {add: {z: '1'}}}, "
        "route: [{destination: {host: a}, headers: {request: {add: {a: '2'}}}}]}]"
    )
    added = routes(http)[0]["request_headers_to_add"]
    assert [each["header"]["key"] for each in added] == ["z", "a"]
    answered = routes("[{headers: {response: {add: {z: '1'}}}, directResponse: {status: 200}}]")[0]
    assert answered["response_headers_to_add"][0]["header"] == {"key": "z", "value": "1"}


def test_faults_and_cors_are_settings_of_their_filters() -> None:
    (route,) = routes(
        f"[{{fault: {{abort: {{httpStatus: 500}}}}, corsPolicy: {{allowOrigins: [{{exact: '*'}}]}}, {TO_A}}}]"
    )
    configs = route["typed_per_filter_config"]
    assert configs["envoy.filters.http.fault"]["@type"].endswith("fault.v3.HTTPFault")
    assert configs["envoy.filters.http.cors"]["@type"].endswith("cors.v3.CorsPolicy")
