"""Retry policies."""

import pytest
import yaml

from tests.unit.translator.routes.tables import Tree, http_rule, tree
from translator.routes.retry import build_retry

PREDICATE = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
DEFAULT: Tree = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "host_selection_retry_max_attempts": "5",
    "retry_host_predicate": [PREDICATE],
}
WITHOUT_PREDICATE = {name: value for name, value in DEFAULT.items() if name != "retry_host_predicate"}
PRIORITIES = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": (
            "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
        ),
        "update_frequency": 2,
    },
}


def built(policy: str, *, hashed: bool = False) -> Tree:
    rule = http_rule(yaml.safe_dump({"retries": yaml.safe_load(policy), "route": []}))
    return tree(build_retry(rule.retries, hashed=hashed))


def test_case_20_the_default_is_istios() -> None:
    assert tree(build_retry(None)) == DEFAULT


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ("attempts: 3", {"num_retries": 3}),
        ("{attempts: 1, perTryTimeout: 1500ms}", {"num_retries": 1, "per_try_timeout": "1.500s"}),
        ("{attempts: 2, retryOn: '5xx,reset'}", {"retry_on": "5xx,reset"}),
        (
            "{attempts: 2, retryOn: 'gateway-error,503'}",
            {"retry_on": "gateway-error,retriable-status-codes", "retriable_status_codes": [503]},
        ),
        ("{attempts: 2, retryOn: '503'}", {"retry_on": "retriable-status-codes", "retriable_status_codes": [503]}),
        (
            "{attempts: 2, retryOn: 'retriable-status-codes, 429,599'}",
            {"retry_on": "retriable-status-codes,599", "retriable_status_codes": [429]},
        ),
        ("{attempts: 2, retryRemoteLocalities: true}", {"retry_priority": PRIORITIES}),
        ("{attempts: 2, retryIgnorePreviousHosts: true}", {}),
        ("{attempts: 2, backoff: 10ms}", {"retry_back_off": {"base_interval": "0.010s"}}),
    ],
)
def test_case_20_settings_change_the_default(policy: str, changes: Tree) -> None:
    assert built(policy) == DEFAULT | changes


@pytest.mark.parametrize("attempts", [0, -1])
def test_case_20_no_attempts_no_retries(attempts: int) -> None:
    rule = http_rule(yaml.safe_dump({"retries": {"attempts": attempts}, "route": []}))
    assert build_retry(rule.retries) is None


def test_case_20_previous_hosts_may_be_tried_again_when_asked_for_or_hashed() -> None:
    assert built("{attempts: 2, retryIgnorePreviousHosts: false}") == WITHOUT_PREDICATE
    assert tree(build_retry(None, hashed=True)) == WITHOUT_PREDICATE
    assert built("{attempts: 2}", hashed=True) == WITHOUT_PREDICATE
    assert built("{attempts: 2, retryIgnorePreviousHosts: true}", hashed=True) == DEFAULT
