"""Durations as Go and protobuf spell them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.objects.duration import Duration

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1s", SECOND),
        ("1.5s", 3 * SECOND // 2),
        (".5s", SECOND // 2),
        ("1.s", SECOND),
        ("100ms", SECOND // 10),
        ("1h30m", 5400 * SECOND),
        ("2h45m30.5s", 9930 * SECOND + SECOND // 2),
        ("1us", 1_000),
        ("1\N{MICRO SIGN}s", 1_000),
        ("1\N{GREEK SMALL LETTER MU}s", 1_000),
        ("7ns", 7),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("-1.5h", -5400 * SECOND),
        ("+5s", 5 * SECOND),
        ("3.000000001s", 3 * SECOND + 1),
    ],
)
def test_every_form_that_go_accepts_is_read(text: str, nanoseconds: int) -> None:
    assert Duration.parse(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "-", "5", "1", "s", ".s", "1x", "1 s", "1s ", "s1", "1S", "1d", "--1s", "1e3s", "\u0661s", "00"]
)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        Duration.parse(text)


def test_a_duration_beyond_what_go_can_hold_is_refused() -> None:
    assert Duration.parse("9223372036s") == 9_223_372_036 * SECOND
    with pytest.raises(ValueError, match="too long"):
        Duration.parse("9223372037s")


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_the_text_form_is_read_back(nanoseconds: int) -> None:
    duration = Duration(nanoseconds)

    assert Duration.parse(str(duration)) == duration


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_seconds_and_nanos_are_those_of_protobuf(nanoseconds: int) -> None:
    duration = Duration(nanoseconds)

    assert duration.seconds * SECOND + duration.nanos == nanoseconds
    assert abs(duration.nanos) < SECOND
    assert duration.seconds == 0 or duration.nanos == 0 or (duration.seconds < 0) == (duration.nanos < 0)


@given(st.text() | st.text("0123456789.+-hmsnu\u00b5"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(Duration.parse(text), Duration)


def test_it_prints_in_seconds() -> None:
    assert [str(Duration.of(milliseconds=number)) for number in (0, 1, 1500, -250)] == [
        "0s",
        "0.001s",
        "1.5s",
        "-0.25s",
    ]
    assert repr(Duration.of(seconds=3)) == "Duration('3s')"
