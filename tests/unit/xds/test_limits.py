"""Admission of new streams: immediate, delayed, refused."""

import pytest

from xds.errors import LimitExceeded
from xds.limits import Admission, Limits


def test_any_rate_is_admitted_by_default() -> None:
    admission = Admission(Limits())
    assert [admission.reserve(0, 1.0) for _ in range(1000)] == [0.0] * 1000


def test_a_burst_is_spread_and_the_rest_refused() -> None:
    admission = Admission(Limits(streams_per_second=25, admission_wait=1.0))
    waits, refused = [], 0
    for _ in range(500):
        try:
            waits.append(admission.reserve(0, 100.0))
        except LimitExceeded:
            refused += 1
    assert waits == sorted(waits)
    assert waits[0] == 0.0
    assert waits[-1] <= 1.0
    assert 45 <= len(waits) <= 52
    assert refused == 500 - len(waits)


def test_refused_streams_are_admitted_later() -> None:
    admission = Admission(Limits(streams_per_second=10, admission_wait=0.0))
    admitted, now = 0, 50.0
    for _ in range(1000):
        now += 0.01
        try:
            admission.reserve(0, now)
            admitted += 1
        except LimitExceeded:
            pass
    assert 100 <= admitted <= 111


def test_a_rate_below_one_per_second_admits_the_first() -> None:
    admission = Admission(Limits(streams_per_second=0.01, admission_wait=0.0))
    assert admission.reserve(0, 5.0) == 0.0
    with pytest.raises(LimitExceeded, match=r"0\.01 new streams"):
        admission.reserve(0, 6.0)
    assert admission.reserve(0, 105.1) == 0.0


def test_the_number_of_streams_is_limited() -> None:
    admission = Admission(Limits(streams=2))
    admission.reserve(1, 0.0)
    with pytest.raises(LimitExceeded, match="2 streams"):
        admission.reserve(2, 0.0)
