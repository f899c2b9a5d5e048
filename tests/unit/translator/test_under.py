"""A collection that lies over another one: it has a say about its own keys, the one below about all others."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.cells import Notes
from tests.unit.translator.test_collection import Cells, Texts, joined, quotient
from translator.collection import Collection, Under
from translator.engine import query
from translator.node import find_flaws


@query
def capital(cells: Cells, divisor: int) -> tuple[str, ...]:
    """The keys above: those of values over a hundred."""
    return tuple(name for name in cells.names() if cells.read(name) > 100)


class Over(Texts):
    """What lies above in front of what lies below."""

    def lay_over(self, below: str) -> None:
        """Take in what is below."""
        self._below = below

    def result(self) -> str:
        """Both texts."""
        return f"{super().result()} | {self._below}"


layered = Collection(capital, quotient, Over, Under(joined, lambda divisor: (divisor * 10,)))


@query
def told(cells: Cells, divisor: int) -> str:
    """Depends on the collection."""
    return layered(cells, divisor)


def test_both_are_kept_up_to_date() -> None:
    cells = Cells(a=10, b=200)
    assert layered(cells, 1) == "b200 | a1 b20"
    cells.write(a=20)
    assert layered(cells, 1) == "b200 | a2 b20"
    cells.write(b=300)
    assert layered(cells, 1) == "b300 | a2 b30"
    cells.write(c=400)
    assert layered(cells, 1) == "b300 c400 | a2 b30 c40"
    cells.write(b=None)
    assert layered(cells, 1) == "c400 | a2 c40"


def test_what_is_covered_is_no_origin_and_no_flaw() -> None:
    cells = Cells(a=10, b=200, c=13)
    node = cells.watch(told, (1,), Notes())
    cells.pull(node)
    assert [key for key, _ in find_flaws(node)] == ["c"]
    collected = cells.node(layered, (1,)).collected
    assert collected is not None
    assert [item.args for item in collected.covered()] == [("b", 10)]
    assert set(cells.origins(node)) == {"", "a", "b", "c"}


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.none() | st.sampled_from([1, 50, 150, 250]), min_size=1)))
def test_after_any_history_it_is_what_a_fresh_engine_makes(changes: list[dict[str, int | None]]) -> None:
    cells = Cells()
    node = cells.watch(told, (1,), Notes())
    for change in changes:
        cells.write(**change)
        assert cells.pull(node) == told(Cells(**cells.values), 1)
