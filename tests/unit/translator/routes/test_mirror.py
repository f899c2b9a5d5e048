"""Mirroring."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.routes.mirror import build_mirrors


def shares(text: str) -> list[tuple[str, Tree]]:
    rule = http_rule(yaml.safe_dump({"route": [], **yaml.safe_load(text)}))
    policies = [tree(policy) for policy in build_mirrors(rule, lambda destination: destination.host)]
    for policy in policies:
        assert policy["trace_sampled"] is False
        assert policy["disable_shadow_host_suffix_append"] is True
    return [(policy["cluster"], policy["runtime_fraction"]["default_value"]) for policy in policies]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mirror: {host: m}", [("m", {"numerator": 100})]),
        ("{mirror: {host: m}, mirrorPercent: 30}", [("m", {"numerator": 30})]),
        ("{mirror: {host: m}, mirrorPercent: 0}", []),
        (
            "{mirror: {host: m}, mirrorPercentage: {value: 12.5}, mirrorPercent: 30}",
            [("m", {"numerator": 125000, "denominator": "MILLION"})],
        ),
        ("{mirror: {host: m}, mirrorPercentage: {value: 0}}", []),
        (
            "mirrors: [{destination: {host: a}}, {destination: {host: b}, percentage: {value: 0.57}}]",
            [("a", {"numerator": 100}), ("b", {"numerator": 5700, "denominator": "MILLION"})],
        ),
        ("mirrors: [{destination: {host: a}, percentage: {value: 0}}]", []),
        ("mirrorPercent: 30", []),
    ],
)
def test_case_21_mirrors_and_their_shares(text: str, expected: list[tuple[str, Tree]]) -> None:
    assert shares(text) == expected


def test_the_suffix_of_older_versions_can_be_asked_for() -> None:
    rule = http_rule("{route: [], mirror: {host: a}, mirrors: [{destination: {host: b}}]}")
    policies = list(build_mirrors(rule, lambda destination: destination.host, host_suffix=True))
    assert [policy.disable_shadow_host_suffix_append for policy in policies] == [False, False]
