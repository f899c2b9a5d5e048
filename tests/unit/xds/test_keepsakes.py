"""What is used is kept, what is not used for two rounds goes, and only so much is taken."""

from xds.keepsakes import Keepsakes


def opened(capacity: int = 100) -> Keepsakes[str, list[int]]:
    kept: Keepsakes[str, list[int]] = Keepsakes(capacity)
    kept.is_open = True
    return kept


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    kept, used, unused = opened(), [1], [2]
    kept.keep("used", used, 10)
    kept.keep("unused", unused, 10)
    for _ in range(2):
        kept.age()
        assert kept.find("used") is used
    assert kept.find("unused") is None
    kept.age()
    kept.age()
    assert kept.is_empty


def test_nothing_is_taken_while_it_is_closed_but_what_is_there_stays() -> None:
    kept, early = opened(), [1]
    kept.keep("early", early, 10)
    kept.is_open = False
    kept.keep("late", [2], 10)
    assert kept.find("late") is None
    assert kept.find("early") is early


def test_more_than_it_has_room_for_is_not_taken_until_something_has_gone() -> None:
    kept = opened(capacity=100)
    for name in ("a", "b", "c"):
        kept.keep(name, [1], 40)
    assert [name for name in ("a", "b", "c") if kept.find(name)] == ["a", "b"]
    kept.age()
    assert kept.find("a")
    kept.age()
    kept.keep("c", [1], 40)
    assert [name for name in ("a", "b", "c") if kept.find(name)] == ["a", "c"]


def test_something_else_under_the_same_key_takes_the_place() -> None:
    kept, later = opened(capacity=100), [2]
    kept.keep("a", [1], 90)
    kept.keep("a", later, 90)
    assert kept.find("a") is later
