"""Delta streams, case by case."""

import pytest

from tests.protocol.models import Talk, World, chain, made, routing
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl

NAMED = (ENDPOINT, ROUTE, SECRET)
ALL = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)


def version_of(world: World, type_url: TypeUrl, name: str) -> str:
    return world.resources(type_url)[name].version


def test_wildcard_gets_everything_once(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    delta.edit(CLUSTER)
    answer = delta.listen(CLUSTER)
    assert answer.names == ["a", "b"]
    assert answer.versions == {name: version_of(world, CLUSTER, name) for name in "ab"}
    delta.ack(answer)
    assert delta.quiet()


def test_wildcard_is_answered_even_when_there_is_nothing(delta: Talk) -> None:
    delta.edit(CLUSTER)
    assert delta.listen(CLUSTER).names == []


@pytest.mark.parametrize("type_url", NAMED)
def test_named_type_without_names_is_silent(world: World, delta: Talk, type_url: TypeUrl) -> None:
    delta.edit(type_url)
    world.put(made(type_url, "a"))
    assert delta.quiet()


@pytest.mark.parametrize("type_url", ALL)
def test_names_are_answered_one_by_one(world: World, delta: Talk, type_url: TypeUrl) -> None:
    world.put(made(type_url, "A"), made(type_url, "B"))
    delta.edit(type_url, ["A"])
    first = delta.listen(type_url)
    assert first.names == ["A"]
    delta.ack(first)
    delta.edit(type_url, ["B"])
    second = delta.listen(type_url)
    assert second.names == ["B"]
    assert second.nonce != first.nonce
    delta.ack(second)
    world.put(made(type_url, "A", 2))
    third = delta.listen(type_url)
    assert third.names == ["A"]
    assert third.versions["A"] not in {first.versions["A"], second.versions["B"]}


@pytest.mark.parametrize("type_url", ALL)
def test_case_20_a_missing_name_is_told_and_sent_when_it_appears(world: World, delta: Talk, type_url: TypeUrl) -> None:
    delta.edit(type_url, ["X"])
    answer = delta.listen(type_url)
    assert (answer.names, answer.removed) == ([], ["X"])
    delta.ack(answer)
    world.put(made(type_url, "X"))
    answer = delta.listen(type_url)
    assert (answer.names, answer.removed) == (["X"], [])
    delta.ack(answer)
    world.drop(type_url, "X")
    answer = delta.listen(type_url)
    assert (answer.names, answer.removed) == ([], ["X"])
    delta.ack(answer)
    world.put(made(type_url, "X"))
    assert delta.listen(type_url).names == ["X"]


def test_case_17_wildcard_ends_only_by_name(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "A"), made(CLUSTER, "B"))
    delta.edit(CLUSTER)
    assert delta.listen(CLUSTER).names == ["A", "B"]
    delta.edit(CLUSTER, ["A"])
    assert delta.listen(CLUSTER).names == ["A"]
    delta.edit(CLUSTER, [], ["*"])
    world.put(made(CLUSTER, "A", 2), made(CLUSTER, "B", 2))
    delta.now += 6
    assert delta.listen(CLUSTER).names == ["A"]
    delta.edit(CLUSTER, [], ["A"])
    world.put(made(CLUSTER, "A", 3))
    delta.now += 6
    assert delta.quiet()


def test_nothing_yet_is_subscribing_and_unsubscribing_everything(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    delta.edit(CLUSTER, ["*"], ["*"])
    assert delta.quiet()
    delta.edit(CLUSTER, ["a"])
    assert delta.listen(CLUSTER).names == ["a"]


def test_case_18_subscribing_again_sends_again(world: World, delta: Talk) -> None:
    world.put(made(ENDPOINT, "a"))
    for _ in range(2):
        delta.edit(ENDPOINT, ["a"])
        answer = delta.listen(ENDPOINT)
        assert answer.names == ["a"]
        delta.ack(answer)
    delta.edit(ENDPOINT, [], ["unknown"])
    assert delta.quiet()


@pytest.mark.parametrize("exists", [True, False])
def test_case_19_a_name_dropped_under_a_wildcard_is_told(world: World, delta: Talk, *, exists: bool) -> None:
    world.put(made(CLUSTER, "B"))
    if exists:
        world.put(made(CLUSTER, "A"))
    delta.edit(CLUSTER, ["*", "A"])
    delta.settle()
    delta.edit(CLUSTER, [], ["A"])
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == ((["A"], []) if exists else ([], ["A"]))


def test_case_21_a_stale_nonce_does_not_void_the_subscription(world: World, delta: Talk) -> None:
    world.put(made(ENDPOINT, "A"), made(ENDPOINT, "B"))
    delta.edit(ENDPOINT, ["A"])
    delta.ack(delta.listen(ENDPOINT))
    received = delta.edit(ENDPOINT, ["B"], nonce="stale")
    assert received.is_expired
    assert delta.listen(ENDPOINT).names == ["B"]


def test_case_22_a_reconnect_gets_only_what_differs(world: World, delta: Talk) -> None:
    world.put(*chain("a"), *chain("b"))
    known = {"a": version_of(world, CLUSTER, "a"), "b": "old", "gone": "old"}
    delta.edit(CLUSTER, versions=known)
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == (["b"], ["gone"])
    delta.ack(answer)
    assert delta.quiet()


def test_a_reconnect_with_everything_current_is_answered_empty(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    delta.edit(CLUSTER, versions={"a": version_of(world, CLUSTER, "a")})
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == ([], [])


def test_a_reconnect_with_names_skips_what_is_current(world: World, delta: Talk) -> None:
    world.put(made(ROUTE, "a"), made(ROUTE, "b"))
    known = {"a": version_of(world, ROUTE, "a"), "gone": "old"}
    delta.edit(ROUTE, ["a", "b", "gone"], versions=known)
    answer = delta.listen(ROUTE)
    assert (answer.names, answer.removed) == (["b"], ["gone"])


def test_endpoints_are_sent_on_every_reconnect(world: World, delta: Talk) -> None:
    world.put(*chain("a"))
    delta.edit(ENDPOINT, ["a"], versions={"a": version_of(world, ENDPOINT, "a")})
    delta.ack(delta.listen(ENDPOINT))
    delta.edit(CLUSTER, versions={"a": version_of(world, CLUSTER, "a")})
    assert delta.listen(CLUSTER).names == []
    assert delta.listen(ENDPOINT).names == ["a"], "Envoy may still be warming its clusters"


def test_case_09_endpoints_before_clusters_are_sent_again_after_them(world: World, delta: Talk) -> None:
    world.put(*chain("a"))
    delta.edit(ENDPOINT, ["a"])
    delta.ack(delta.listen(ENDPOINT))
    delta.edit(CLUSTER)
    assert delta.listen(CLUSTER).names == ["a"]
    assert delta.listen(ENDPOINT).names == ["a"]


def test_endpoints_follow_a_changed_cluster(world: World, delta: Talk) -> None:
    world.put(*chain("a"), *chain("b"))
    delta.edit(CLUSTER)
    delta.edit(ENDPOINT, ["a", "b"])
    delta.settle()
    world.put(chain("a", cluster=2)[0])
    assert [(answer.type_url, answer.names) for answer in delta.settle()] == [(CLUSTER, ["a"]), (ENDPOINT, ["a"])]


def test_secrets_follow_a_changed_cluster(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a", 1, [(SECRET, "s")]), made(SECRET, "s"))
    delta.edit(CLUSTER)
    delta.edit(SECRET, ["s"])
    delta.settle()
    world.put(made(CLUSTER, "a", 2, [(SECRET, "s")]))
    assert [(answer.type_url, answer.names) for answer in delta.settle()] == [(CLUSTER, ["a"]), (SECRET, ["s"])]


def test_a_cluster_goes_after_the_routes_that_lead_to_it(world: World, delta: Talk) -> None:
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    delta.edit(CLUSTER)
    delta.edit(ENDPOINT, ["a", "b"])
    delta.edit(LISTENER)
    delta.edit(ROUTE, ["web"])
    delta.settle()
    world.change(routing("a", content=2), [(CLUSTER, "b"), (ENDPOINT, "b")])
    routes = delta.listen(ROUTE)
    assert delta.quiet()
    delta.ack(routes)
    clusters = delta.listen(CLUSTER)
    assert clusters.removed == ["b"]
    assert delta.quiet(), "the endpoints go after their cluster"
    delta.ack(clusters)
    assert delta.listen(ENDPOINT).removed == ["b"]


def test_a_refused_route_keeps_its_clusters(world: World, delta: Talk) -> None:
    world.put(*chain("b"), *routing("b"))
    delta.edit(CLUSTER)
    delta.edit(LISTENER)
    delta.edit(ROUTE, ["web"])
    delta.settle()
    world.change(routing(content="refused"), [(CLUSTER, "b")])
    delta.nack(delta.listen(ROUTE), "no")
    delta.now += 60
    delta.session.expire()
    assert delta.quiet()


def test_resources_that_refer_to_each_other_go_together(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a", 1, [(CLUSTER, "b")]), made(CLUSTER, "b", 1, [(CLUSTER, "a")]))
    delta.edit(CLUSTER)
    delta.settle()
    world.drop(CLUSTER, "a", "b")
    assert delta.listen(CLUSTER).removed == ["a", "b"]


def test_a_cluster_that_comes_back_in_time_was_never_away(world: World, delta: Talk) -> None:
    world.put(*chain("b"), *routing("b"))
    delta.edit(CLUSTER)
    delta.edit(LISTENER)
    delta.edit(ROUTE, ["web"])
    delta.settle()
    world.change(routing(content=2), [(CLUSTER, "b")])
    routes = delta.listen(ROUTE)
    world.put(chain("b")[0])
    delta.ack(routes)
    assert delta.quiet()


def test_a_refused_resource_is_held_back_alone(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "good"), made(CLUSTER, "worse", "bad"))
    delta.edit(CLUSTER)
    delta.nack(delta.listen(CLUSTER), "Error adding/updating cluster(s) worse: bad")
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == (["good"], [])
    delta.ack(answer)
    assert delta.quiet()
    world.put(made(CLUSTER, "worse", "mended"))
    assert delta.listen(CLUSTER).names == ["worse"]


def test_a_refused_answer_to_a_name_is_not_repeated(world: World, delta: Talk) -> None:
    world.put(made(ROUTE, "r", "bad"))
    delta.edit(ROUTE, ["r"])
    delta.nack(delta.listen(ROUTE), "no")
    assert delta.quiet()
    delta.edit(ROUTE, ["r"])
    assert delta.quiet()


def test_removals_survive_a_refusal(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    delta.edit(CLUSTER)
    delta.settle()
    world.change([made(CLUSTER, "a", "bad")], [(CLUSTER, "b")])
    delta.nack(delta.listen(CLUSTER), "cluster(s) a: bad")
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == ([], ["b"])


def test_one_push_per_type_is_under_way(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    delta.edit(CLUSTER)
    first = delta.listen(CLUSTER)
    world.put(made(CLUSTER, "b"))
    world.put(made(CLUSTER, "a", 2))
    world.put(made(CLUSTER, "a", 3))
    assert delta.quiet()
    delta.ack(first)
    assert delta.listen(CLUSTER).resources == {"a": b"a=3", "b": b"b=1"}


def test_what_is_left_from_an_earlier_stream_is_not_sent_again(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "b-1", "bad"))
    delta.edit(CLUSTER, ["b-1"], versions={"b-1": "old"})
    delta.nack(delta.listen(CLUSTER), "b-1: no good")
    delta.edit(CLUSTER, ["b-1"])
    assert delta.quiet(), "the old version's bytes are not known, and the new one was refused"
    world.put(made(CLUSTER, "b-1", "good"))
    assert delta.listen(CLUSTER).resources == {"b-1": b"b-1=good"}


def test_many_answers_may_be_under_way_when_the_first_is_refused(world: World, delta: Talk) -> None:
    world.put(*(made(CLUSTER, name, "bad" if name == "d" else 1) for name in "abcd"))
    delta.edit(CLUSTER)
    answers = [delta.listen(CLUSTER)]
    for _ in range(20):
        delta.edit(CLUSTER, ["*"])
        answers.append(delta.listen(CLUSTER))
    held = set()
    while answers:
        answer = answers.pop(0)
        if "d" in answer.resources:
            delta.nack(answer, "something is no good")
        else:
            held.update(answer.names)
            delta.ack(answer)
        if not answers and (more := delta.hear()) is not None:
            answers.append(more)
    assert held == {"a", "b", "c"}


def test_a_change_that_was_taken_back_is_not_sent(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    delta.edit(CLUSTER)
    first = delta.listen(CLUSTER)
    world.put(made(CLUSTER, "a", 2))
    world.put(made(CLUSTER, "a"))
    delta.ack(first)
    assert delta.quiet()


def test_two_streams_of_one_view_share_one_response(world: World) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    talks = [Talk(world, delta=True) for _ in range(3)]
    for talk in talks:
        talk.edit(CLUSTER)
        talk.settle()
    world.put(made(CLUSTER, "a", 2))
    payloads = {id(sent.response.payload) for talk in talks if (sent := talk.take()) is not None}
    assert len(payloads) == 1


def test_equal_ledgers_are_one_object(world: World) -> None:
    world.put(*(made(CLUSTER, f"c{number}") for number in range(100)))
    talks = [Talk(world, delta=True) for _ in range(2)]
    for talk in talks:
        talk.edit(CLUSTER)
        talk.settle()
    for number in range(100):
        world.put(made(CLUSTER, f"c{number}", 2))
        for talk in talks:
            talk.settle()
    (one,), (other,) = ([*talk.session.lanes()] for talk in talks)
    assert one.held.content() is not other.held.content() or one.held.content() == other.held.content()
    assert one.held._base is other.held._base


def test_streams_that_come_back_with_what_there_is_hold_one_object(world: World) -> None:
    resources = {f"c{number}": made(CLUSTER, f"c{number}") for number in range(10)}
    world.put(*resources.values())
    talks = [Talk(world, delta=True) for _ in range(3)]
    for talk, outdated in zip(talks, ("", "", "c3"), strict=True):
        versions = {name: "old" if name == outdated else each.version for name, each in resources.items()}
        talk.edit(CLUSTER, versions=versions)
        talk.settle()
    ledgers = [lane.held for talk in talks for lane in talk.session.lanes()]
    assert len(ledgers) == len(talks)
    assert len(set(map(id, ledgers))) == 1
    assert ledgers[0].content() == resources


def test_another_view_brings_what_differs(world: World, delta: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(CLUSTER, "b"))
    delta.edit(CLUSTER)
    delta.settle()
    other = World()
    other.put(made(CLUSTER, "b"), made(CLUSTER, "c"))
    delta.session.move(other.supply(delta=True))
    answer = delta.listen(CLUSTER)
    assert (answer.names, answer.removed) == (["c"], ["a"])


def test_suspects_that_nobody_wants_any_more_keep_none_from_being_tried(world: World, delta: Talk) -> None:
    world.put(*(made(ENDPOINT, name) for name in "abcd"))
    delta.edit(ENDPOINT, subscribe=list("abcd"))
    refused = delta.listen(ENDPOINT)
    delta.nack(refused, "something is no good")
    # The first half is due, and the client drops it.
    delta.edit(ENDPOINT, unsubscribe=["a", "b"])
    tried = delta.listen(ENDPOINT)
    assert tried.names == ["c", "d"]
    delta.ack(tried)
    assert delta.quiet()


def test_suspects_that_are_gone_keep_none_from_being_tried(world: World, delta: Talk) -> None:
    world.put(*(made(ENDPOINT, name) for name in "abcd"))
    delta.edit(ENDPOINT, subscribe=list("abcd"))
    delta.nack(delta.listen(ENDPOINT), "something is no good")
    world.drop(ENDPOINT, "a", "b")
    tried = delta.listen(ENDPOINT)
    assert tried.names == ["c", "d"]
    delta.ack(tried)
    assert delta.quiet()
