"""What goes leaves nothing behind, and takes nothing with it that others use."""

from itertools import pairwise
from weakref import WeakSet, ref

import pytest

from tests.unit.translator.cells import Cells
from translator.engine import query
from translator.node import Node
from translator.remains import dismantle


class Thing:
    """Something of which can be seen whether it is gone."""

    def __init__(self, number: int = 0) -> None:
        self.number = number


# What has been made of them and is not gone.
LIVING: WeakSet[Thing] = WeakSet()


class Watching:
    """Whom nothing of it concerns."""

    def invalidated(self, node: Node) -> None:
        """See ``Watcher.invalidated``."""


class Holder:
    """An object whose attributes hold many."""

    def __init__(self, things: list[Thing]) -> None:
        self.nested = {number: (thing, [thing]) for number, thing in enumerate(things)}


@query
def many(cells: Cells) -> tuple[tuple[str, int], ...]:
    """A large result."""
    return tuple((f"{number}", cells.read("a")) for number in range(1_000))


def test_everything_goes_step_by_step() -> None:
    things = [Thing() for _ in range(1_000)]
    alive = [ref(thing) for thing in things]
    holder = Holder(things)
    remains: list[object] = [holder]
    del things, holder
    most = 0
    before = len(alive)
    for _ in dismantle(remains):
        left = sum(each() is not None for each in alive)
        most, before = max(most, before - left), left
    assert before == 0
    assert most <= 1


def test_what_others_use_stays_whole() -> None:
    shared = [Thing() for _ in range(10)]
    remains: list[object] = [(shared, Thing())]
    for _ in dismantle(remains):
        pass
    assert len(shared) == 10


def test_much_that_is_given_up_is_left_to_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translator.release._AT_ONCE", 10)
    cells = Cells(a=1)
    many(cells)
    cells.release_unused()
    assert not cells.is_swept
    steps = 0

    def is_due() -> bool:
        nonlocal steps
        steps += 1
        return True

    while not cells.sweep(is_due):
        pass
    assert steps > 1_000 // 32
    assert len(cells) == 0
    assert not cells.is_read("a")


def test_what_a_large_result_was_made_of_goes_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("translator.release._BREATH", 1)
    monkeypatch.setattr("translator.release._AT_ONCE", 1)
    cells = Cells(a=1)
    watcher = Watching()
    nodes = [cells.watch(made_of_many, (), watcher)]
    assert cells.pull(nodes[0]) == 1_000
    cells.put_off_unwatching(nodes, watcher)
    del nodes
    counts = [len(LIVING)]
    while not cells.sweep(lambda: True):
        counts.append(len(LIVING))
    assert counts[0] == 1_000
    assert len(LIVING) == 0
    assert max(before - after for before, after in pairwise([*counts, 0])) <= 1


def test_a_little_that_is_given_up_goes_at_once() -> None:
    cells = Cells(a=1)
    little(cells)
    cells.release_unused()
    assert cells.is_swept
    assert len(cells) == 0


@query
def little(cells: Cells) -> int:
    """A small result."""
    return cells.read("a")


@query
def one(cells: Cells, number: int) -> Thing:
    """One of very many."""
    thing = Thing(cells.read("a") + number)
    LIVING.add(thing)
    return thing


@query
def made_of_many(cells: Cells) -> int:
    """A small result that needs very many."""
    return sum(isinstance(one(cells, number), Thing) for number in range(1_000))
