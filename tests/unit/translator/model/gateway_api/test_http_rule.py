"""Rules of HTTPRoutes in the model's form."""

import re

import msgspec
import pytest
import yaml

from translator.decode import decode_record
from translator.model.gateway_api.backend import Backend
from translator.model.gateway_api.http_rule import build_rule, match_rank
from translator.objects.duration import Duration
from translator.objects.kubernetes_route import RouteRule
from translator.objects.virtual_service import Destination, HTTPMatchRequest, HTTPRoute, StringMatch

GOOD = Backend(Destination(host="web"))
BAD = Backend(Destination(host="nobody"), "BackendNotFound", "gone")


def built(text: str, *backends: Backend, mirror: Backend = GOOD) -> HTTPRoute:
    rule, violations = decode_record(yaml.safe_load(text), RouteRule)
    assert rule is not None, violations
    found = {("backendRefs", position): each for position, each in enumerate(backends or (GOOD,) * 3)}
    mirrors = {("filters", position): mirror for position in range(len(rule.filters))}
    return build_rule(rule, "rule", {**found, **mirrors})


def matches(text: str) -> list[HTTPMatchRequest]:
    return list(built(f"matches: {text}").match)


def test_every_kind_of_condition() -> None:
    (match,) = matches(
        "[{path: {type: Exact, value: /a}, method: GET, "
        "headers: [{name: X, value: '1'}, {name: x, value: '2'}, {name: y, type: RegularExpression, value: .+}], "
        "queryParams: [{name: q, value: '1'}, {name: q, value: '2'}]}]"
    )
    assert match == HTTPMatchRequest(
        uri=StringMatch(exact="/a"),
        method=StringMatch(exact="GET"),
        headers={"x": StringMatch(exact="1"), "y": StringMatch(regex=".+")},
        query_params={"q": StringMatch(exact="1")},
    )


@pytest.mark.parametrize(("value", "prefix"), [("/", "/"), ("/a", "/a"), ("/a/", "/a"), ("/a//", "/a")])
def test_the_slash_at_the_end_of_a_prefix_does_not_count(value: str, prefix: str) -> None:
    assert matches(f"[{{path: {{value: {value}}}}}]")[0].uri == StringMatch(prefix=prefix)


def test_no_matches_mean_every_request() -> None:
    assert [match.uri for match in built("{}").match] == [StringMatch(prefix="/")]
    assert [match.uri for match in built("matches: []").match] == [StringMatch(prefix="/")]


def test_better_matches_rank_first() -> None:
    ordered = matches(
        "[{path: {type: Exact, value: /a}}, {path: {value: /longer}}, {path: {value: /a/}, method: GET}, "
        "{path: {value: /a}, headers: [{name: a, value: a}, {name: b, value: b}], queryParams: [{name: q, value: q}]}, "
        "{path: {value: /a}, headers: [{name: a, value: a}, {name: b, value: b}]}, "
        "{path: {value: /a}, headers: [{name: a, value: a}]}, {path: {value: /a}}, "
        "{path: {type: RegularExpression, value: /a.*}}]"
    )
    ranks = [match_rank(match) for match in ordered]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_the_first_entry_for_a_header_counts() -> None:
    rule = built(
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: "
        "{set: [{name: A, value: '1'}, {name: a, value: '2'}], add: [{name: b, value: '3'}], remove: [c, c]}}, "
        "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: d, value: '4'}]}}]"
    )
    assert rule.headers is not None
    assert msgspec.to_builtins(rule.headers) == {
        "request": {"set": {"A": "1"}, "add": {"b": "3"}, "remove": ("c",)},
        "response": {"set": {"d": "4"}, "add": {}, "remove": ()},
    }


@pytest.mark.parametrize(
    ("text", "timeout", "per_try"),
    [
        ("{}", None, None),
        ("timeouts: {request: 0s}", None, None),
        ("timeouts: {request: 2s}", "2s", None),
        ("timeouts: {request: 2s, backendRequest: 1s}", "1s", None),
        ("{timeouts: {request: 2s, backendRequest: 500ms}, retry: {attempts: 3}}", "2s", "500ms"),
        ("{timeouts: {backendRequest: 500ms}, retry: {}}", None, "500ms"),
    ],
)
def test_timeouts(text: str, timeout: str | None, per_try: str | None) -> None:
    rule = built(text)
    assert rule.timeout == (Duration.parse(timeout) if timeout else None)
    tries = rule.retries.per_try_timeout if rule.retries else None
    assert tries == (Duration.parse(per_try) if per_try else None)


def test_retries() -> None:
    rule = built("retry: {attempts: 3, codes: [500, 503], backoff: 100ms}")
    assert rule.retries is not None
    assert rule.retries.attempts == 3
    assert rule.retries.retry_on == "connect-failure,refused-stream,unavailable,cancelled,500,503"
    assert rule.retries.backoff == Duration.of(milliseconds=100)
    usual = built("retry: {}").retries
    assert usual is not None
    assert usual.attempts == 2
    assert built("{}").retries is None


@pytest.mark.parametrize(
    ("share", "percent"),
    [("", 100), ("percent: 12", 12), ("fraction: {numerator: 1, denominator: 3}", 100 / 3), ("percent: 0", 0)],
)
def test_the_share_that_a_mirror_gets(share: str, percent: float) -> None:
    text = f"filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: m, port: 80}}, {share}}}}}]"
    (mirror,) = built(text).mirrors
    assert mirror.percentage is not None
    assert mirror.percentage.value == pytest.approx(percent)
    assert built(text, mirror=BAD).mirrors == ()


def test_a_backend_that_is_missing_keeps_its_share() -> None:
    references = "[{name: a, port: 80, weight: 3}, {name: b, port: 80}, {name: c, port: 80, weight: 0}]"
    rule = built(f"backendRefs: {references}", GOOD, BAD, GOOD)
    assert [(each.destination.host, each.weight) for each in rule.route] == [("web", 3), ("nobody", 1)]
    assert rule.direct_response is None


def test_what_replaces_a_whole_path_is_taken_literally() -> None:
    rule = built(
        "filters: [{type: URLRewrite, urlRewrite: "
        "{hostname: b.com, path: {type: ReplaceFullPath, replaceFullPath: '/a\\1'}}}]"
    )
    assert rule.rewrite is not None
    assert rule.rewrite.authority == "b.com"
    assert rule.rewrite.uri_regex_rewrite is not None
    assert re.sub("/.*", rule.rewrite.uri_regex_rewrite.rewrite, "/x/y", count=1) == "/a\\1"


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("https://a.com", "https://a.com", True),
        ("https://a.com", "https://a.com.evil", False),
        ("https://*.a.com", "https://x.a.com", True),
        ("https://*.a.com", "https://a.com.evil", False),
        ("https://*.a.com", "https://evil/.a.com", False),
        ("*", "https://any.thing:8080", True),
        ("*", "null", False),
        ("https://*", "https://any.thing", True),
        ("https://*", "http://any.thing", False),
    ],
)
def test_origins_are_compared_as_a_whole(allowed: str, origin: str, *, expected: bool) -> None:
    rule = built(f"filters: [{{type: CORS, cors: {{allowOrigins: ['{allowed}'], maxAge: 10}}}}]")
    assert rule.cors_policy is not None
    (match,) = rule.cors_policy.allow_origins
    fits = origin == match.exact if match.regex is None else re.fullmatch(match.regex, origin) is not None
    assert fits is expected
    assert rule.cors_policy.max_age == Duration.of(seconds=10)
