"""A dict in parts is a dict."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.wide import WideDict


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("translator.wide.MANY", 3)
        yield


@given(
    st.dictionaries(st.integers(0, 20), st.text(), max_size=6),
    st.lists(st.tuples(st.integers(0, 20), st.none() | st.text())),
)
def test_whatever_is_done_to_it_it_holds_what_a_dict_would(
    first: dict[int, str], changes: list[tuple[int, str | None]]
) -> None:
    plain, wide = dict(first), WideDict(first)
    for key, value in changes:
        assert (key in wide, wide.get(key)) == (key in plain, plain.get(key))
        if value is not None:
            wide[key] = plain[key] = value
        elif key in plain:
            del wide[key], plain[key]
        else:
            with pytest.raises(KeyError):
                del wide[key]
        assert len(wide) == len(plain)
        assert dict(wide) == plain


def test_no_part_grows_beyond_its_limit_and_room_is_used_again() -> None:
    wide: WideDict[int, int] = WideDict()
    for round_ in range(5):
        for number in range(10):
            wide[round_ * 10 + number] = number
        parts = (wide._first, *wide._further)
        assert [len(part) for part in parts] == [3, 3, 3, 1]
        for number in range(10):
            del wide[round_ * 10 + number]
