"""Conditions on a request."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.routes.match import build_match, describe_path, is_catch_all

CASES = {
    "{}": "{prefix: /, case_sensitive: true}",
    "uri: {exact: /a}": "{path: /a, case_sensitive: true}",
    "uri: {prefix: /foo}": "{prefix: /foo, case_sensitive: true}",
    "uri: {prefix: ''}": "{prefix: /, case_sensitive: true}",
    "uri: {regex: '/v[12]/.*'}": "{safe_regex: {regex: '/v[12]/.*'}, case_sensitive: true}",
    "{uri: {prefix: /foo}, ignoreUriCase: true}": "{prefix: /foo, case_sensitive: false}",
    "headers: {x: {exact: v}}": "{headers: [{name: x, string_match: {exact: v}}]}",
    "headers: {x: {prefix: v}}": "{headers: [{name: x, string_match: {prefix: v}}]}",
    "headers: {x: {regex: v.*}}": "{headers: [{name: x, string_match: {safe_regex: {regex: v.*}}}]}",
    "headers: {x: {}}": "{headers: [{name: x, present_match: true}]}",
    "headers: {x: {regex: '*'}}": "{headers: [{name: x, present_match: true}]}",
    "withoutHeaders: {x: {exact: v}}": (
        "{headers: [{name: x, string_match: {exact: v}, invert_match: true, treat_missing_header_as_empty: true}]}"
    ),
    "withoutHeaders: {x: {}}": "{headers: [{name: x, present_match: true, invert_match: true}]}",
    "withoutHeaders: {x: null}": "{headers: [{name: x, present_match: true, invert_match: true}]}",
    "{headers: {b: {}, a: {}}, withoutHeaders: {aa: {}, b: {}}, method: {exact: GET}}": (
        "{headers: [{name: a, present_match: true}, {name: aa, present_match: true, invert_match: true}, "
        "{name: b, present_match: true}, {name: b, present_match: true, invert_match: true}, "
        "{name: ':method', string_match: {exact: GET}}]}"
    ),
    "{scheme: {exact: https}, authority: {prefix: a.}, method: {regex: G.*}}": (
        "{headers: [{name: ':method', string_match: {safe_regex: {regex: G.*}}}, "
        "{name: ':authority', string_match: {prefix: a.}}, {name: ':scheme', string_match: {exact: https}}]}"
    ),
    "queryParams: {z: {exact: '1'}, a: {}, b: null, c: {regex: '*'}}": (
        "{query_parameters: [{name: a, present_match: true}, {name: b, present_match: true}, "
        "{name: c, present_match: true}, {name: z, string_match: {exact: '1'}}]}"
    ),
}
CLAIM = (
    "{filter: envoy.filters.http.jwt_authn, path: [{key: payload}, {key: a}, {key: b}], "
    "value: {or_match: {value_matchers: [{list_match: {one_of: {string_match: {exact: v}}}}, "
    "{string_match: {exact: v}}]}}}"
)
CASES |= {
    "headers: {'@request.auth.claims.a.b': {exact: v}}": f"{{dynamic_metadata: [{CLAIM}]}}",
    "headers: {'@Request.Auth.Claims[a][b]': {exact: v}}": f"{{dynamic_metadata: [{CLAIM}]}}",
    "withoutHeaders: {'@request.auth.claims[a][b]': {exact: v}}": (
        f"{{dynamic_metadata: [{CLAIM[:-1]}, invert: true}}]}}"
    ),
    "headers: {'@request.auth.claims.a': {}}": (
        "{dynamic_metadata: [{filter: envoy.filters.http.jwt_authn, path: [{key: payload}, {key: a}], "
        "value: {present_match: true}}]}"
    ),
}


def built(match: str) -> Tree:
    rule = http_rule(yaml.safe_dump({"match": [yaml.safe_load(match)], "route": []}))
    return tree(build_match(rule.match[0]))


@pytest.mark.parametrize("match", CASES)
def test_case_13_a_match_is_encoded(match: str) -> None:
    expected = yaml.safe_load(CASES[match])
    if not {"prefix", "path", "safe_regex"} & expected.keys():
        expected |= {"prefix": "/", "case_sensitive": True}
    assert built(match) == expected


def test_no_match_is_every_path() -> None:
    assert tree(build_match(None)) == {"prefix": "/"}


def test_port_gateways_and_source_are_not_encoded() -> None:
    """The control plane evaluates them, for each proxy."""
    match = "{port: 80, gateways: [mesh], sourceLabels: {a: b}, sourceNamespace: c, statPrefix: d, name: e}"
    assert built(match) == {"prefix": "/", "case_sensitive": True}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("{}", True),
        ("uri: {prefix: /}", True),
        ("uri: {regex: .*}", True),
        ("uri: {regex: /.*}", False),
        ("uri: {prefix: /a}", False),
        ("uri: {exact: /}", False),
        ("headers: {a: {}}", False),
        ("queryParams: {a: {}}", False),
        ("method: {exact: GET}", False),
        ("headers: {'@request.auth.claims.a': {}}", False),
    ],
)
def test_case_12_what_catches_every_request(match: str, *, expected: bool) -> None:
    rule = http_rule(yaml.safe_dump({"match": [yaml.safe_load(match)], "route": []}))
    assert is_catch_all(build_match(rule.match[0])) is expected


@pytest.mark.parametrize(
    ("match", "path"),
    [("uri: {prefix: /a}", "/a*"), ("uri: {exact: /a}", "/a"), ("uri: {regex: .*}", ".*"), ("{}", "/*")],
)
def test_paths_are_described(match: str, path: str) -> None:
    rule = http_rule(yaml.safe_dump({"match": [yaml.safe_load(match)], "route": []}))
    assert describe_path(build_match(rule.match[0])) == path
