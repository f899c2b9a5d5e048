"""Comparisons of texts, headers, query parameters and claims."""

import pytest
from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2

from tests.unit.translator.routes.tables import http_rule
from translator.routes.match import build_match
from translator.simulation.matching import matches_claim, matches_header, matches_query, matches_string
from translator.simulation.traffic import Request


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        ({"exact": "a"}, "a", True),
        ({"exact": "a", "ignore_case": True}, "A", True),
        ({"prefix": "a"}, "ab", True),
        ({"suffix": "b"}, "ab", True),
        ({"contains": "b"}, "abc", True),
        ({"contains": "x"}, "abc", False),
        ({"safe_regex": {"regex": "a.c"}}, "abc", True),
        ({"safe_regex": {"regex": "a"}}, "abc", False),
        ({}, "", False),
    ],
)
def test_texts(matcher: dict[str, object], value: str, *, expected: bool) -> None:
    assert matches_string(string_pb2.StringMatcher(**matcher), value) == expected  # type: ignore[arg-type]


def test_one_of_several_values_is_enough() -> None:
    matcher = route_components_pb2.HeaderMatcher(name="X-A", string_match=string_pb2.StringMatcher(exact="v"))
    request = Request(host="h", headers=(("x-a", "w"), ("x-a", "v")))
    assert matches_header(matcher, request, "http")
    matcher.invert_match = True
    assert not matches_header(matcher, request, "http")
    assert not matches_header(matcher, Request(host="h"), "http")
    matcher.treat_missing_header_as_empty = True
    assert matches_header(matcher, Request(host="h"), "http")


@pytest.mark.parametrize(
    ("name", "value"),
    [(":method", "GET"), (":authority", "h"), ("host", "h"), (":path", "/p?q"), (":scheme", "https")],
)
def test_pseudo_headers(name: str, value: str) -> None:
    matcher = route_components_pb2.HeaderMatcher(name=name, string_match=string_pb2.StringMatcher(exact=value))
    assert matches_header(matcher, Request(host="h", path="/p?q"), "https")


def test_the_first_value_of_a_parameter_counts() -> None:
    matcher = route_components_pb2.QueryParameterMatcher(name="q", string_match=string_pb2.StringMatcher(exact="1"))
    assert [matches_query(matcher, Request(host="h", path=f"/?{query}")) for query in ("q=1&q=2", "q=2&q=1", "")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("match", "claims", "expected"),
    [
        ("headers: {'@request.auth.claims.a': {exact: x}}", {"a": "x"}, True),
        ("headers: {'@request.auth.claims.a': {exact: x}}", {"a": ["y", "x"]}, True),
        ("headers: {'@request.auth.claims.a': {exact: x}}", {"a": "y"}, False),
        ("headers: {'@request.auth.claims[a][b]': {exact: x}}", {"a": {"b": "x"}}, True),
        ("headers: {'@request.auth.claims.a': {}}", {}, False),
        ("withoutHeaders: {'@request.auth.claims.a': {exact: x}}", {}, True),
    ],
)
def test_claims(match: str, claims: dict[str, object], *, expected: bool) -> None:
    rule = http_rule(f"{{match: [{{{match}}}], directResponse: {{status: 200}}}}")
    (matcher,) = build_match(rule.match[0]).dynamic_metadata
    assert matches_claim(matcher, Request(host="h", claims=claims)) == expected


def test_a_claim_of_an_unknown_kind_is_no_match() -> None:
    assert not matches_claim(metadata_pb2.MetadataMatcher(), Request(host="h"))
