"""A ledger tells what a plain dictionary would tell, and shares what is equal."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from xds.ledger import NOTHING_HELD, Holding, Pool, Pools
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


def changes(content: dict[str, int | None]) -> dict[str, Resource | None]:
    return {name: None if value is None else holding({name: value})[name] for name, value in content.items()}


@given(steps)
def test_it_is_a_dictionary(history: list[tuple[str, object]]) -> None:
    pools = Pools()
    ledger, model = NOTHING_HELD, dict[str, Resource]()
    for action, value in history:
        if not isinstance(value, dict):
            model.pop(str(value), None)
            ledger = ledger.altered({str(value): None}, pools)
        elif action == "replace":
            model = dict(holding(value))
            ledger = pools.ledger(holding(value))
        else:
            model |= holding(value)
            ledger = ledger.altered(holding(value), pools)
        assert dict(ledger.content()) == model
        assert sorted(ledger.names()) == sorted(model)
        assert all(ledger.get(name) == model.get(name) for name in ("c0", "c1", "c2"))
        assert ledger.is_empty or model or not list(ledger.names())
        assert ledger.digest == Holding(model).digest


@given(steps)
def test_however_a_client_came_to_what_it_holds_it_is_one_object(history: list[tuple[str, object]]) -> None:
    pools = Pools()
    ledger = pools.ledger(holding({"c0": 1, "c1": 1}))
    for _, value in history:
        if isinstance(value, dict):
            ledger = ledger.altered(holding(value), pools)
        else:
            ledger = ledger.altered({str(value): None}, pools)
    other = pools.ledger(Holding(ledger.content()))
    assert other is ledger
    # From what another client had when it came, in one step.
    first = pools.ledger(holding({"c1": 2, "c59": 0}))
    wanted: dict[str, Resource | None] = {**dict.fromkeys(first.names()), **ledger.content()}
    assert first.altered(wanted, pools) is ledger


def test_what_is_shared_is_never_altered() -> None:
    pools = Pools()
    shared = holding({"c0": 1})
    ledger = pools.ledger(shared)
    ledger.altered(changes({"c1": 1, "c0": None}), pools)
    assert shared == holding({"c0": 1})
    assert ledger.content() == shared


def test_ledgers_of_other_content_are_others() -> None:
    pools = Pools()
    ledgers = [pools.ledger(holding(content)) for content in ({}, {"c0": 1}, {"c0": 2}, {"c1": 1})]
    assert len(set(ledgers)) == len(ledgers)
    assert ledgers[1].altered(changes({"c0": 2}), pools) is ledgers[2]
    assert ledgers[1] != holding({"c0": 1})


@given(st.dictionaries(names, st.integers(0, 2)), st.dictionaries(names, st.none() | st.integers(0, 2)))
def test_what_is_altered_has_the_digest_of_its_content(
    before: dict[str, int], alterations: dict[str, int | None]
) -> None:
    content = {name: value for name, value in {**before, **alterations}.items() if value is not None}
    altered = holding(before).altered(changes(alterations))
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
