"""State-of-the-world streams, case by case."""

import pytest

from tests.protocol.models import Talk, World, made
from xds.errors import LimitExceeded, ProtocolViolation
from xds.session import SessionRules
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SCOPED_ROUTE, SECRET, TRAITS, TypeUrl

NAMED = (ENDPOINT, ROUTE, SECRET)
FULL = (CLUSTER, LISTENER, SCOPED_ROUTE)


@pytest.mark.parametrize("type_url", FULL)
def test_case_02_wildcard_gets_everything_once(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"), made(type_url, "b"))
    sotw.ask(type_url)
    answer = sotw.listen(type_url)
    assert answer.names == ["a", "b"]
    sotw.ack(answer)
    assert sotw.quiet()


@pytest.mark.parametrize("type_url", FULL)
def test_wildcard_is_answered_even_when_there_is_nothing(sotw: Talk, type_url: TypeUrl) -> None:
    sotw.ask(type_url)
    assert sotw.listen(type_url).names == []


@pytest.mark.parametrize("type_url", NAMED)
def test_named_type_without_names_is_silent(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    sotw.ask(type_url)
    world.put(made(type_url, "a"))
    assert sotw.quiet()


@pytest.mark.parametrize("type_url", FULL)
def test_a_change_brings_the_full_state(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"), made(type_url, "b"))
    sotw.ask(type_url)
    first = sotw.listen(type_url)
    sotw.ack(first)
    world.put(made(type_url, "a", 2))
    second = sotw.listen(type_url)
    assert second.names == ["a", "b"]
    assert second.resources["a"] == b"a=2"
    assert second.version != first.version
    assert second.nonce != first.nonce


@pytest.mark.parametrize("type_url", NAMED)
def test_a_change_of_a_named_type_brings_only_what_changed(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"), made(type_url, "b"))
    sotw.ask(type_url, ["a", "b"])
    sotw.ack(sotw.listen(type_url), ["a", "b"])
    world.put(made(type_url, "b", 2), made(type_url, "c", 2))
    answer = sotw.listen(type_url)
    assert answer.resources == {"b": b"b=2"}


def test_what_is_put_again_unchanged_is_not_sent(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "a"))
    assert sotw.quiet()


def test_case_04_added_names_are_sent_alone(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a"])
    answer = sotw.listen(ENDPOINT)
    sotw.ack(answer, ["a", "b"])
    assert sotw.listen(ENDPOINT).names == ["b"]


def test_case_05_removed_names_are_silent_until_they_are_asked_for_again(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a", "b"])
    answer = sotw.listen(ENDPOINT)
    sotw.ack(answer, ["a"])
    world.put(made(ENDPOINT, "b", 2))
    assert sotw.quiet()
    sotw.ask(ENDPOINT, [], nonce=answer.nonce)
    world.put(made(ENDPOINT, "a", 2))
    assert sotw.quiet()
    sotw.ask(ENDPOINT, ["a"], nonce=answer.nonce)
    assert sotw.listen(ENDPOINT).resources == {"a": b"a=2"}


def test_a_resubscribed_name_is_sent_although_it_did_not_change(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a", "b"])
    answer = sotw.listen(ENDPOINT)
    sotw.ack(answer, ["b"])
    sotw.ask(ENDPOINT, ["a", "b"], nonce=answer.nonce)
    assert sotw.listen(ENDPOINT).names == ["a"]


def test_case_06_a_stale_nonce_changes_nothing(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a"])
    first = sotw.listen(ENDPOINT)
    sotw.ack(first, ["a"])
    world.put(made(ENDPOINT, "a", 2))
    second = sotw.listen(ENDPOINT)
    received = sotw.ask(ENDPOINT, ["a", "b"], nonce=first.nonce)
    assert received.is_expired
    assert sotw.quiet()
    sotw.ack(second, ["a", "b"])
    assert sotw.listen(ENDPOINT).names == ["b"]


@pytest.mark.parametrize("type_url", [ENDPOINT, CLUSTER])
def test_a_name_that_a_stale_request_did_without_is_sent_again(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"), made(type_url, "b"))
    sotw.ask(type_url, ["a"])
    first = sotw.listen(type_url)
    sotw.ack(first, ["a"])
    sotw.ask(type_url, ["a", "b"], nonce=first.nonce)
    second = sotw.listen(type_url)
    # Both cross the second response. The client forgets what it has under a name that it drops.
    assert sotw.ask(type_url, ["b"], nonce=first.nonce).is_expired
    assert sotw.ask(type_url, ["a", "b"], nonce=first.nonce).is_expired
    sotw.ack(second, ["a", "b"])
    third = sotw.listen(type_url)
    assert "a" in third.names
    sotw.ack(third, ["a", "b"])
    assert sotw.quiet()


def test_what_a_client_did_not_want_any_more_when_it_came_was_not_accepted(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a", "bad"))
    sotw.ask(CLUSTER, ["a"])
    first = sotw.listen(CLUSTER)
    sotw.ask(CLUSTER, [])
    sotw.ack(first, [])
    sotw.ask(CLUSTER, ["*"], nonce=first.nonce)
    second = sotw.listen(CLUSTER)
    assert second.names == ["a"]
    # Now it is looked at for the first time, and is new to the client: it must not come again.
    sotw.nack(second, "no good", ["*"])
    sotw.ask(CLUSTER, ["a", "*"], nonce=second.nonce)
    answer = sotw.hear()
    assert answer is None or answer.names == []


def test_case_07_a_foreign_nonce_on_a_new_stream_asks_for_everything(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"))
    sotw.ask(ENDPOINT, ["a"], nonce="of-another-stream")
    assert sotw.listen(ENDPOINT).names == ["a"]


@pytest.mark.parametrize("type_url", NAMED)
def test_a_missing_name_is_sent_when_it_appears(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"))
    sotw.ask(type_url, ["a", "later"])
    answer = sotw.listen(type_url)
    assert answer.names == ["a"]
    sotw.ack(answer, ["a", "later"])
    world.put(made(type_url, "later"))
    assert sotw.listen(type_url).names == ["later"]


def test_the_view_may_stand_in_for_what_is_missing(world: World, sotw: Talk) -> None:
    world.stand_ins[ENDPOINT] = lambda name: made(ENDPOINT, name, "empty")
    sotw.ask(ENDPOINT, ["x"])
    answer = sotw.listen(ENDPOINT)
    assert answer.resources == {"x": b"x=empty"}
    sotw.ack(answer, ["x"])
    world.put(made(ENDPOINT, "x"))
    assert sotw.listen(ENDPOINT).resources == {"x": b"x=1"}


@pytest.mark.parametrize("type_url", FULL)
def test_explicit_names_of_a_full_type_come_together(world: World, sotw: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "a"), made(type_url, "b"), made(type_url, "c"))
    sotw.ask(type_url, ["a"])
    answer = sotw.listen(type_url)
    assert answer.names == ["a"]
    sotw.ack(answer, ["a", "b"])
    answer = sotw.listen(type_url)
    assert answer.names == ["a", "b"], "what is left out would be deleted"
    sotw.ack(answer, ["a", "b"])
    world.put(made(type_url, "c", 2))
    assert sotw.quiet()
    world.put(made(type_url, "a", 2))
    assert sotw.listen(type_url).names == ["a", "b"]


def test_case_23_wildcard_and_names_and_back(world: World, sotw: Talk) -> None:
    world.put(made(LISTENER, "A"), made(LISTENER, "B"))
    sotw.ask(LISTENER, ["*", "A"])
    answer = sotw.listen(LISTENER)
    assert answer.names == ["A", "B"]
    sotw.ack(answer, ["A"])
    world.put(made(LISTENER, "B", 2))
    assert sotw.quiet()
    world.put(made(LISTENER, "A", 2))
    answer = sotw.listen(LISTENER)
    assert answer.names == ["A"]
    sotw.ack(answer, [])
    world.put(made(LISTENER, "A", 3))
    assert sotw.quiet(), "once something was named, an empty list means nothing"


def test_removal_of_listeners_and_clusters_is_absence(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.drop(CLUSTER, "a")
    assert sotw.listen(CLUSTER).names == ["b"]


def test_types_are_independent(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(LISTENER, "l"))
    sotw.ask(CLUSTER)
    sotw.ask(LISTENER)
    sotw.settle()
    world.put(made(LISTENER, "l", 2))
    assert [answer.type_url for answer in sotw.settle()] == [LISTENER]


def test_a_refused_resource_is_held_back_alone(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "good"), made(CLUSTER, "worse"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "worse", "bad"), made(CLUSTER, "new"))
    received = sotw.nack(sotw.listen(CLUSTER), "Error adding/updating cluster(s) worse: bad")
    assert received.verdict is not None
    assert received.verdict.rejected == ("worse",)
    answer = sotw.listen(CLUSTER)
    assert answer.resources == {"good": b"good=1", "worse": b"worse=1", "new": b"new=1"}
    sotw.ack(answer)
    assert sotw.quiet()
    world.put(made(CLUSTER, "worse", "mended"))
    assert sotw.listen(CLUSTER).resources["worse"] == b"worse=mended"


def test_refused_bytes_are_not_sent_again(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "a", "bad"))
    sotw.nack(sotw.listen(CLUSTER), "no reason given")
    assert sotw.quiet()
    world.put(made(CLUSTER, "a", "bad"))
    assert sotw.quiet()
    (lane,) = sotw.session.lanes()
    assert (lane.record.nacks, lane.record.error) == (1, "no reason given")
    world.put(made(CLUSTER, "a", "good"))
    sotw.ack(sotw.listen(CLUSTER))
    assert lane.record.error is None


def test_an_unnamed_culprit_is_found_by_halving(world: World, sotw: Talk) -> None:
    names = [f"c{number:02}" for number in range(40)]
    world.put(*(made(CLUSTER, name, "bad" if name == "c23" else 1) for name in names))
    sotw.ask(CLUSTER)
    trials = 0
    while (answer := sotw.hear()) is not None:
        trials += 1
        if b"c23=bad" in answer.resources.values():
            sotw.nack(answer, "something in there is wrong")
        else:
            last = answer
            sotw.ack(answer)
    assert sorted(last.resources) == [name for name in names if name != "c23"]
    assert trials <= 14


def test_names_may_change_with_a_refusal(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a", "bad"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a"])
    sotw.nack(sotw.listen(ENDPOINT), "a: no good", ["a", "b"])
    assert sotw.listen(ENDPOINT).names == ["b"]


def test_a_late_answer_is_not_about_names_that_are_gone(world: World, sotw: Talk) -> None:
    world.put(made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    sotw.ask(ENDPOINT, ["a", "b"])
    first = sotw.listen(ENDPOINT)
    world.put(made(ENDPOINT, "a", 2), made(ENDPOINT, "b", 2))
    sotw.ack(first, ["b"])
    assert sotw.listen(ENDPOINT).names == ["b"]


def test_a_request_without_a_type_ends_the_stream(sotw: Talk) -> None:
    with pytest.raises(ProtocolViolation, match="type URL"):
        sotw.ask(TypeUrl(""))


def test_an_unknown_type_is_noted_once_and_not_answered(sotw: Talk) -> None:
    unknown = TypeUrl("type.googleapis.com/istio.v1.HealthInformation")
    assert sotw.ask(unknown, ["x"]).is_first
    assert not sotw.ask(unknown, ["x"]).is_first
    assert sotw.quiet()
    assert sotw.session.unserved == {unknown}


def test_too_many_names_end_the_stream(world: World) -> None:
    world.rules = SessionRules(TRAITS, world.rules.pools, most_names=3)
    talk = Talk(world, delta=False)
    with pytest.raises(LimitExceeded):
        talk.ask(ENDPOINT, ["a", "b", "c", "d"])


def test_a_runtime_layer_is_a_named_type(world: World, sotw: Talk) -> None:
    world.put(made(RUNTIME, "layer"))
    sotw.ask(RUNTIME, ["layer"])
    assert sotw.listen(RUNTIME).names == ["layer"]


def test_the_cause_of_a_push_comes_back_with_it(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "a", 2), cause="first")
    world.put(made(CLUSTER, "a", 3), cause="second")
    sent = sotw.take()
    assert sent is not None
    assert sent.cause == "first", "the oldest, so that nothing looks faster than it was"
    received = sotw.ask(CLUSTER, nonce=sent.response.nonce)
    assert received.verdict is not None
    assert received.verdict.sent is sent


def test_two_streams_of_one_view_share_one_response(world: World) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    talks = [Talk(world, delta=False) for _ in range(3)]
    for talk in talks:
        talk.ask(CLUSTER)
    first, *others = [talk.take() for talk in talks]
    assert first is not None
    for other in others:
        assert other is not None
        assert other.response.payload is first.response.payload


def test_another_view_brings_what_differs(world: World) -> None:
    talk = Talk(world, delta=False)
    world.put(made(CLUSTER, "a"), made(ENDPOINT, "a"), made(ENDPOINT, "b"))
    talk.ask(CLUSTER)
    talk.ask(ENDPOINT, ["a", "b"])
    talk.settle({ENDPOINT: ["a", "b"]})
    other = World()
    other.put(made(CLUSTER, "a"), made(ENDPOINT, "a"), made(ENDPOINT, "b", 2))
    talk.session.move(other.supply(delta=False))
    heard = talk.settle({ENDPOINT: ["a", "b"]})
    assert [(answer.type_url, answer.names) for answer in heard] == [(ENDPOINT, ["b"])]


def test_a_client_that_came_back_and_refuses_is_told_what_is_gone() -> None:
    world = World()
    world.put(made(CLUSTER, "bad-1"))
    talk = Talk(world, delta=False)
    # Nonces do not survive streams, but this tells that the client was here before: it has clusters that are gone.
    talk.ask(CLUSTER, nonce="7")
    talk.nack(talk.listen(CLUSTER), "cluster(s) bad-1: no good")
    answer = talk.listen(CLUSTER)
    assert answer.names == []
    talk.ack(answer)
    assert talk.quiet()
