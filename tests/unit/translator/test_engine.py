"""The engine: memoisation, early cut-off, exact invalidation, failures as values, provenance, release."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.cells import Cells, Notes
from translator.engine import QueryCycleError, QueryFailedError, query


@query
def parity(cells: Cells, name: str) -> int:
    """Whether a cell is odd."""
    return cells.read(name) % 2


@query
def summary(cells: Cells, *names: str) -> str:
    """A text over the parities of several cells."""
    return "".join(str(parity(cells, name)) for name in names)


@query
def chosen(cells: Cells) -> int:
    """The cell that another cell points to: dependencies differ from run to run."""
    return cells.read("b" if cells.read("switch") else "a")


@query
def fragile(cells: Cells) -> float:
    """Fails while the cell is zero."""
    return 1 / cells.read("a")


@query
def on_fragile(cells: Cells) -> float:
    """Depends on a query that may fail."""
    return fragile(cells) + 1


@query
def endless(cells: Cells) -> int:
    """Depends on itself."""
    return endless(cells) + 1


def runs(cells: Cells, function: Callable[..., object]) -> int:
    """How often a query ran."""
    return cells.runs[getattr(function, "name", "")]


def test_equal_inputs_are_evaluated_once() -> None:
    cells = Cells(a=1, b=2)
    assert summary(cells, "a", "b") == "10"
    assert summary(cells, "a", "b") == "10"
    assert (runs(cells, summary), runs(cells, parity)) == (1, 2)


def test_an_equal_result_stops_there() -> None:
    cells = Cells(a=1, b=2)
    summary(cells, "a", "b")
    cells.write(a=3)
    assert summary(cells, "a", "b") == "10"
    assert (runs(cells, summary), runs(cells, parity)) == (1, 3)


def test_only_dependents_of_the_change_run_again() -> None:
    cells = Cells(a=1, b=2)
    summary(cells, "a", "b")
    parity(cells, "b")
    cells.write(a=2)
    assert summary(cells, "a", "b") == "00"
    assert (runs(cells, summary), runs(cells, parity)) == (2, 3)


def test_dependencies_follow_what_was_really_read() -> None:
    cells = Cells(switch=0, a=10, b=20)
    assert chosen(cells) == 10
    cells.write(b=21)
    assert chosen(cells) == 10
    assert runs(cells, chosen) == 1
    cells.write(switch=1)
    assert chosen(cells) == 21
    cells.write(a=11)
    assert chosen(cells) == 21
    assert runs(cells, chosen) == 2


def test_a_failure_is_kept_and_ends_when_its_input_changes() -> None:
    cells = Cells(a=0)
    for _ in range(2):
        with pytest.raises(QueryFailedError, match="fragile") as failure:
            on_fragile(cells)
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert runs(cells, fragile) == 1
    cells.write(a=1)
    assert on_fragile(cells) == 2


def test_a_cycle_is_an_error_and_not_an_endless_recursion() -> None:
    with pytest.raises(QueryCycleError):
        endless(Cells())


def test_a_watcher_is_told_once_until_it_pulls() -> None:
    cells, notes = Cells(a=1, b=1), Notes()
    node = cells.watch(summary, ("a", "b"), notes)
    assert cells.pull(node) == "11"
    cells.write(a=2)
    cells.write(b=2)
    assert notes.nodes == [node]
    assert cells.pull(node) == "00"
    cells.write(a=1)
    assert notes.nodes == [node, node]


def test_origins_are_all_inputs_each_once() -> None:
    cells, notes = Cells(a=1, b=1, c=1), Notes()
    node = cells.watch(summary, ("a", "b", "a"), notes)
    cells.pull(node)
    assert sorted(map(str, cells.origins(node))) == ["a", "b"]


def test_what_nobody_needs_is_dropped() -> None:
    cells, notes = Cells(a=1, b=1), Notes()
    node = cells.watch(summary, ("a", "b"), notes)
    other = cells.watch(parity, ("a",), notes)
    cells.pull(node)
    cells.pull(other)
    assert len(cells) == 3
    cells.unwatch(node, notes)
    assert len(cells) == 1
    cells.unwatch(other, notes)
    assert len(cells) == 0


def test_results_asked_for_from_outside_stay_until_released() -> None:
    cells = Cells(a=1, b=1)
    summary(cells, "a", "b")
    assert len(cells) == 3
    cells.release_unused()
    assert len(cells) == 0


def test_keyword_arguments_are_refused_because_they_would_split_the_memory() -> None:
    with pytest.raises(TypeError, match="positional"):
        parity(Cells(a=1), name="a")


@query
def tree(cells: Cells, depth: int, position: int) -> int:
    """A tree of sums whose shape depends on the values: the hardest case for recorded dependencies."""
    value = cells.read("abcdef"[position % 6])
    if depth == 0:
        return value % 3
    left = tree(cells, depth - 1, position + 1)
    return left if value % 2 else (left + tree(cells, depth - 1, position + value)) % 5


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=25), st.integers(1, 4))
def test_any_history_ends_where_a_fresh_engine_starts(writes: list[tuple[str, int]], depth: int) -> None:
    cells = Cells(**dict.fromkeys("abcdef", 1))
    notes = Notes()
    node = cells.watch(tree, (depth, 0), notes)
    for position, (name, value) in enumerate(writes):
        cells.write(**{name: value})
        if position % 3:
            assert cells.pull(node) == tree(Cells(**cells.values), depth, 0)
    assert cells.pull(node) == tree(Cells(**cells.values), depth, 0)
    cells.unwatch(node, notes)
    assert len(cells) == 0
