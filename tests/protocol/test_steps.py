"""Streams at the same point are sent the same, selected once; nobody is sent anything else than if alone."""

from dataclasses import dataclass, field
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.protocol.models import Answer, Talk, World, chain, made
from xds.types import CLUSTER, ENDPOINT, TypeUrl

TALKS = 3
names = st.sampled_from(("a-1", "b-1", "c-1"))
some = st.frozensets(names, min_size=1, max_size=3)
talks = st.integers(0, TALKS - 1)
types = st.sampled_from((CLUSTER, ENDPOINT))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), types, some, st.integers(1, 3)),
        st.tuples(st.just("drop"), types, some),
        st.tuples(st.just("ask"), talks, types, some),
        st.tuples(st.just("answer"), talks, st.booleans()),
        st.tuples(st.just("all answer"), st.booleans()),
    ),
    min_size=5,
    max_size=30,
)


@dataclass
class Party:
    """Several clients of one View, and everything that each of them was told."""

    delta: bool
    shares: bool
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.talks = [Talk(self.world, self.delta) for _ in range(TALKS)]
        self.wanted: list[dict[TypeUrl, frozenset[str]]] = [{} for _ in self.talks]
        self.told: list[list[tuple[TypeUrl, dict[str, bytes], list[str]]]] = [[] for _ in self.talks]

    def ask(self, number: int, type_url: TypeUrl, wanted: frozenset[str]) -> None:
        talk, before = self.talks[number], self.wanted[number].get(type_url, frozenset())
        self.wanted[number][type_url] = wanted
        if self.delta:
            talk.edit(type_url, wanted - before, before - wanted)
        else:
            talk.ask(type_url, sorted(wanted))

    def answer(self, number: int, *, accepts: bool) -> None:
        answer = self.talks[number].hear()
        if not self.shares:
            self.world.encoders[self.delta].forget()
        if answer is None:
            return
        self.told[number].append((answer.type_url, answer.resources, answer.removed))
        listed = sorted(self.wanted[number].get(answer.type_url, ()))
        if accepts:
            self.talks[number].ack(answer, listed)
        else:
            self.talks[number].nack(answer, "no good", listed)

    def do(self, operation: tuple[object, ...]) -> None:
        match operation:
            case ("put", str(type_url), frozenset(changed), content):
                self.world.put(*(made(TypeUrl(type_url), name, content) for name in sorted(changed)))
            case ("drop", str(type_url), frozenset(changed)):
                self.world.drop(TypeUrl(type_url), *sorted(changed))
            case ("ask", int(number), str(type_url), frozenset(wanted)):
                self.ask(number, TypeUrl(type_url), wanted)
            case ("answer", int(number), bool(accepts)):
                self.answer(number, accepts=accepts)
            case ("all answer", bool(accepts)):
                for number in range(TALKS):
                    self.answer(number, accepts=accepts)
            case _:
                raise AssertionError(operation)


@given(operations=operations, delta=st.booleans())
def test_what_a_client_is_told_does_not_depend_on_others(*, operations: list[tuple[object, ...]], delta: bool) -> None:
    together, alone = Party(delta, shares=True), Party(delta, shares=False)
    for operation in operations:
        together.do(operation)
        alone.do(operation)
        assert together.told == alone.told


def connected(world: World, *, delta: bool) -> list[Talk]:
    """Clients that have a cluster and its endpoints."""
    found = [Talk(world, delta) for _ in range(TALKS)]
    for talk in found:
        if delta:
            talk.edit(CLUSTER)
            talk.edit(ENDPOINT, ["a-1"])
        else:
            talk.ask(CLUSTER)
            talk.ask(ENDPOINT, ["a-1"])
        talk.settle({ENDPOINT: ["a-1"]})
    return found


@pytest.mark.parametrize("delta", [False, True])
def test_streams_at_the_same_point_share_what_they_are_sent(*, delta: bool) -> None:
    world = World()
    world.put(*chain("a-1"))
    clients = connected(world, delta=delta)
    world.put(made(ENDPOINT, "a-1", 2))
    sent = [talk.take() for talk in clients]
    assert all(each is not None for each in sent)
    for one, other in pairwise(each for each in sent if each is not None):
        assert one.response is other.response
        assert one.changes is other.changes


@pytest.mark.parametrize("delta", [False, True])
def test_a_stream_at_another_point_goes_its_own_way(*, delta: bool) -> None:
    world = World()
    world.put(*chain("a-1"))
    ahead, _, behind = connected(world, delta=delta)
    world.put(made(ENDPOINT, "a-1", 2))
    ahead.settle({ENDPOINT: ["a-1"]})
    world.put(made(ENDPOINT, "a-1", 1))
    # What is behind has never seen the change that was taken back.
    assert_content(ahead.hear(), b"a-1=1")
    assert behind.quiet()


def assert_content(answer: Answer | None, content: bytes) -> None:
    assert answer is not None
    assert list(answer.resources.values()) == [content]


def test_nothing_is_due_to_a_settled_session_until_something_changes() -> None:
    world = World()
    world.put(*chain("a-1"))
    talk, *_ = connected(world, delta=True)
    assert talk.session.is_settled
    world.put(made(ENDPOINT, "other", 1))
    assert talk.session.is_settled
    world.put(made(ENDPOINT, "a-1", 2))
    answer = talk.listen(ENDPOINT)
    assert talk.session.wake_at(talk.now) is None
    world.put(made(ENDPOINT, "a-1", 3))
    # The push waits for an acknowledgement.
    assert talk.quiet()
    assert talk.session.wake_at(talk.now) == world.rules.patience
    talk.ack(answer)
    assert_content(talk.hear(), b"a-1=3")


def test_a_change_that_joins_others_wakes_nobody() -> None:
    world = World()
    world.put(*chain("a-1"))
    talk, *_ = connected(world, delta=True)
    change = {ENDPOINT: frozenset({"a-1"})}
    world.content[ENDPOINT]["a-1"] = made(ENDPOINT, "a-1", 2)
    assert talk.session.mark(change)
    assert talk.hear() is not None
    # What comes now waits for the acknowledgement, and so does what comes to it; another type does not.
    assert talk.session.mark(change)
    assert not talk.session.mark(change)
    assert talk.session.mark({CLUSTER: frozenset({"a-1"}), **change})
