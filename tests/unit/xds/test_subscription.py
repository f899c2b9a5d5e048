"""Every transition between names, wildcard and nothing."""

import pytest

from xds.subscription import Subscription

LEGACY = Subscription(legacy=True)


@pytest.mark.parametrize(
    ("requests", "wildcard", "names"),
    [
        ([[]], True, set()),
        ([[], []], True, set()),
        ([["A"]], False, {"A"}),
        ([["A"], []], False, set()),
        ([[], ["A"]], False, {"A"}),
        ([[], ["A"], []], False, set()),
        ([["*"]], True, set()),
        ([["*", "A"]], True, {"A"}),
        ([["*", "A"], ["A"]], False, {"A"}),
        ([["*", "A"], []], False, set()),
        ([["A"], ["*"]], True, set()),
        ([["A", "B"], ["B", "C"]], False, {"B", "C"}),
    ],
)
def test_state_of_the_world(requests: list[list[str]], *, wildcard: bool, names: set[str]) -> None:
    subscription = LEGACY
    for listed in requests:
        subscription = subscription.replaced(listed)
    assert (subscription.wildcard, set(subscription.names)) == (wildcard, names)


def test_an_empty_list_means_nothing_where_there_is_no_legacy_wildcard() -> None:
    assert Subscription().replaced([]).is_empty
    assert Subscription().opened([], []).is_empty


@pytest.mark.parametrize(
    ("edits", "wildcard", "names"),
    [
        ([([], [])], True, set()),
        ([([], []), (["A"], [])], True, {"A"}),
        ([([], []), (["A"], []), ([], ["*"])], False, {"A"}),
        ([([], []), ([], ["*"]), ([], [])], False, set()),
        ([(["*"], ["*"])], False, set()),
        ([(["A"], [])], False, {"A"}),
        ([(["A"], []), ([], ["A"])], False, set()),
        ([(["A"], []), (["*"], [])], True, {"A"}),
        ([(["A"], []), ([], ["unknown"])], False, {"A"}),
        ([([], ["A"])], False, set()),
        ([(["A"], ["A"])], False, set()),
    ],
)
def test_delta(edits: list[tuple[list[str], list[str]]], *, wildcard: bool, names: set[str]) -> None:
    subscription = LEGACY.opened(*edits[0])
    for subscribe, unsubscribe in edits[1:]:
        subscription = subscription.edited(subscribe, unsubscribe)
    assert (subscription.wildcard, set(subscription.names)) == (wildcard, names)


def test_covers() -> None:
    assert Subscription(wildcard=True).covers("anything")
    assert Subscription(frozenset({"A"})).covers("A")
    assert not Subscription(frozenset({"A"})).covers("B")
