"""A ledger tells what a plain dictionary would tell, and shares what is equal."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from xds.ledger import Holding, Ledger, Pool
from xds.resource import Resource
from xds.types import CLUSTER

names = st.sampled_from([f"c{number}" for number in range(60)])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.dictionaries(names, st.integers(0, 2), max_size=50)),
        st.tuples(st.just("replace"), st.dictionaries(names, st.integers(0, 2), max_size=50)),
        st.tuples(st.just("drop"), names),
    ),
    max_size=30,
)


def holding(content: dict[str, int]) -> Holding:
    return Holding((name, Resource(CLUSTER, name, b"%d" % value)) for name, value in content.items())


@given(steps)
def test_it_is_a_dictionary(history: list[tuple[str, object]]) -> None:
    ledger, model = Ledger(Pool()), dict[str, Resource]()
    for action, value in history:
        if isinstance(value, dict):
            new = holding(value)
            if action == "replace":
                model = dict(new)
                ledger.replace(new)
            else:
                model |= new
                ledger.merge(new)
        else:
            model.pop(str(value), None)
            ledger.drop(str(value))
        assert dict(ledger.content()) == model
        assert sorted(ledger.names()) == sorted(model)
        assert all(ledger.get(name) == model.get(name) for name in ("c0", "c1", "c2"))
        assert ledger.is_empty or model or not list(ledger.names())


def test_what_is_shared_is_never_altered() -> None:
    shared = holding({"c0": 1})
    ledger = Ledger(Pool())
    ledger.replace(shared)
    ledger.merge(holding({"c1": 1}))
    ledger.drop("c0")
    assert shared == holding({"c0": 1})


@given(st.dictionaries(names, st.integers(0, 2)), st.dictionaries(names, st.none() | st.integers(0, 2)))
def test_what_is_altered_has_the_digest_of_its_content(before: dict[str, int], changes: dict[str, int | None]) -> None:
    content = {name: value for name, value in {**before, **changes}.items() if value is not None}
    altered = holding(before).altered(
        {name: None if value is None else holding({name: value})[name] for name, value in changes.items()}
    )
    assert altered == holding(content)
    assert altered.digest == holding(content).digest
    assert hash(altered) == hash(holding(content))


def test_a_digest_tells_contents_apart() -> None:
    contents = [{}, {"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]
    assert len({holding(content).digest for content in contents}) == len(contents)


def test_a_pool_gives_back_the_living_equal() -> None:
    pool: Pool[frozenset[str]] = Pool()
    first = pool.shared(frozenset({"a", "b"}))
    assert pool.shared(frozenset({"b", "a"})) is first
    assert pool.shared(frozenset({"c"})) is not first


def test_a_pool_keeps_nothing_alive() -> None:
    pool: Pool[Holding] = Pool()
    one = pool.shared(holding({"c0": 1}))
    assert len(pool) == 1
    del one
    gc.collect()
    assert len(pool) == 0
