"""Every rule for AuthorizationPolicy: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, malformed, row_ids, warnings


def from_(source: str, action: str = "ALLOW") -> str:
    return f"{{action: {action}, rules: [{{from: [{{source: {{{source}}}}}]}}]}}"


def to(operation: str) -> str:
    return f"{{rules: [{{to: [{{operation: {{{operation}}}}}]}}]}}"


def when(key: str, values: str = "[a]", more: str = "") -> str:
    return f"{{rules: [{{when: [{{key: '{key}', values: {values}{more}}}]}}]}}"


def custom(rule: str) -> str:
    return f"{{action: CUSTOM, provider: {{name: a}}, rules: [{{{rule}}}]}}"


SOURCE, OPERATION = "spec.rules[0].from[0].source", "spec.rules[0].to[0].operation"
KEY, VALUE = "spec.rules[0].when[0].key", "spec.rules[0].when[0].values[0]"
TARGET = "{group: gateway.networking.k8s.io, kind: Gateway, name: g}"
BROKEN: list[Row] = [
    ("{selector: {matchLabels: {app: '*'}}}", "spec.selector.matchLabels[app]", "wildcards"),
    ("{selector: {matchLabels: {'': web}}}", "spec.selector.matchLabels[]", "empty key"),
    (f"{{selector: {{matchLabels: {{app: web}}}}, targetRef: {TARGET}}}", "spec", "only one of"),
    (f"{{targetRefs: [{TARGET}], targetRef: {TARGET}}}", "spec", "only one of"),
    (f"{{targetRefs: [{', '.join([TARGET] * 17)}]}}", "spec.targetRefs", "more than 16"),
    ("{targetRef: {group: gateway.networking.k8s.io, kind: Gateway}}", "spec.targetRef.name", "empty"),
    (f"{{targetRefs: [{TARGET[:-1]}, namespace: far}}]}}", "spec.targetRefs[0].namespace", "must not be set"),
    ("{targetRefs: [{kind: Pod, name: a}]}", "spec.targetRefs[0].kind", "/Pod"),
    ("{action: DENY}", "spec.rules", "never matches"),
    ("{action: CUSTOM, provider: {name: a}}", "spec.rules", "never matches"),
    ("{action: CUSTOM, rules: [{}]}", "spec.provider.name", "needs the name"),
    ("{action: AUDIT, provider: {name: a}}", "spec.provider", "belongs to CUSTOM"),
    (f"{{rules: [{', '.join(['{}'] * 513)}]}}", "spec.rules", "more than 512"),
    ("{rules: [{from: []}]}", "spec.rules[0].from", "match nothing"),
    ("{rules: [{to: []}]}", "spec.rules[0].to", "match nothing"),
    ("{rules: [{from: [{}]}]}", SOURCE, "at least one"),
    ("{rules: [{from: [{source: {}}]}]}", SOURCE, "at least one"),
    ("{rules: [{to: [{}]}]}", OPERATION, "at least one"),
    ("{rules: [{to: [{operation: {}}]}]}", OPERATION, "at least one"),
    (
        from_(f"namespaces: [a]}}}}, {', '.join(['{source: {namespaces: [a]}}'] * 511)}, {{source: {{namespaces: [a]"),
        "spec.rules[0].from",
        "more than 512",
    ),
    (from_("principals: ['']"), f"{SOURCE}.principals[0]", "empty"),
    (from_("notNamespaces: [a, '']"), f"{SOURCE}.notNamespaces[1]", "empty"),
    (from_("ipBlocks: [10.0.0.300]"), f"{SOURCE}.ipBlocks[0]", "neither"),
    (from_("ipBlocks: ['fe80::1%eth0']"), f"{SOURCE}.ipBlocks[0]", "zone"),
    (from_("notRemoteIpBlocks: [10.0.0.0/33]"), f"{SOURCE}.notRemoteIpBlocks[0]", "neither"),
    (from_("serviceAccounts: ['a*']"), f"{SOURCE}.serviceAccounts[0]", "wildcards"),
    (from_("serviceAccounts: [a/b/c]"), f"{SOURCE}.serviceAccounts[0]", "not of the form"),
    (from_("serviceAccounts: [a/]"), f"{SOURCE}.serviceAccounts[0]", "not of the form"),
    (from_(f"serviceAccounts: [{'a' * 321}]"), f"{SOURCE}.serviceAccounts[0]", "longer than 320"),
    (from_(f"serviceAccounts: [{', '.join('abcdefghijklmnopq')}]"), f"{SOURCE}.serviceAccounts", "more than 16"),
    (from_("serviceAccounts: [a], namespaces: [b]"), f"{SOURCE}.serviceAccounts", "combined"),
    (from_("notServiceAccounts: [a], notPrincipals: [b]"), f"{SOURCE}.serviceAccounts", "combined"),
    (from_("trustDomains: ['*a*']"), f"{SOURCE}.trustDomains[0]", "more than one"),
    (from_("trustDomains: ['a*b']"), f"{SOURCE}.trustDomains[0]", "in its middle"),
    (from_("notTrustDomains: [a/b]"), f"{SOURCE}.notTrustDomains[0]", "'/'"),
    (to("ports: ['65536']"), f"{OPERATION}.ports[0]", "not a port"),
    (to("notPorts: [http]"), f"{OPERATION}.notPorts[0]", "not a port"),
    (to("methods: ['']"), f"{OPERATION}.methods[0]", "empty"),
    (to("paths: ['/a/{x}']"), f"{OPERATION}.paths[0]", "'{' and '}'"),
    (to("paths: ['/a/{*']"), f"{OPERATION}.paths[0]", "'{' and '}'"),
    (to("notPaths: ['/a/{**}/{*}']"), f"{OPERATION}.notPaths[0]", "follows {**}"),
    (to("paths: ['/a/{**}/{**}']"), f"{OPERATION}.paths[0]", "follows {**}"),
    (to("paths: ['/{*}.txt']"), f"{OPERATION}.paths[0]", "'{*}.txt'"),
    (to("paths: ['/a b/{*}']"), f"{OPERATION}.paths[0]", "'a b'"),
    (to("paths: ['/{*}/*']"), f"{OPERATION}.paths[0]", "'*'"),
    (to("paths: ['/{*}//b']"), f"{OPERATION}.paths[0]", "''"),
    (to("paths: ['a/{*}']"), f"{OPERATION}.paths[0]", "begin with"),
    (to(f"paths: ['/{'a' * 254}/{{*}}']"), f"{OPERATION}.paths[0]", "longer than 256"),
    (when("request.headers[x a]"), KEY, "header"),
    (to("paths: ['/{*}/{*}/{*}/{*}/{*}/{*}']"), f"{OPERATION}.paths[0]", "more than 5"),
    (when(""), KEY, "empty"),
    (when("source.name"), KEY, "unknown key"),
    (when("request.headers"), KEY, "names no entry"),
    (when("request.auth.claims[]"), KEY, "names no entry"),
    (when("experimental.envoy.filters.a.b"), KEY, "names no entry"),
    (when("destination.labels[app]"), KEY, "no longer"),
    (when("source.ip", "[]"), "spec.rules[0].when[0]", "at least one"),
    (when("source.ip"), VALUE, "neither"),
    (when("remote.ip"), VALUE, "neither"),
    (when("destination.ip"), VALUE, "neither"),
    (when("destination.port"), VALUE, "not a port"),
    (when("source.serviceAccount", "['*']"), VALUE, "wildcards"),
    (when("source.trustDomain", "[a/b]"), VALUE, "'/'"),
    (when("request.headers[a]", "['']"), VALUE, "empty"),
    (custom("from: [{source: {principals: [a]}}]"), SOURCE, "principals cannot"),
    (custom("from: [{source: {notRequestPrincipals: [a]}}]"), SOURCE, "not request principals cannot"),
    (custom("when: [{key: source.namespace, values: [a]}]"), KEY, "cannot be used"),
    (custom("when: [{key: 'request.auth.claims[a]', values: [a]}]"), KEY, "cannot be used"),
]
HOLDS = [
    "{}",
    "{rules: [{}]}",
    "{action: DENY, rules: [{}]}",
    "{action: AUDIT}",
    custom("to: [{operation: {paths: ['/admin*']}}]"),
    f"{{targetRefs: [{TARGET}]}}",
    from_("principals: ['*'], ipBlocks: [10.0.0.0/8, '::1'], trustDomains: ['*', 'td*', '*td']"),
    from_("serviceAccounts: [a, b/c], trustDomains: [td]"),
    to("hosts: ['*.a'], ports: ['0', '65535'], methods: [GET], paths: [/a, '/b*', '*c', '/t/{*}/x/{**}', '/{*}/']"),
    when("request.headers[x-a]", more=", notValues: [b]"),
    when("request.auth.claims[a][b]"),
    when("experimental.envoy.filters.network.x[k]", "['[v]']"),
    when("connection.sni"),
    when("request.headers[:method]"),
    "{action: DENY, rules: [{to: [{operation: {ports: ['80'], methods: [GET]}}]}]}",
]
DENIES_CONNECTIONS = [
    "{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}",
    "{action: DENY, rules: [{to: [{operation: {ports: ['80']}}, {operation: {paths: [/a]}}]}]}",
    from_("requestPrincipals: [a]", "DENY"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_broken(spec: str, path: str, reason: str) -> None:
    found = errors("AuthorizationPolicy", spec)
    assert any(at == path and reason in why for at, why in found), found


@pytest.mark.parametrize("spec", HOLDS)
def test_holds(spec: str) -> None:
    assert errors("AuthorizationPolicy", spec) == []
    assert warnings("AuthorizationPolicy", spec) == []


@pytest.mark.parametrize("spec", DENIES_CONNECTIONS)
def test_a_rule_about_requests_that_denies_connections_is_worth_a_word(spec: str) -> None:
    assert errors("AuthorizationPolicy", spec) == []
    assert [path for path, _ in warnings("AuthorizationPolicy", spec)] == ["spec.rules[0]"]


def test_a_selector_without_labels_is_worth_a_word() -> None:
    assert warnings("AuthorizationPolicy", "{selector: {}}") != []


@pytest.mark.parametrize(
    "spec", ["{rules: [null]}", "{action: PERMIT}", "{rules: [{to: [{operation: {path: [/a]}}]}]}"]
)
def test_what_cannot_be_read(spec: str) -> None:
    assert malformed("AuthorizationPolicy", spec) != []
