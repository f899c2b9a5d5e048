"""Changes to headers."""

import pytest
import yaml
from envoy.config.route.v3 import route_components_pb2

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.objects.virtual_service import Headers
from translator.routes.headers import mutate_headers, requested_host


def headers(text: str) -> Headers:
    found = http_rule(yaml.safe_dump({"headers": yaml.safe_load(text), "route": []})).headers
    assert found is not None
    return found


def option(name: str, value: str, action: str | None = None) -> Tree:
    """A change as Envoy has it; appending is the default of the enumeration."""
    found: Tree = {"header": {"key": name, "value": value}}
    return found | {"append_action": action} if action else found


SET = "OVERWRITE_IF_EXISTS_OR_ADD"


def test_case_17_sets_before_adds_each_sorted_and_removals_as_written() -> None:
    route = route_components_pb2.Route()
    mutate_headers(
        route,
        headers(
            "{request: {add: {b: '2', a: '1'}, set: {d: '4', c: '3'}, remove: [z, y]}, "
            "response: {set: {e: '5'}, add: {f: '6'}, remove: [x]}}"
        ),
    )
    assert tree(route) == {
        "request_headers_to_add": [option("c", "3", SET), option("d", "4", SET), option("a", "1"), option("b", "2")],
        "request_headers_to_remove": ["z", "y"],
        "response_headers_to_add": [option("e", "5", SET), option("f", "6")],
        "response_headers_to_remove": ["x"],
    }


def test_case_17_pseudo_headers_and_host_are_not_header_operations() -> None:
    route = route_components_pb2.Route()
    mutate_headers(
        route,
        headers(
            "{request: {set: {Host: a, ':authority': b}, remove: [host, ':path']}, response: {add: {':status': c}}}"
        ),
    )
    assert tree(route) == {}


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("request: {set: {Host: a.com}}", "a.com"),
        ("request: {add: {':authority': a.com}}", "a.com"),
        ("request: {add: {Host: a.com}, set: {host: b.com}}", "b.com"),
        ("request: {set: {x: a.com}}", ""),
        ("response: {set: {host: a.com}}", ""),
    ],
)
def test_case_17_setting_the_host_asks_for_a_rewrite(text: str, host: str) -> None:
    assert requested_host(headers(text)) == host


def test_no_headers_no_changes() -> None:
    route = route_components_pb2.Route()
    mutate_headers(route, None)
    assert tree(route) == {}
    assert requested_host(None) == ""
