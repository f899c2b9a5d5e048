"""Who reads a result is told when the clients were what could not go faster."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.bench import clients
from fairlead.bench.clients import ClientClock


def clock_of(monkeypatch: pytest.MonkeyPatch, *busy: float) -> ClientClock:
    """Over one part of two seconds, in which each process of proxies was busy for so long."""
    times: Iterator[float] = iter([*[5.0] * len(busy), *(5.0 + each for each in busy)])
    moments: Iterator[float] = iter((10.0, 12.0))
    monkeypatch.setattr(clients, "processor_seconds", lambda _: next(times))
    monkeypatch.setattr(clients, "monotonic", lambda: next(moments))
    fleet: Any = SimpleNamespace(pids=list(range(len(busy))))
    clock = ClientClock(fleet)
    with clock.running():
        pass
    return clock


def test_all_and_the_busiest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1.0, 0.5)
    assert [each.value for each in clock.figures()] == [0.75, 0.5]
    assert clock.warnings() == []


def test_one_busy_process_makes_the_result_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    (warning,) = clock_of(monkeypatch, 0.2, 1.9).warnings()
    assert "busy for 95% of the measured time" in warning


def test_nothing_is_told_where_it_cannot_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 0.0)
    assert (clock.figures(), clock.warnings()) == ([], [])
