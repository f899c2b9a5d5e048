"""A change is told in parts, those that lost endpoints first."""

from collections.abc import Set as AbstractSet

from xds.types import CLUSTER, ENDPOINT, TypeUrl
from xds.urgency import Urgency, parts_by_urgency


def parts(
    change: dict[TypeUrl, set[str]], losses: AbstractSet[str] = frozenset()
) -> list[tuple[Urgency, dict[TypeUrl, AbstractSet[str]]]]:
    return [(urgency, {**names}) for urgency, names in parts_by_urgency(change, losses)]


def test_losses_come_first_and_every_name_comes_once() -> None:
    change = {CLUSTER: {"a"}, ENDPOINT: {"a", "b"}}
    assert parts(change, {"b", "unchanged"}) == [
        (Urgency.LOSS, {ENDPOINT: {"b"}}),
        (Urgency.ENDPOINTS, {CLUSTER: {"a"}, ENDPOINT: {"a"}}),
    ]
    assert parts(change, {"a", "b"}) == [(Urgency.LOSS, {ENDPOINT: {"a", "b"}}), (Urgency.REST, {CLUSTER: {"a"}})]


def test_what_loses_nothing_is_one_part() -> None:
    assert parts({CLUSTER: {"a"}}) == [(Urgency.REST, {CLUSTER: {"a"}})]
    assert parts({ENDPOINT: {"a"}}) == [(Urgency.ENDPOINTS, {ENDPOINT: {"a"}})]
    assert parts({ENDPOINT: {"a"}}, {"a"}) == [(Urgency.LOSS, {ENDPOINT: {"a"}})]
