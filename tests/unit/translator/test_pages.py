"""Dicts in pages: as a plain dict, and what was kept of them stays as it was."""

from hypothesis import given
from hypothesis import strategies as st

from translator.pages import Members, Pages, Snapshot

KEYS = st.sampled_from([f"key-{number}" for number in range(40)])


@given(st.lists(st.tuples(KEYS, st.none() | st.integers(0, 5), st.booleans())))
def test_snapshots_stay_what_they_are(steps: list[tuple[str, int | None, bool]]) -> None:
    pages: Pages[int] = Pages()
    plain: dict[str, int] = {}
    kept: list[tuple[Snapshot[int], dict[str, int]]] = []
    for key, value, is_kept in steps:
        if value is not None:
            pages.put(key, value)
            plain[key] = value
        elif key in plain:
            pages.drop(key)
            del plain[key]
        if is_kept:
            kept.append((pages.snapshot(), dict(plain)))
    for snapshot, expected in (*kept, (pages.snapshot(), plain)):
        assert {key: snapshot.get(key) for key in snapshot} == expected
    assert {key: pages.get(key) for key in pages} == plain


def test_a_snapshot_is_the_same_until_something_is_different() -> None:
    pages: Pages[int] = Pages()
    pages.put("a", 1)
    before = pages.snapshot()
    assert pages.snapshot() is before
    pages.put("a", 2)
    assert pages.snapshot() is not before


def test_members_come_and_go() -> None:
    members = Members()
    assert members.enlist("host", "a") == ()
    before = members.snapshot()
    assert members.enlist("host", "b") == ("a",)
    assert members.get("host") == ("a", "b")
    assert members.strike("host", "a") == ("b",)
    assert members.strike("host", "b") == ()
    assert list(members) == []
    assert before.get("host") == ("a",)
