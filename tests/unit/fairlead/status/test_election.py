"""Who may write, by the rules of a Lease."""

import msgspec

from fairlead.status.election import Election, LeaseSpec


def held_by(election: Election, now: float) -> LeaseSpec:
    lease = election.claim(now, "stamp")
    assert lease is not None
    election.note_written(lease, now)
    return lease


def test_a_lease_that_nobody_holds_is_taken() -> None:
    election = Election("a")
    election.observe(None, 0.0)
    lease = held_by(election, 0.0)
    assert (lease.holder_identity, lease.lease_transitions) == ("a", 0)
    assert election.is_leader(0.0)


def test_a_lease_of_another_is_respected_until_it_did_not_change_for_its_duration() -> None:
    first, second = Election("a", duration=20), Election("b", duration=20)
    first.observe(None, 0.0)
    lease = held_by(first, 0.0)
    second.observe(lease, 100.0)
    assert second.claim(119.0, "stamp") is None
    renewed = msgspec.structs.replace(lease, renew_time="later")
    second.observe(renewed, 119.0)
    assert second.claim(138.0, "stamp") is None
    second.observe(renewed, 138.0)
    taken = second.claim(139.0, "stamp")
    assert taken is not None
    assert (taken.holder_identity, taken.lease_transitions) == ("b", 1)


def test_the_holder_stops_before_another_may_begin() -> None:
    election = Election("a", duration=20, deadline=12)
    election.observe(None, 0.0)
    held_by(election, 0.0)
    assert election.is_leader(11.9)
    assert not election.is_leader(12.0)


def test_a_holder_that_sees_another_in_its_place_stops_at_once() -> None:
    election = Election("a")
    election.observe(None, 0.0)
    held_by(election, 0.0)
    election.observe(LeaseSpec(holder_identity="b", lease_duration_seconds=20), 1.0)
    assert not election.is_leader(1.0)
    assert election.holder == "b"


def test_a_lease_that_was_given_up_is_free_at_once() -> None:
    first, second = Election("a"), Election("b")
    first.observe(None, 0.0)
    held_by(first, 0.0)
    given_up = first.resign("stamp")
    assert given_up is not None
    first.note_written(given_up, 1.0)
    assert not first.is_leader(1.0)
    second.observe(given_up, 50.0)
    assert second.claim(50.0, "stamp") is not None


def test_nobody_gives_up_what_is_not_theirs() -> None:
    election = Election("b")
    election.observe(LeaseSpec(holder_identity="a", lease_duration_seconds=20), 0.0)
    assert election.resign("stamp") is None


def test_renewing_keeps_when_the_lease_was_acquired() -> None:
    election = Election("a")
    election.observe(None, 0.0)
    first = held_by(election, 0.0)
    again = election.claim(5.0, "later")
    assert again == msgspec.structs.replace(first, renew_time="later")
