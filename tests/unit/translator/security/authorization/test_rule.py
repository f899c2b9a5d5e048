"""Every field of a rule, and every form of its values."""

import re
from typing import Any

import msgspec
import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from translator.objects.security import AuthorizationRule
from translator.security.authorization.attribute import UnusableError
from translator.security.authorization.principal import PrincipalScope
from translator.security.authorization.rule import RuleScope, build_rule

HTTP = PrincipalScope("shop", ("cluster.local",), http=True)
Shown = dict[str, Any]


def rule(text: str, scope: PrincipalScope = HTTP, *, strict: bool = True) -> Shown:
    read = msgspec.convert(yaml.safe_load(text), AuthorizationRule)
    message = build_rule(read, RuleScope(caller=scope, strict=strict))
    found: Shown = MessageToDict(message, preserving_proto_field_name=True)
    return found


def wanted_principals(source: str, scope: PrincipalScope = HTTP) -> list[Shown]:
    (principal,) = rule(f"{{from: [{{source: {{{source}}}}}]}}", scope)["principals"]
    (only,) = principal["and_ids"]["ids"]
    found: list[Shown] = only["or_ids"]["ids"]
    return found


def wanted_permission(operation: str) -> Shown:
    (permission,) = rule(f"{{to: [{{operation: {{{operation}}}}}]}}")["permissions"]
    (only,) = permission["and_rules"]["rules"]
    (found,) = only["or_rules"]["rules"]
    assert isinstance(found, dict)
    return found


def condition(key: str, value: str) -> tuple[Shown, Shown]:
    """The principal and the permission of a rule with one condition."""
    found = rule(f"{{when: [{{key: '{key}', values: ['{value}']}}]}}")
    (principal,), (permission,) = found["principals"], found["permissions"]
    return principal, permission


def identity(**matcher: str) -> Shown:
    return {"authenticated": {"principal_name": matcher}}


def regex(text: str) -> Shown:
    return {"authenticated": {"principal_name": {"safe_regex": {"regex": text}}}}


def block(address: str, length: int) -> Shown:
    return {"address_prefix": address, "prefix_len": length}


PRINCIPALS: list[tuple[str, str, Shown]] = [
    ("principals", "*", regex(".+")),
    ("principals", "*/sa/a.b", regex(r"spiffe://.*/sa/a\.b")),
    ("principals", "td/ns/*", identity(prefix="spiffe://td/ns/")),
    ("principals", "td/ns/a/sa/b", identity(exact="spiffe://td/ns/a/sa/b")),
    ("namespaces", "a", regex(".*/ns/a/.*")),
    ("namespaces", "ns-*", regex(".*/ns/ns-.*/.*")),
    ("namespaces", "*-a", regex(".*/ns/.*-a/.*")),
    ("serviceAccounts", "a", regex("spiffe://.+/ns/shop/(.+/|)sa/a(/.+)?")),
    ("serviceAccounts", "b/a.c", regex(r"spiffe://.+/ns/b/(.+/|)sa/a\.c(/.+)?")),
    ("trustDomains", "td", identity(prefix="spiffe://td/")),
    ("trustDomains", "*", identity(prefix="spiffe://")),
    ("trustDomains", "td*", regex("spiffe://td[^/]*/.*")),
    ("trustDomains", "*.td", regex(r"spiffe://[^/]*\.td/.*")),
    ("ipBlocks", "10.1.2.3", {"direct_remote_ip": block("10.1.2.3", 32)}),
    ("ipBlocks", "10.1.2.3/8", {"direct_remote_ip": block("10.0.0.0", 8)}),
    ("ipBlocks", "::1", {"direct_remote_ip": block("::1", 128)}),
    ("remoteIpBlocks", "10.0.0.0/8", {"remote_ip": block("10.0.0.0", 8)}),
]
KEYS = {
    "principals": "source.principal",
    "namespaces": "source.namespace",
    "serviceAccounts": "source.serviceAccount",
    "trustDomains": "source.trustDomain",
    "ipBlocks": "source.ip",
    "remoteIpBlocks": "remote.ip",
    "requestPrincipals": "request.auth.principal",
    "ports": "destination.port",
}


@pytest.mark.parametrize(("field", "value", "expected"), PRINCIPALS)
def test_case_24_a_who_calls(field: str, value: str, expected: Shown) -> None:
    assert wanted_principals(f"{field}: ['{value}']") == [expected]
    principal, permission = condition(KEYS[field], value)
    assert principal == {"and_ids": {"ids": [{"or_ids": {"ids": [expected]}}]}}
    assert permission == {"and_rules": {"rules": [{"any": True}]}}


@pytest.mark.parametrize(("field", "value", "expected"), PRINCIPALS)
def test_who_does_not_call(field: str, value: str, expected: Shown) -> None:
    name = f"not{field[0].upper()}{field[1:]}"
    (principal,) = rule(f"{{from: [{{source: {{{name}: ['{value}']}}}}]}}")["principals"]
    assert principal == {"and_ids": {"ids": [{"not_id": {"or_ids": {"ids": [expected]}}}]}}


def test_case_25_the_name_of_a_service_account_is_whole() -> None:
    ((found),) = wanted_principals("serviceAccounts: [a]")
    pattern = found["authenticated"]["principal_name"]["safe_regex"]["regex"]
    assert re.fullmatch(pattern, "spiffe://td/ns/shop/sa/a")
    assert not re.fullmatch(pattern, "spiffe://td/ns/shop/sa/a-x")
    assert not re.fullmatch(pattern, "spiffe://td/ns/other/sa/a")


def header(name: str, **matcher: object) -> Shown:
    return {"header": {"name": name, **matcher}}


def text(**matcher: object) -> Shown:
    return {"string_match": matcher}


TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def path(**matcher: object) -> Shown:
    return {"url_path": {"path": matcher}}


def template(form: str) -> Shown:
    config = {"@type": TEMPLATE, "path_template": form}
    return {"uri_template": {"name": "uri-template", "typed_config": config}}


PERMISSIONS: list[tuple[str, str, Shown]] = [
    ("hosts", "*", header(":authority", present_match=True)),
    ("hosts", "*.a", header(":authority", **text(suffix=".a", ignore_case=True))),
    ("hosts", "a.*", header(":authority", **text(prefix="a.", ignore_case=True))),
    ("hosts", "a:80", header(":authority", **text(exact="a:80", ignore_case=True))),
    ("methods", "*", header(":method", present_match=True)),
    ("methods", "*T", header(":method", **text(suffix="T"))),
    ("methods", "P*", header(":method", **text(prefix="P"))),
    ("methods", "GET", header(":method", **text(exact="GET"))),
    ("paths", "*", path(safe_regex={"regex": ".+"})),
    ("paths", "*/a", path(suffix="/a")),
    ("paths", "/a*", path(prefix="/a")),
    ("paths", "/a", path(exact="/a")),
    ("paths", "/t/{*}/x/{**}", template("/t/*/x/**")),
    ("ports", "9000", {"destination_port": 9000}),
]


@pytest.mark.parametrize(("field", "value", "expected"), PERMISSIONS)
def test_case_24_b_what_is_called(field: str, value: str, expected: Shown) -> None:
    assert wanted_permission(f"{field}: ['{value}']") == expected
    name = f"not{field[0].upper()}{field[1:]}"
    (permission,) = rule(f"{{to: [{{operation: {{{name}: ['{value}']}}}}]}}")["permissions"]
    assert permission == {"and_rules": {"rules": [{"not_rule": {"or_rules": {"rules": [expected]}}}]}}


def found_by_filters(key: str, value: Shown) -> Shown:
    matcher = {"filter": "envoy.filters.network.x", "path": [{"key": key}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("destination.port", "80", {"destination_port": 80}),
        ("destination.ip", "10.0.0.0/8", {"destination_ip": block("10.0.0.0", 8)}),
        ("connection.sni", "*.a", {"requested_server_name": {"suffix": ".a"}}),
        ("experimental.envoy.filters.network.x[k]", "v*", found_by_filters("k", text(prefix="v"))),
        (
            "experimental.envoy.filters.network.x[k]",
            "[v]",
            found_by_filters("k", {"list_match": {"one_of": text(exact="v")}}),
        ),
    ],
)
def test_conditions_about_what_is_called(key: str, value: str, expected: Shown) -> None:
    principal, permission = condition(key, value)
    assert permission == {"and_rules": {"rules": [{"or_rules": {"rules": [expected]}}]}}
    assert principal == {"and_ids": {"ids": [{"any": True}]}}


def claim(value: Shown, *keys: str) -> Shown:
    segments = [{"key": key} for key in ("payload", *keys)]
    matcher = {"filter": "envoy.filters.http.jwt_authn", "path": segments, "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def one_of(matcher: Shown) -> Shown:
    return {"or_match": {"value_matchers": [{"list_match": {"one_of": matcher}}, matcher]}}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("request.headers[x-a]", "*", header("x-a", present_match=True)),
        ("request.headers[x-a]", "*b", header("x-a", **text(suffix="b"))),
        ("request.headers[x-a]", "b*", header("x-a", **text(prefix="b"))),
        ("request.headers[x-a]", "B", header("x-a", **text(exact="B"))),
        ("request.auth.audiences", "a", claim(one_of(text(exact="a")), "aud")),
        ("request.auth.presenter", "a*", claim(text(prefix="a"), "azp")),
        ("request.auth.claims[a]", "*b", claim(one_of(text(suffix="b")), "a")),
        ("request.auth.claims[a][b]", "c", claim(one_of(text(exact="c")), "a", "b")),
    ],
)
def test_conditions_about_requests(key: str, value: str, expected: Shown) -> None:
    principal, _ = condition(key, value)
    assert principal == {"and_ids": {"ids": [{"or_ids": {"ids": [expected]}}]}}


ANY: Shown = {"safe_regex": {"regex": ".+"}}


@pytest.mark.parametrize(
    ("value", "issuer", "subject"),
    [
        ("*", ANY, ANY),
        ("*/sub", ANY, {"exact": "sub"}),
        ("*x/sub", {"suffix": "x"}, {"exact": "sub"}),
        ("*x", ANY, {"suffix": "x"}),
        ("iss/*", {"exact": "iss"}, ANY),
        ("iss/p*", {"exact": "iss"}, {"prefix": "p"}),
        ("p*", {"prefix": "p"}, ANY),
        ("https://iss/sub", {"exact": "https://iss"}, {"exact": "sub"}),
        ("v", {"exact": "v"}, {"exact": ""}),
    ],
)
def test_case_42_issuer_and_subject_of_a_token(value: str, issuer: Shown, subject: Shown) -> None:
    claims = [claim({"string_match": issuer}, "iss"), claim({"string_match": subject}, "sub")]
    assert wanted_principals(f"requestPrincipals: ['{value}']") == [{"and_ids": {"ids": claims}}]


def test_case_22_of_sources_and_operations_one_each_of_conditions_all() -> None:
    found = rule(
        "{from: [{source: {namespaces: [a, b], notIpBlocks: [1.1.1.1]}}, {source: {principals: [c]}}],"
        " to: [{operation: {methods: [GET]}}, {operation: {ports: ['1'], notPaths: [/x]}}],"
        " when: [{key: remote.ip, values: [2.2.2.2]}, {key: connection.sni, notValues: [s]}]}"
    )
    first, second = (each["and_ids"]["ids"] for each in found["principals"])
    known = {"or_ids": {"ids": [{"remote_ip": block("2.2.2.2", 32)}]}}
    assert first == [
        {"or_ids": {"ids": [regex(".*/ns/a/.*"), regex(".*/ns/b/.*")]}},
        {"not_id": {"or_ids": {"ids": [{"direct_remote_ip": block("1.1.1.1", 32)}]}}},
        known,
    ]
    assert second == [{"or_ids": {"ids": [identity(exact="spiffe://c")]}}, known]
    get, port = (each["and_rules"]["rules"] for each in found["permissions"])
    unnamed = {"not_rule": {"or_rules": {"rules": [{"requested_server_name": {"exact": "s"}}]}}}
    assert get == [{"or_rules": {"rules": [header(":method", **text(exact="GET"))]}}, unnamed]
    assert port == [
        {"not_rule": {"or_rules": {"rules": [path(exact="/x")]}}},
        {"or_rules": {"rules": [{"destination_port": 1}]}},
        unnamed,
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("td1/ns/a/sa/b", ["td1/ns/a/sa/b", "td2/ns/a/sa/b", "old-td/ns/a/sa/b"]),
        ("cluster.local/ns/a/sa/b", ["td1/ns/a/sa/b", "td2/ns/a/sa/b", "old-td/ns/a/sa/b"]),
        ("strange/ns/a/sa/b", ["strange/ns/a/sa/b"]),
        ("td1/ns/a/b/sa/c", ["td1/ns/a/b/sa/c"]),
    ],
)
def test_case_31_an_identity_of_the_mesh_is_one_in_all_its_trust_domains(value: str, expected: list[str]) -> None:
    scope = PrincipalScope("shop", ("td1", "td2", "old-td"), http=True)
    found = wanted_principals(f"principals: [{value}]", scope)
    assert found == [identity(exact=f"spiffe://{each}") for each in expected]


def test_trust_domains_that_a_wildcard_covers_are_not_replaced() -> None:
    scope = PrincipalScope("shop", ("td1", "old-td"), http=True)
    assert wanted_principals("principals: ['*-td/ns/a/sa/b']", scope) == [
        identity(exact="spiffe://td1/ns/a/sa/b"),
        regex("spiffe://.*-td/ns/a/sa/b"),
    ]
    assert wanted_principals("trustDomains: [td1]", scope) == [
        identity(prefix="spiffe://td1/"),
        identity(prefix="spiffe://old-td/"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "to: [{operation: {paths: ['/a b/{*}'], ports: ['1']}}]",
        "to: [{operation: {ports: [http, '1']}}]",
        "to: [{operation: {ports: ['1']}}], when: [{key: destination.ip, values: [a]}]",
        "to: [{operation: {ports: ['1']}}], when: [{key: destination.ip, values: ['fe80::1%eth0']}]",
        "to: [{operation: {ports: ['1']}}], when: [{key: a.b, values: [a]}]",
        "to: [{operation: {ports: ['1']}}], when: [{key: 'request.headers', values: [a]}]",
    ],
)
def test_case_28_a_value_that_cannot_be_used_lets_nobody_in(broken: str) -> None:
    with pytest.raises(UnusableError):
        rule(f"{{{broken}}}")
    found = rule(f"{{{broken}}}", strict=False)
    assert found["permissions"] == [{"and_rules": {"rules": [{"or_rules": {"rules": [{"destination_port": 1}]}}]}}]
    assert found["principals"] == [{"and_ids": {"ids": [{"any": True}]}}]
