"""Every rule for HTTPRoute: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, row_ids

B = "backendRefs: [{name: web, port: 80}]"


def rule(text: str) -> str:
    return f"{{rules: [{{{text}}}]}}"


def matched(match: str) -> str:
    return rule(f"matches: [{{{match}}}], {B}")


def filtered(text: str, more: str = B) -> str:
    return rule(f"filters: [{{{text}}}], {more}")


BROKEN: list[Row] = [
    ("{hostnames: ['*']}", "spec.hostnames[0]", "leave it out"),
    ("{hostnames: [a_b]}", "spec.hostnames[0]", "not a DNS name"),
    ("{parentRefs: [{name: g, port: 70000}]}", "spec.parentRefs[0].port", "65535"),
    (matched("path: {value: foo}"), "spec.rules[0].matches[0].path.value", "begin with a slash"),
    (matched("path: {value: /a//b}"), "spec.rules[0].matches[0].path.value", "'//'"),
    (matched("path: {value: /a/..}"), "spec.rules[0].matches[0].path.value", "must not end"),
    (matched("path: {type: RegularExpression, value: '('}"), "spec.rules[0].matches[0].path.value", "RE2"),
    (matched("headers: [{name: 'a b', value: x}]"), "spec.rules[0].matches[0].headers[0].name", "'a b'"),
    (matched("headers: [{name: a, value: ''}]"), "spec.rules[0].matches[0].headers[0].value", "empty"),
    (
        matched("queryParams: [{name: a, type: RegularExpression, value: '['}]"),
        "spec.rules[0].matches[0].queryParams[0].value",
        "RE2",
    ),
    (matched("queryParams: [{name: '', value: x}]"), "spec.rules[0].matches[0].queryParams[0].name", "empty"),
    (matched("method: FETCH"), "spec.rules[0].matches[0].method", "'FETCH'"),
    (rule("backendRefs: [{name: web}]"), "spec.rules[0].backendRefs[0].port", "must be set"),
    (rule("backendRefs: [{name: web.shop, port: 80}]"), "spec.rules[0].backendRefs[0].name", "dots"),
    (rule("backendRefs: [{name: web, port: 80, weight: -1}]"), "spec.rules[0].backendRefs[0].weight", "1000000"),
    (
        rule("backendRefs: [{name: web, port: 80, filters: [{type: URLRewrite, urlRewrite: {hostname: a.com}}]}]"),
        "spec.rules[0].backendRefs[0].filters[0].type",
        "not supported at a backend",
    ),
    (filtered("type: CORS"), "spec.rules[0].filters[0].cors", "must be set with type CORS"),
    (
        filtered("type: URLRewrite, urlRewrite: {hostname: a.com}, cors: {}"),
        "spec.rules[0].filters[0].cors",
        "must not be set with type URLRewrite",
    ),
    (
        filtered("type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}"),
        "spec.rules[0].filters[0].type",
        "not supported",
    ),
    (
        rule(f"filters: [{{type: CORS, cors: {{}}}}, {{type: CORS, cors: {{}}}}], {B}"),
        "spec.rules[0].filters[1].type",
        "given twice",
    ),
    (
        filtered("type: RequestRedirect, requestRedirect: {scheme: https}"),
        "spec.rules[0].backendRefs",
        "RequestRedirect",
    ),
    (
        filtered("type: RequestRedirect, requestRedirect: {statusCode: 304}", "name: x"),
        "spec.rules[0].filters[0].requestRedirect.statusCode",
        "304",
    ),
    (
        filtered("type: RequestRedirect, requestRedirect: {scheme: ftp}", "name: x"),
        "spec.rules[0].filters[0].requestRedirect.scheme",
        "'ftp'",
    ),
    (
        filtered("type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}"),
        "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath",
        "must be set",
    ),
    (
        rule(
            "matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: "
            f"{{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /b}}}}}}], {B}"
        ),
        "spec.rules[0].filters[0].urlRewrite.path.type",
        "PathPrefix",
    ),
    (
        filtered("type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}, percent: 101}"),
        "spec.rules[0].filters[0].requestMirror.percent",
        "101",
    ),
    (
        filtered(
            "type: RequestMirror, requestMirror: "
            "{backendRef: {name: m, port: 80}, percent: 1, fraction: {numerator: 1}}"
        ),
        "spec.rules[0].filters[0].requestMirror",
        "cannot be combined",
    ),
    (
        filtered('type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: "\\n"}]}'),
        "spec.rules[0].filters[0].requestHeaderModifier.set[0].value",
        "control characters",
    ),
    (
        rule(f"timeouts: {{request: 1s, backendRequest: 2s}}, {B}"),
        "spec.rules[0].timeouts.backendRequest",
        "longer than request (1s)",
    ),
    (rule(f"retry: {{codes: [200]}}, {B}"), "spec.rules[0].retry.codes[0]", "400 to 599"),
    (rule(f"retry: {{attempts: -1}}, {B}"), "spec.rules[0].retry.attempts", "negative"),
]
HOLDING = [
    "{hostnames: ['*.a.com', b.com], parentRefs: [{name: g, sectionName: http}]}",
    rule(f"timeouts: {{request: 0s, backendRequest: 2s}}, retry: {{codes: [500], backoff: 10ms}}, {B}"),
    filtered("type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}, fraction: {numerator: 1}}"),
    filtered("type: RequestRedirect, requestRedirect: {hostname: a.com, port: 8443, statusCode: 307}", "name: x"),
    rule("backendRefs: [{group: networking.istio.io, kind: Hostname, name: a.b.com, port: 443}]"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_a_broken_route_is_refused(spec: str, path: str, reason: str) -> None:
    found = errors("HTTPRoute", spec)
    assert [each for each, _ in found] == [path], found
    assert reason in found[0][1]


@pytest.mark.parametrize("spec", HOLDING)
def test_a_route_that_holds(spec: str) -> None:
    assert errors("HTTPRoute", spec) == []
