"""Who gets a name or a domain, in whatever order those come and go who want it."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from translator.routes.register import Bid, DomainRegister, Rank


def bid(position: int, name: str, domains: Iterable[str], derived: Iterable[str] = ()) -> Bid:
    rank: Rank = (0, (position,), 0, 0, 0, "")
    return Bid(rank, name, tuple(domains), frozenset(derived))


def register(*bids: Bid, hostnames: Iterable[str] = ()) -> DomainRegister:
    made = DomainRegister()
    for hostname in hostnames:
        made.reserve(hostname)
    for each in bids:
        made.add(each)
    return made


def test_case_03_the_first_gets_a_name_and_the_real_name_beats_derived_ones() -> None:
    first = bid(1, "test.default:80", ("test.default", "test", "short"), ("test", "short"))
    second = bid(2, "test:80", ("test", "test.", "short"))
    made = register(second, first, hostnames=("test.default", "test"))
    assert made.domains(first) == ("test.default", "short")
    assert made.domains(second) == ("test", "test.")


def test_case_07_a_derived_name_with_a_port_yields_too() -> None:
    only = bid(1, "a:80", ("test:80", "b:80"), ("test:80", "b:80"))
    made = register(only)
    assert made.domains(only) == ("test:80", "b:80")
    made.reserve("test")
    assert made.domains(only) == ("b:80",)
    made.free("test")
    assert made.domains(only) == ("test:80", "b:80")


def test_case_08_a_name_is_given_once() -> None:
    first, second, third = bid(1, "a:80", "a"), bid(2, "a:80", "b"), bid(3, "b:80", "ab")
    made = register(third, second, first)
    assert [made.domains(each) for each in (first, second, third)] == [("a",), (), ("b",)]
    made.remove(first)
    assert [made.domains(each) for each in (first, second, third)] == [(), ("b",), ("a",)]


def test_the_host_that_matches_everything_is_kept_for_unknown_ones() -> None:
    only = bid(1, "x:80", "*a")
    assert register(only).domains(only) == ("a",)


def test_only_those_that_a_change_concerns_are_named() -> None:
    first, second, other = bid(1, "a:80", "ab"), bid(2, "b:80", "bc"), bid(3, "d:80", "d")
    made = register(first, second, other)
    assert set(made.take_changed()) == {first, second, other}
    assert not made.take_changed()
    made.remove(first)
    assert set(made.take_changed()) == {first, second}


DOMAINS = st.lists(st.sampled_from(["*", "a", "b", "c", "a:1", "b:1", "[::1]"]), min_size=1, max_size=4, unique=True)
BIDS = st.builds(
    lambda position, name, domains, derived: bid(position, name, domains, set(domains) & set(derived)),
    st.integers(0, 1000),
    st.sampled_from("xyz"),
    DOMAINS,
    DOMAINS,
)


@given(st.lists(BIDS, max_size=8, unique_by=lambda each: each.rank), st.data())
def test_what_is_held_depends_on_who_is_there_alone(bids: list[Bid], data: st.DataObject) -> None:
    made = DomainRegister()
    there: list[Bid] = []
    real: set[str] = set()
    shown: dict[Bid, tuple[str, ...]] = {}
    for _ in range(data.draw(st.integers(0, 12))):
        action = data.draw(st.sampled_from(["add", "remove", "reserve", "free"]))
        absent = [each for each in bids if each not in there]
        if action == "add" and absent:
            there.append(data.draw(st.sampled_from(absent)))
            made.add(there[-1])
        elif action == "remove" and there:
            made.remove(there.pop(data.draw(st.integers(0, len(there) - 1))))
        elif action == "reserve":
            real.add(data.draw(st.sampled_from("abc")))
            for hostname in real:
                made.reserve(hostname)
        elif action == "free" and real:
            made.free(real.pop())
        shown.update((each, made.domains(each)) for each in made.take_changed())
        fresh = register(*there, hostnames=real)
        expected = {each: fresh.domains(each) for each in there}
        assert {each: made.domains(each) for each in there} == expected
        assert {each: shown.get(each, ()) for each in there} == expected
        taken = [domain for domains in expected.values() for domain in domains]
        assert len(set(taken)) == len(taken)
