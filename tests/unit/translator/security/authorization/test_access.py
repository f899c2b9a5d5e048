"""Policies as the configurations of filters: order, names, what is tried out, and what connections show of a rule."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.unit.translator.mesh_kit import Mesh, authorization
from translator.objects.registry import Kind, ObjectKey
from translator.objects.security import AuthorizationPolicy
from translator.security.authorization.access import build_http_access, build_network_access

DOMAINS = ("cluster.local",)
ANYTHING = {"and_rules": {"rules": [{"any": True}]}}
NOTHING = {
    "permissions": [{"not_rule": {"any": True}}],
    "principals": [{"not_id": {"any": True}}],
}


def policies(*texts: str) -> list[AuthorizationPolicy]:
    mesh = Mesh(*texts)
    names = [f"p{index}" for index in range(len(texts))]
    rows = [mesh.db.row(ObjectKey(Kind.AUTHORIZATION_POLICY, "default", name)) for name in names]
    return [row for row in rows if isinstance(row, AuthorizationPolicy)]


def several(*specs: str, dry: tuple[int, ...] = ()) -> list[AuthorizationPolicy]:
    tried = {"istio.io/dry-run": "true"}
    return policies(
        *(
            authorization(spec, name=f"p{index}", annotations=tried if index in dry else None)
            for index, spec in enumerate(specs)
        )
    )


def shown(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def http(*specs: str, dry: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [shown(each) for each in build_http_access(several(*specs, dry=dry), DOMAINS)]


def network(*specs: str) -> list[dict[str, Any]]:
    return [shown(each) for each in build_network_access(several(*specs), DOMAINS)]


def test_without_policies_there_is_no_filter() -> None:
    assert http() == network() == []


def test_audit_comes_before_deny_and_deny_before_allow() -> None:
    found = http("{rules: [{}]}", "{action: DENY, rules: [{}]}", "{action: AUDIT, rules: [{}]}")
    assert [each["rules"].get("action", "ALLOW") for each in found] == ["LOG", "DENY", "ALLOW"]


def test_case_19_a_policy_without_rules_allows_nothing() -> None:
    assert http("{}") == [{"rules": {"policies": {"ns[default]-policy[p0]-rule[0]": NOTHING}}}]


def test_case_20_an_empty_rule_matches_everything() -> None:
    policy = {"permissions": [ANYTHING], "principals": [{"and_ids": {"ids": [{"any": True}]}}]}
    assert http("{rules: [{}]}") == [{"rules": {"policies": {"ns[default]-policy[p0]-rule[0]": policy}}}]


def test_rules_are_named_by_policy_and_position() -> None:
    (found,) = http("{rules: [{}, {}]}", "{rules: [{}]}")
    assert sorted(found["rules"]["policies"]) == [
        "ns[default]-policy[p0]-rule[0]",
        "ns[default]-policy[p0]-rule[1]",
        "ns[default]-policy[p1]-rule[0]",
    ]


def test_case_30_what_is_tried_out_is_only_counted() -> None:
    (found,) = http("{action: DENY, rules: [{}]}", dry=(0,))
    assert "rules" not in found
    assert found["shadow_rules_stat_prefix"] == "istio_dry_run_deny_"
    assert found["shadow_rules"]["action"] == "DENY"


def test_policies_in_force_and_tried_ones_share_a_filter() -> None:
    (found,) = http("{rules: [{}]}", "{}", dry=(1,))
    assert list(found["rules"]["policies"]) == ["ns[default]-policy[p0]-rule[0]"]
    assert list(found["shadow_rules"]["policies"]) == ["ns[default]-policy[p1]-rule[0]"]
    assert found["shadow_rules_stat_prefix"] == "istio_dry_run_allow_"


def test_an_audit_that_is_tried_out_has_no_statistics() -> None:
    (found,) = http("{action: AUDIT, rules: [{}]}", dry=(0,))
    assert set(found) == {"shadow_rules"}


@pytest.mark.parametrize(("text", "tried"), [("1", True), ("t", True), ("False", False), ("yes", False), ("", False)])
def test_dry_run_is_a_boolean_as_go_reads_it(text: str, *, tried: bool) -> None:
    found = policies(authorization("{}", name="p0", annotations={"istio.io/dry-run": text}))
    (built,) = build_http_access(found, DOMAINS)
    assert built.HasField("shadow_rules") is tried


def test_case_38_rules_of_which_nothing_is_left_are_still_there() -> None:
    (found,) = build_network_access(several("{rules: [{to: [{operation: {methods: [GET]}}]}]}"), DOMAINS)
    assert found.HasField("rules")
    assert not found.rules.policies


PORT = {"or_rules": {"rules": [{"destination_port": 9000}]}}


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("{methods: [GET], ports: ['9000']}", {"and_rules": {"rules": [PORT]}}),
        ("{methods: [GET]}", ANYTHING),
        ("{hosts: [a], notPaths: [/b]}", ANYTHING),
    ],
)
@pytest.mark.parametrize("action", ["DENY", "AUDIT"])
def test_case_29_to_connections_a_rule_about_requests_is_the_rest_of_it(
    operation: str, permission: dict[str, Any], action: str
) -> None:
    (found,) = network(f"{{action: {action}, rules: [{{to: [{{operation: {operation}}}]}}]}}")
    (policy,) = found["rules"]["policies"].values()
    assert policy["permissions"] == [permission]
    assert found["stat_prefix"] == "tcp."


@pytest.mark.parametrize(
    "rule",
    [
        "to: [{operation: {methods: [GET], ports: ['9000']}}]",
        "to: [{operation: {ports: ['1']}}, {operation: {hosts: [a]}}]",
        "from: [{source: {requestPrincipals: [a]}}]",
        "from: [{source: {namespaces: [a], notRequestPrincipals: [a]}}]",
        "when: [{key: 'request.headers[a]', values: [b]}]",
        "when: [{key: request.auth.audiences, notValues: [b]}]",
    ],
)
def test_to_connections_a_rule_that_allows_requests_allows_nothing(rule: str) -> None:
    (found,) = network(f"{{rules: [{{{rule}}}, {{to: [{{operation: {{ports: ['9000']}}}}]}}]}}")
    assert list(found["rules"]["policies"]) == ["ns[default]-policy[p0]-rule[1]"]
