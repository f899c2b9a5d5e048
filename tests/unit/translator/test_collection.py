"""Collections: kept up to date key by key, and always what a fresh engine would make of it."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.cells import Cells as NamedIntegers
from tests.unit.translator.cells import Notes
from translator.collection import Collection
from translator.engine import QueryFailedError, query
from translator.node import find_culprit, find_flaws


class Cells(NamedIntegers):
    """Integers that come and go; the keys of the collection are the names with an even number of letters."""

    def names(self) -> tuple[str, ...]:
        self.record("")
        return tuple(sorted(self.values))

    def write(self, **values: int | None) -> None:
        before = self.values.keys()
        merged = {**self.values, **values}
        self.values = {name: value for name, value in merged.items() if value is not None}
        self.invalidate([*values, ""] if self.values.keys() != before else values)


@query
def present(cells: Cells, divisor: int) -> tuple[str, ...]:
    """The keys."""
    return cells.names()


@query
def quotient(cells: Cells, name: str, divisor: int) -> int:
    """The value of a key; fails for 13."""
    value = cells.read(name)
    if value == 13:
        raise ValueError(name)
    return value // divisor


class Texts:
    """Joins the values in order of their keys, and remembers what it was asked to do."""

    def __init__(self, divisor: int) -> None:
        self._values: dict[str, int] = {}

    def put(self, key: str, value: int) -> None:
        LOG.append(key)
        self._values[key] = value

    def drop(self, key: str) -> None:
        LOG.append(f"-{key}")
        del self._values[key]

    def work(self) -> Iterator[None]:
        yield

    def result(self) -> str:
        return " ".join(f"{key}{value}" for key, value in sorted(self._values.items()))


LOG: list[str] = []
joined = Collection(present, quotient, Texts)


@query
def shouted(cells: Cells, divisor: int) -> str:
    """Depends on the collection."""
    return joined(cells, divisor).upper()


@pytest.fixture(autouse=True)
def log() -> Iterable[None]:
    LOG.clear()
    yield
    LOG.clear()


def test_a_change_costs_its_own_key() -> None:
    cells = Cells(a=10, b=20, c=30)
    assert shouted(cells, 10) == "A1 B2 C3"
    LOG.clear()
    cells.write(b=50)
    assert shouted(cells, 10) == "A1 B5 C3"
    assert LOG == ["b"]


def test_keys_come_and_go() -> None:
    cells = Cells(a=10, b=20)
    joined(cells, 10)
    LOG.clear()
    cells.write(c=30, a=None)
    assert joined(cells, 10) == "b2 c3"
    assert LOG == ["-a", "c"]


def test_an_equal_value_stops_there() -> None:
    cells = Cells(a=10, b=20)
    shouted(cells, 10)
    LOG.clear()
    cells.runs.clear()
    cells.write(b=29)
    assert shouted(cells, 10) == "A1 B2"
    assert LOG == []
    assert cells.runs == {quotient.name: 1}


def test_an_equal_result_stops_there() -> None:
    cells = Cells(a=10)
    shouted(cells, 10)
    cells.runs.clear()
    cells.write(b=None, c=None)
    cells.write(a=19)
    assert shouted(cells, 10) == "A1"
    assert cells.runs[shouted.name] == 0


def test_a_failing_value_keeps_the_one_before_and_is_told() -> None:
    cells = Cells(a=10, b=20, c=30)
    node = cells.watch(shouted, (10,), Notes())
    assert cells.pull(node) == "A1 B2 C3"
    cells.write(b=13, c=40)
    assert cells.pull(node) == "A1 B2 C4"
    ((key, failed),) = find_flaws(node)
    assert key == "b"
    assert isinstance(failed.error, QueryFailedError)
    assert isinstance(failed.error.__cause__, ValueError)
    assert find_culprit(failed) is failed
    cells.runs.clear()
    cells.write(b=50)
    assert cells.pull(node) == "A1 B5 C4"
    assert cells.runs[quotient.name] == 1
    assert not list(find_flaws(node))


def test_a_value_that_never_was_is_left_out_until_it_is_mended() -> None:
    cells = Cells(a=10, b=13)
    node = cells.watch(shouted, (10,), Notes())
    assert cells.pull(node) == "A1"
    assert [key for key, _ in find_flaws(node)] == ["b"]
    cells.write(b=20)
    assert cells.pull(node) == "A1 B2"
    cells.write(b=13, c=13)
    assert cells.pull(node) == "A1 B2"
    cells.write(b=None, c=None)
    assert cells.pull(node) == "A1"
    assert not list(find_flaws(node))


def test_origins_are_those_of_all_values() -> None:
    cells = Cells(a=10, b=20)
    node = cells.watch(joined, (10,), Notes())
    cells.pull(node)
    cells.write(c=30, a=None)
    cells.pull(node)
    assert sorted(map(str, cells.origins(node))) == ["", "b", "c"]


def test_nothing_is_left_when_nobody_needs_it() -> None:
    cells, notes = Cells(a=10, b=20), Notes()
    node = cells.watch(shouted, (10,), notes)
    cells.pull(node)
    cells.write(c=30, a=None)
    cells.pull(node)
    assert notes.nodes == [node]
    cells.unwatch(node, notes)
    assert len(cells) == 0


WRITES = st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 40), st.just(13)), min_size=1)


@given(st.lists(st.tuples(WRITES, st.booleans()), max_size=25))
def test_any_history_ends_where_a_fresh_engine_starts(history: list[tuple[dict[str, int | None], bool]]) -> None:
    cells, notes = Cells(a=1, b=2), Notes()
    node = cells.watch(shouted, (7,), notes)
    kept: dict[str, int] = {}
    for writes, asked in [*history, ({}, True)]:
        cells.write(**writes)
        if asked:
            # What fails has the value that it had when it was last asked for, if it was there all the time.
            kept = {name: kept.get(name, 13) if value == 13 else value for name, value in cells.values.items()}
            expected = Cells(**{name: value for name, value in kept.items() if value != 13})
            assert shouted(cells, 7) == shouted(expected, 7)
            cells.release_unused()
    cells.unwatch(node, notes)
    cells.release_unused()
    assert len(cells) == 0
