"""Whoever wants all of the very many resources of a View gets them in one step, and then no more than what changes."""

import pytest

from tests.protocol.models import Answer, Talk, World, made
from xds.types import CLUSTER, ENDPOINT, ROUTE, TypeUrl

NAMES = tuple(f"n{number}" for number in range(300))


@pytest.fixture
def world() -> World:
    """A View with very many resources of each type."""
    world = World()
    world.put(*(made(kind, name) for kind in (CLUSTER, ENDPOINT, ROUTE) for name in NAMES))
    return world


def ask(talk: Talk, type_url: TypeUrl, *names: str) -> Answer:
    (talk.edit if talk.delta else talk.ask)(type_url, names)
    return talk.listen(type_url)


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize(("type_url", "names"), [(CLUSTER, ()), (CLUSTER, NAMES), (ENDPOINT, NAMES), (ROUTE, NAMES)])
def test_everything_comes_once_and_then_what_changes(
    world: World, type_url: TypeUrl, names: tuple[str, ...], *, delta: bool
) -> None:
    talk = Talk(world, delta)
    first = ask(talk, type_url, *names)
    assert first.resources == {name: f"{name}=1".encode() for name in NAMES}
    talk.ack(first, names)
    assert talk.quiet()
    world.put(made(type_url, "n7", 2))
    second = talk.listen(type_url)
    assert second.resources["n7"] == b"n7=2"
    is_partial = delta or type_url != CLUSTER
    assert len(second.resources) == (1 if is_partial else len(NAMES))
    assert second.version != first.version
    talk.ack(second, names)
    assert talk.quiet()


def test_what_comes_later_is_named_after_all_that_there_is(world: World) -> None:
    before, again = ask(Talk(world, delta=True), ENDPOINT, *NAMES), ask(Talk(world, delta=True), ENDPOINT, *NAMES)
    assert again.version == before.version
    world.put(made(ENDPOINT, "n7", 2))
    changed = ask(Talk(world, delta=True), ENDPOINT, *NAMES)
    assert changed.resources["n7"] == b"n7=2"
    assert changed.version != before.version
    world.put(made(ENDPOINT, "n7"))
    assert ask(Talk(world, delta=True), ENDPOINT, *NAMES).version == before.version


def test_names_beside_those_that_there_are_are_answered_as_well(world: World) -> None:
    answer = ask(Talk(world, delta=True), ENDPOINT, *NAMES, "unknown")
    assert len(answer.resources) == len(NAMES)
    assert answer.removed == ["unknown"]


def test_whoever_wants_less_gets_less(world: World) -> None:
    assert ask(Talk(world, delta=True), ENDPOINT, *NAMES[1:]).names == sorted(NAMES[1:])


def test_refused_resources_are_sent_again_without_the_culprit(world: World) -> None:
    talk = Talk(world, delta=True)
    first = ask(talk, ENDPOINT, *NAMES)
    talk.edit(ENDPOINT, nonce=first.nonce, error="n7 is wrong")
    again = talk.hear()
    assert again is not None
    assert again.names == sorted(set(NAMES) - {"n7"})
