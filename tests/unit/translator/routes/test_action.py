"""Sending requests on."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.model.routing_rule import destinations
from translator.objects.destination_rule import ConsistentHashLB
from translator.objects.virtual_service import HTTPRetry
from translator.routes.action import ActionDefaults, build_action
from translator.routes.destination import Target

HASHED = ConsistentHashLB(http_header_name="x")
NO_RETRY = ActionDefaults(retry=HTTPRetry(attempts=0))
TIMEOUTS = {"timeout": "0s", "max_stream_duration": {"grpc_timeout_header_max": "0s"}}


def action(text: str, defaults: ActionDefaults = NO_RETRY) -> Tree:
    """The action of a rule; destinations whose host starts with "hash" are hashed."""
    rule = http_rule(text)
    targets = {
        each: Target(f"to-{each.host}", HASHED if each.host.startswith("hash") else None) for each in destinations(rule)
    }
    return tree(build_action(rule, targets, defaults))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("route: [{destination: {host: a}}]", {"cluster": "to-a"}),
        ("route: [{destination: {host: a}, weight: 0}]", {"cluster": "to-a"}),
        (
            "route: [{destination: {host: a}, weight: 75}, {destination: {host: b}, weight: 25}]",
            {"weighted_clusters": {"clusters": [{"name": "to-a", "weight": 75}, {"name": "to-b", "weight": 25}]}},
        ),
        (
            "route: [{destination: {host: a}, weight: 100}, {destination: {host: b}, weight: 0}]",
            {"weighted_clusters": {"clusters": [{"name": "to-a", "weight": 100}]}},
        ),
        (
            "route: [{destination: {host: a}, weight: 7}, {destination: {host: b}, weight: 3}]",
            {"weighted_clusters": {"clusters": [{"name": "to-a", "weight": 7}, {"name": "to-b", "weight": 3}]}},
        ),
    ],
)
def test_case_16_weights(text: str, expected: Tree) -> None:
    assert action(text) == TIMEOUTS | expected


def test_case_16_without_any_weight_there_is_no_action() -> None:
    rule = http_rule("route: [{destination: {host: a}}, {destination: {host: b}}]")
    assert build_action(rule, {}, NO_RETRY) is None


def test_case_19_timeouts_are_always_written() -> None:
    assert action("{timeout: 5s, route: [{destination: {host: a}}]}") == {
        "cluster": "to-a",
        "timeout": "5s",
        "max_grpc_timeout": "5s",
    }


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        ("uri: /new", {"prefix_rewrite": "/new"}),
        ("authority: b.com", {"host_rewrite_literal": "b.com"}),
        ("{uri: /new, authority: b.com}", {"prefix_rewrite": "/new", "host_rewrite_literal": "b.com"}),
        (
            r"uriRegexRewrite: {match: '/a/(.*)', rewrite: '/b/\1'}",
            {"regex_rewrite": {"pattern": {"regex": "/a/(.*)"}, "substitution": r"/b/\1"}},
        ),
        (
            r"{uri: /x, uriRegexRewrite: {match: '/a', rewrite: '/b'}}",
            {"regex_rewrite": {"pattern": {"regex": "/a"}, "substitution": "/b"}},
        ),
    ],
)
def test_case_19_rewrites(rewrite: str, expected: Tree) -> None:
    text = yaml.safe_dump({"rewrite": yaml.safe_load(rewrite), "route": [{"destination": {"host": "a"}}]})
    assert action(text) == TIMEOUTS | {"cluster": "to-a"} | expected


def test_a_rewritten_host_is_kept_in_a_header_where_the_mesh_wants_it() -> None:
    defaults = ActionDefaults(retry=HTTPRetry(attempts=0), forwarded_host=True)
    rewritten = action("{rewrite: {authority: b.com}, route: [{destination: {host: a}}]}", defaults)
    assert rewritten["append_x_forwarded_host"] is True
    assert "append_x_forwarded_host" not in action("route: [{destination: {host: a}}]", defaults)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("{rewrite: {authority: r}, headers: {request: {set: {host: h}}}, route: [{destination: {host: a}}]}", "r"),
        (
            (
                "{headers: {request: {set: {host: h}}}, "
                "route: [{destination: {host: a}, headers: {request: {set: {host: d}}}}]}"
            ),
            "h",
        ),
        ("route: [{destination: {host: a}, headers: {request: {set: {host: d}}}}]", "d"),
    ],
)
def test_case_17_the_rule_decides_the_authority_before_its_destination(text: str, host: str) -> None:
    assert action(text)["host_rewrite_literal"] == host


def test_case_17_weighted_destinations_change_headers_on_their_own() -> None:
    weighted = (
        "route: [{destination: {host: a}, weight: 1, headers: {request: {set: {host: d, x: '1'}}}}, "
        "{destination: {host: b}, weight: 1, headers: {response: {remove: [y]}}}]"
    )
    first, second = action(weighted)["weighted_clusters"]["clusters"]
    assert first["host_rewrite_literal"] == "d"
    assert first["request_headers_to_add"] == [
        {"header": {"key": "x", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    ]
    assert second == {"name": "to-b", "weight": 1, "response_headers_to_remove": ["y"]}


def test_case_17_a_rule_that_sets_the_authority_keeps_its_weighted_destinations_from_it() -> None:
    text = (
        "{rewrite: {authority: r}, route: [{destination: {host: a}, weight: 1, headers: {request: {set: {host: d}}}}, "
        "{destination: {host: b}, weight: 1}]}"
    )
    built = action(text)
    assert built["host_rewrite_literal"] == "r"
    assert "host_rewrite_literal" not in built["weighted_clusters"]["clusters"][0]


def test_case_23_every_hashed_destination_adds_its_policy() -> None:
    policy = {"header": {"header_name": "x"}}
    assert action("route: [{destination: {host: hash1}}]")["hash_policy"] == [policy]
    text = (
        "route: [{destination: {host: hash1}, weight: 1}, {destination: {host: hash2}, weight: 1}, "
        "{destination: {host: hash3}, weight: 0}, {destination: {host: a}, weight: 1}]"
    )
    assert action(text)["hash_policy"] == [policy, policy]


def test_case_20_retries_of_a_hashed_destination_may_go_to_the_same_host() -> None:
    def has_predicate(text: str) -> bool:
        return "retry_host_predicate" in action(text, ActionDefaults())["retry_policy"]

    assert has_predicate("route: [{destination: {host: a}}]")
    assert not has_predicate("route: [{destination: {host: hash1}}]")
    assert has_predicate("route: [{destination: {host: hash1}, weight: 1}, {destination: {host: a}, weight: 1}]")
    assert has_predicate(
        "{retries: {attempts: 1, retryIgnorePreviousHosts: true}, route: [{destination: {host: hash1}}]}"
    )


def test_case_20_the_rule_decides_on_retries_before_the_mesh() -> None:
    mesh = ActionDefaults(retry=HTTPRetry(attempts=7))
    assert action("route: [{destination: {host: a}}]", mesh)["retry_policy"]["num_retries"] == 7
    own = action("{retries: {attempts: 1}, route: [{destination: {host: a}}]}", mesh)
    assert own["retry_policy"]["num_retries"] == 1
    assert "retry_policy" not in action("{retries: {attempts: 0}, route: [{destination: {host: a}}]}", mesh)


def test_case_21_mirrors_follow_the_action() -> None:
    text = "{route: [{destination: {host: a}}], mirror: {host: m}, mirrors: [{destination: {host: n}}]}"
    assert [each["cluster"] for each in action(text)["request_mirror_policies"]] == ["to-m", "to-n"]
