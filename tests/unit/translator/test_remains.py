"""What goes leaves nothing behind, and takes nothing with it that others use."""

from weakref import ref

import pytest

from tests.unit.translator.cells import Cells
from translator.engine import query
from translator.remains import dismantle


class Thing:
    """Something of which can be seen whether it is gone."""


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
