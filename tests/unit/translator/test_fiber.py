"""Work in turns comes to the same as work at a stretch, whatever is written between two turns."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.cells import Cells as NamedIntegers
from translator.collection import Collection
from translator.engine import Query, QueryCycleError, QueryFailedError, query
from translator.fiber import Fiber, always, never
from translator.node import Node

NAMES = "abcdef"


@pytest.fixture(autouse=True, scope="module")
def smallest_steps() -> Iterator[None]:
    """Everything that is done in steps can be interrupted at every one, and few are as many as thousands elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("translator.release._BREATH", 1)
        patch.setattr("translator.release._AT_ONCE", 1)
        patch.setattr("translator.engine._PACE", 1)
        patch.setattr("translator.remains._FEW", 1)
        for module in ("engine", "node", "wide"):
            patch.setattr(f"translator.{module}.MANY", 2)
        yield


class Cells(NamedIntegers):
    """An engine that can be interrupted at every read of a query."""

    breath = 1


class Root:
    """Keeps results up to date in turns, as a View does; a watcher."""

    def __init__(self, cells: Cells, *wanted: tuple[Query[Cells, Any, Any], tuple[Any, ...]]) -> None:
        self.cells = cells
        self.found: dict[Node, object] = {}
        self.nodes = [cells.watch(function, args, self) for function, args in wanted]
        self.stale = dict.fromkeys(self.nodes)
        self.fiber: Fiber | None = None

    def invalidated(self, node: Node) -> None:
        self.stale[node] = None

    def step(self, is_due: Callable[[], bool] = always) -> bool:
        """Work for a turn; returns whether there is nothing left to do."""
        if self.stale or self.fiber is not None:
            fiber = self.fiber = self.fiber or Fiber(self._catch_up)
            try:
                self.cells.step(fiber, is_due)
            finally:
                if fiber.is_over:
                    self.fiber = None
        return not self.stale and self.fiber is None

    def finish(self) -> list[object]:
        """Work until nothing is left to do."""
        while not self.step():
            pass
        return [self.found[node] for node in self.nodes]

    def close(self) -> None:
        if self.fiber is not None:
            self.cells.abandon(self.fiber)
            self.fiber = None
        self.cells.put_off_unwatching(self.nodes, self)

    def _catch_up(self) -> None:
        while self.stale:
            node = next(iter(self.stale))
            del self.stale[node]
            self.found[node] = answer(partial(self.cells.pull, node))
            self.cells.breathe()


def answer(ask: Callable[[], object]) -> object:
    """What a query comes to, or that it fails."""
    try:
        return ask()
    except QueryFailedError:
        return "failed"


@query
def tree(cells: Cells, depth: int, position: int) -> int:
    """A tree of sums whose shape depends on the values; fails for 7."""
    value = cells.read(NAMES[position % len(NAMES)])
    if value == 7:
        raise ValueError(position)
    if depth == 0:
        return value % 3
    left = tree(cells, depth - 1, position + 1)
    return left if value % 2 else (left + tree(cells, depth - 1, position + value)) % 5


@query
def positions(cells: Cells, depth: int) -> tuple[int, ...]:
    """The keys of the collection: they come and go."""
    return tuple(each for each, name in enumerate(NAMES) if cells.read(name) % 3)


@query
def branch(cells: Cells, position: int, depth: int) -> int:
    """The value of a key. What fails would keep the value before, which a fresh engine cannot know."""
    try:
        return tree(cells, depth, position)
    except QueryFailedError:
        return -1


class Sums:
    """Puts the values side by side."""

    def __init__(self, depth: int) -> None:
        self._values: dict[int, int] = {}

    def put(self, key: int, value: int) -> None:
        self._values[key] = value

    def drop(self, key: int) -> None:
        del self._values[key]

    def work(self) -> Iterator[None]:
        yield

    def result(self) -> tuple[tuple[int, int], ...]:
        return tuple(sorted(self._values.items()))


sums = Collection(positions, branch, Sums)


@query
def total(cells: Cells, names: tuple[str, ...]) -> int:
    """Pauses between reads that are no queries."""
    return sum(cells.read(name) for name in cells.paced(names))


def positions_of(cells: Cells, depth: int) -> tuple[str, ...]:
    """The names of the keys."""
    return tuple(NAMES[each] for each in positions(cells, depth))


@query
def overview(cells: Cells, depth: int) -> tuple[object, ...]:
    """Depends on the collection and on pieces of it."""
    return (*sums(cells, depth), tree(cells, depth, 2), total(cells, positions_of(cells, depth)))


@query
def ring(cells: Cells, position: int) -> int:
    """Every position needs the next: nobody can begin."""
    return cells.read(NAMES[position % 3]) + ring(cells, (position + 1) % 3)


WANTED: tuple[tuple[Query[Cells, Any, Any], tuple[Any, ...]], ...] = (
    (overview, (3,)),
    (tree, (4, 0)),
    (sums, (2,)),
)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("step"), st.integers(0, 2), st.integers(0, 6)),
    st.tuples(st.just("close"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("sweep"), st.just(0), st.integers(0, 3)),
    st.tuples(st.just("ask"), st.integers(0, 2), st.just(0)),
)


def after(turns: int) -> Callable[[], bool]:
    """A turn that is over when it was asked so often."""
    left = [turns]

    def is_due() -> bool:
        left[0] -= 1
        return left[0] < 0

    return is_due


@given(st.lists(ACTIONS, max_size=60))
def test_any_interleaving_ends_where_a_fresh_engine_starts(actions: list[tuple[str, Any, int]]) -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    roots = [Root(cells, *WANTED[: 3 - each]) for each in range(3)]
    for action, which, number in actions:
        if action == "write":
            cells.write(**{which: number})
        elif action == "step":
            roots[which].step(after(number))
        elif action == "close":
            roots[which].close()
            roots[which] = Root(cells, *WANTED[: 3 - which])
        elif action == "sweep":
            cells.sweep(after(number))
        else:
            function, args = WANTED[which]
            fresh = Cells(**cells.values)
            assert answer(lambda: function(cells, *args)) == answer(lambda: function(fresh, *args))  # noqa: B023
            cells.release_unused()
    fresh = Cells(**cells.values)
    expected = [answer(lambda: function(fresh, *args)) for function, args in WANTED]  # noqa: B023
    for each, root in enumerate(roots):
        assert root.finish() == expected[: 3 - each]
    for root in roots:
        root.close()
    cells.release_unused()
    cells.sweep()
    assert len(cells) == 0
    assert not any(cells.is_read(name) for name in NAMES)


def test_work_stops_in_the_middle_of_a_query_and_goes_on_there() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    root = Root(cells, (tree, (4, 0)))
    turns = 1
    while not root.step():
        turns += 1
    assert turns > 5
    assert root.found[root.nodes[0]] == tree(Cells(**cells.values), 4, 0)
    assert cells.runs == _runs_at_a_stretch(cells)


def _runs_at_a_stretch(cells: Cells) -> object:
    other = Cells(**cells.values)
    tree(other, 4, 0)
    return other.runs


def test_a_write_that_concerns_nothing_read_so_far_costs_nothing() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 1), z=1)
    root = Root(cells, (tree, (4, 0)))
    root.step()
    cells.write(z=2)
    root.finish()
    assert cells.runs == _runs_at_a_stretch(cells)


def test_one_piece_of_work_waits_for_another_that_is_at_the_same_query() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    slow, urgent = Root(cells, (tree, (4, 0))), Root(cells, (tree, (4, 0)))
    slow.step()
    assert urgent.finish() == slow.finish()
    assert cells.runs == _runs_at_a_stretch(cells)


def test_what_is_asked_for_directly_does_not_wait_for_turns() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    root = Root(cells, (tree, (4, 0)))
    root.step()
    assert tree(cells, 4, 0) == root.finish()[0]


def test_a_cycle_across_two_pieces_of_work_is_an_error() -> None:
    cells = Cells(a=1, b=1, c=1)
    one, other = Root(cells, (ring, (0,))), Root(cells, (ring, (1,)))

    def alternate() -> None:
        for _ in range(20):
            one.step()
            other.step()

    with pytest.raises(QueryCycleError):
        alternate()


def test_a_failure_of_the_work_itself_is_told_to_whoever_drives_it() -> None:
    cells = Cells(a=1, b=1, c=1)
    root = Root(cells, (ring, (0,)))
    with pytest.raises(QueryCycleError):
        root.step(never)
    assert root.fiber is None


def test_one_piece_of_work_after_the_other_keeps_nothing_of_the_one_before() -> None:
    class Piece:
        """Work of two turns."""

        def __init__(self) -> None:
            self.is_done = False

        def do(self) -> None:
            cells.breathe()
            self.is_done = True

    def fail() -> None:
        raise ArithmeticError

    cells = Cells()
    for _ in range(3):
        piece = Piece()
        fiber = Fiber(piece.do)
        cells.step(fiber, always)
        was_over = fiber.is_over
        cells.step(fiber, never)
        assert (was_over, fiber.is_over, piece.is_done) == (False, True, True)
        gone = ref(piece)
        del piece, fiber
        assert gone() is None
        with pytest.raises(ArithmeticError):
            cells.step(Fiber(fail), never)


def test_abandoned_work_leaves_nothing_behind() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    root = Root(cells, (tree, (4, 0)))
    root.step()
    root.step()
    root.close()
    cells.release_unused()
    cells.sweep()
    assert len(cells) == 0
    assert tree(cells, 4, 0) == tree(Cells(**cells.values), 4, 0)


@query
def fickle(cells: Cells) -> int:
    """Reads a result directly or through another query."""
    return parity(cells) if cells.read("a") else 0


@query
def parity(cells: Cells) -> int:
    """Shared by two queries."""
    return cells.read("b") % 2


@query
def both(cells: Cells) -> tuple[int, int]:
    """Reads what the next query is about to give up."""
    return parity(cells) if cells.read("c") else 0, fickle(cells)


def test_a_result_that_one_query_gives_up_while_another_takes_it_stays_current() -> None:
    cells = Cells(a=1, b=1, c=0)
    root = Root(cells, (both, ()))
    assert root.finish() == [(0, 1)]
    cells.write(a=0, c=1)
    assert root.finish() == [(1, 0)]
    cells.write(b=2)
    assert root.finish() == [(0, 0)]


def test_what_nobody_needs_is_dropped_in_turns() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    root = Root(cells, (tree, (4, 0)))
    root.finish()
    sizes = [len(cells)]
    root.close()
    while not cells.sweep(always):
        sizes.append(len(cells))
    assert len(sizes) > sizes[0]
    assert sizes == sorted(sizes, reverse=True)
    assert len(cells) == 0
    assert not any(cells.is_read(name) for name in NAMES)


@pytest.mark.parametrize("turns", range(40))
def test_what_is_needed_again_before_it_is_dropped_lives_on(turns: int) -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    gone = Root(cells, (tree, (4, 0)))
    gone.finish()
    gone.close()
    for _ in range(turns):
        cells.sweep(always)
    root = Root(cells, (tree, (4, 0)))
    root.finish()
    cells.sweep()
    cells.write(a=3, c=4)
    assert root.finish() == [tree(Cells(**cells.values), 4, 0)]
    root.close()
    cells.sweep()
    assert len(cells) == 0


def test_what_is_put_off_is_not_made_again_when_it_is_needed_again() -> None:
    cells = Cells(**dict.fromkeys(NAMES, 2))
    gone = Root(cells, (tree, (4, 0)))
    gone.finish()
    gone.close()
    root = Root(cells, (tree, (4, 0)))
    root.finish()
    cells.sweep()
    assert cells.runs == _runs_at_a_stretch(cells)
