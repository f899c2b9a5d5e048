"""Who has acknowledged which change."""

from array import array

from fairlead.bench.messages import Expecting, Report, Seen
from fairlead.bench.watch import Watch

HOST = ("web.default.svc.cluster.local", False)


def seen(reports: list[Report]) -> dict[int, list[float]]:
    return {each.number: list(array("d", each.times)) for each in reports if isinstance(each, Seen)}


def test_a_change_is_told_of_when_all_have_it() -> None:
    told: list[Report] = []
    watch = Watch(told.append)
    watch.expect(1, {0, 1}, HOST)
    watch.see(0, {1}, 10.0)
    watch.see(0, {1}, 10.5)
    assert told == [Expecting(1, 2)]
    watch.see(1, {1}, 11.0)
    assert seen(told) == {1: [10.0, 11.0]}


def test_the_newest_state_brings_the_older_changes_of_the_same_thing() -> None:
    told: list[Report] = []
    watch = Watch(told.append)
    for number in (1, 2):
        watch.expect(number, {0}, HOST)
    watch.expect(3, {0}, ("other", False))
    watch.see(0, {2}, 10.0)
    assert seen(told) == {1: [10.0], 2: [10.0]}


def test_a_change_may_be_faster_than_its_announcement() -> None:
    told: list[Report] = []
    watch = Watch(told.append)
    watch.see(0, {1}, 10.0)
    watch.expect(1, {0}, HOST)
    assert seen(told) == {1: [10.0]}


def test_a_change_that_concerns_nobody_is_not_waited_for() -> None:
    told: list[Report] = []
    watch = Watch(told.append)
    watch.expect(1, set(), HOST)
    assert told == [Expecting(1, 0)]
