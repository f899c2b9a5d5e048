"""The arithmetic of localities."""

import pytest

from translator.endpoints.locality import LocalityGroup, Place, group_endpoints, matches_locality, spread_groups
from translator.endpoints.spread import Spread
from translator.model.endpoint import Endpoint
from translator.model.network import NETWORK
from translator.model.workload import Workload
from translator.objects.destination_rule import LocalityDistribute, LocalityFailover

TO_R2 = LocalityFailover(from_="r1", to="r2")
HERE = Place(locality="r1/z1/s1")


def at(locality: str, *, weight: int = 0, **labels: str) -> Endpoint:
    """An endpoint somewhere."""
    names = {name.replace("network", NETWORK): value for name, value in labels.items()}
    return Endpoint(
        "1.2.3.4", 80, "http", Workload(name="w", namespace="n", labels=names, locality=locality), weight=weight
    )


def spread(setting: Spread, place: Place, *endpoints: Endpoint) -> list[tuple[str, int, int]]:
    """Locality, priority and weight of the groups."""
    return [
        ("/".join(filter(None, group.locality)), group.priority, group.weight)
        for group in spread_groups(group_endpoints(endpoints), setting, place)
    ]


def test_groups_are_sorted_and_keep_the_order_within() -> None:
    second, first, third = at("b/z"), at("a"), at("b/z/")
    assert group_endpoints([second, first, third]) == [
        LocalityGroup(("a", "", ""), (first,), 1),
        LocalityGroup(("b", "z", ""), (second, third), 2),
    ]


def test_weights_add_up_and_saturate() -> None:
    assert group_endpoints([at("a", weight=3), at("a")])[0].weight == 4
    assert group_endpoints([at("a", weight=2**32 - 1), at("a")])[0].weight == 2**32 - 1


def test_nothing_is_changed_without_a_setting() -> None:
    assert spread(Spread(), HERE, at("r2"), at("r1/z1/s1")) == [("r1/z1/s1", 0, 1), ("r2", 0, 1)]


def test_case_32_the_nearest_have_the_highest_priority() -> None:
    endpoints = (at("r1/z1/s1"), at("r1/z1/s2"), at("r1/z2/s1"), at("r2/z1/s1"), at(""))
    assert spread(Spread(failover=True), HERE, *endpoints) == [
        ("", 3, 1),
        ("r1/z1/s1", 0, 1),
        ("r1/z1/s2", 1, 1),
        ("r1/z2/s1", 2, 1),
        ("r2/z1/s1", 3, 1),
    ]


def test_case_32_priorities_have_no_gaps() -> None:
    assert spread(Spread(failover=True), HERE, at("r1/z1/s1"), at("r2")) == [("r1/z1/s1", 0, 1), ("r2", 1, 1)]
    assert spread(Spread(failover=True), HERE, at("r2"), at("r3")) == [("r2", 0, 1), ("r3", 0, 1)]


def test_a_client_without_locality_sees_no_difference() -> None:
    assert spread(Spread(failover=True), Place(), at("r1/z1/s1"), at("r2")) == [("r1/z1/s1", 0, 1), ("r2", 0, 1)]


def test_case_32_failover_names_the_next_region() -> None:
    setting = Spread(failover=True, regions=(TO_R2,))
    assert spread(setting, HERE, at("r1/z1/s1"), at("r2"), at("r3")) == [("r1/z1/s1", 0, 1), ("r2", 1, 1), ("r3", 2, 1)]
    assert spread(setting, HERE, at("r2"), at("r3")) == [("r2", 0, 1), ("r3", 1, 1)]
    elsewhere = Place(locality="r9/z/s")
    assert spread(setting, elsewhere, at("r2"), at("r3")) == [("r2", 0, 1), ("r3", 0, 1)]


def test_case_33_the_first_label_that_differs_decides() -> None:
    setting = Spread(failover=True, labels=("a", "b"))
    both, only_a, only_b = at("1", a="1", b="1"), at("2", a="1"), at("3", b="1")
    found = spread(setting, Place(labels=(("a", "1"), ("b", "1"))), both, only_a, only_b)
    assert [group[1] for group in found] == [0, 1, 2]
    # What both sides lack does not differ.
    found = spread(setting, Place(labels=(("a", "1"),)), both, only_a, only_b)
    assert [group[1] for group in found] == [1, 0, 2]


def test_case_33_groups_are_split_by_priority() -> None:
    setting = Spread(failover=True, labels=("version=v2",))
    near, far = at("r1", version="v2", weight=3), at("r1", version="v1", weight=5)
    assert spread(setting, Place(), near, far, at("r2", version="v1")) == [("r1", 0, 3), ("r1", 1, 5), ("r2", 1, 1)]


def test_case_33_another_network_is_farther_than_any_zone() -> None:
    setting = Spread(failover=True, labels=(NETWORK, "zone"))
    place = Place(labels=((NETWORK, "n1"), ("zone", "a")))
    endpoints = (
        at("1", network="n1", zone="a"),
        at("2", network="n1", zone="b"),
        at("3", network="n2", zone="a"),
        at("4", network="n2", zone="b"),
    )
    assert [group[1] for group in spread(setting, place, *endpoints)] == [0, 1, 2, 3]


def test_labels_decide_before_regions() -> None:
    setting = Spread(failover=True, labels=("version=v2",), regions=(TO_R2,))
    endpoints = (at("r1/z1/s1", version="v1"), at("r2", version="v2"), at("r3", version="v2"))
    assert spread(setting, HERE, *endpoints) == [("r1/z1/s1", 2, 1), ("r2", 0, 1), ("r3", 1, 1)]


def test_zone_aware_routing_leaves_zones_to_envoy() -> None:
    setting = Spread(failover=True, regions=(TO_R2,), zone_routing=True)
    endpoints = (at("r1/z1"), at("r1/z2"), at("r2"), at("r3"))
    assert [group[1] for group in spread(setting, HERE, *endpoints)] == [0, 0, 1, 2]


def rules(*rules: tuple[str, dict[str, int]]) -> Spread:
    """A distribution."""
    return Spread(distribute=tuple(LocalityDistribute(from_=source, to=to) for source, to in rules))


def test_case_34_traffic_is_distributed() -> None:
    setting = rules(("r1/*", {"r1": 80, "r2": 20}))
    assert spread(setting, HERE, at("r1"), at("r2"), at("r3")) == [("r1", 0, 80), ("r2", 0, 20)]


def test_a_share_is_divided_in_proportion_and_rounded_up() -> None:
    setting = rules(("*", {"r1/*": 50, "r2": 50}))
    endpoints = (at("r1/a"), at("r1/b"), at("r1/b"), at("r2"))
    assert spread(setting, HERE, *endpoints) == [("r1/a", 0, 17), ("r1/b", 0, 34), ("r2", 0, 50)]


def test_the_first_rule_for_the_client_counts_and_none_changes_nothing() -> None:
    first = rules(("r1/z1", {"r1": 100}), ("r1", {"r2": 100}))
    assert spread(first, HERE, at("r1"), at("r2")) == [("r1", 0, 100)]
    assert spread(rules(("r9", {"r1": 100})), HERE, at("r1"), at("r2")) == [("r1", 0, 1), ("r2", 0, 1)]


@pytest.mark.parametrize(
    ("pattern", "locality", "expected"),
    [
        ("*", ("r1", "z1", "s1"), True),
        ("r1", ("r1", "z1", "s1"), True),
        ("r1/*", ("r1", "z1", "s1"), True),
        ("r1/z1/*", ("r1", "z1", ""), True),
        ("r1/z1/s1", ("r1", "z1", "s2"), False),
        ("r1/z2", ("r1", "z1", "s1"), False),
        ("r2", ("r1", "", ""), False),
    ],
)
def test_patterns(pattern: str, locality: tuple[str, str, str], expected: bool) -> None:  # noqa: FBT001
    assert matches_locality(pattern, locality) is expected
