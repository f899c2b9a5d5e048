"""What bulk work leaves behind is taken from the collector's sight, and only then."""

import gc
from collections.abc import Iterator

import pytest

from fairlead.memory import settle_memory, spare_survivors, tune_collector


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_loaded_is_not_looked_at_again() -> None:
    kept = [[number] for number in range(1000)]
    settle_memory()
    assert gc.get_freeze_count() >= len(kept)


def test_survivors_are_spared_when_there_are_many() -> None:
    tune_collector()
    settle_memory()
    frozen = gc.get_freeze_count()
    spare_survivors()
    assert gc.get_freeze_count() == frozen
    kept = [[number] for number in range(60_000)]
    spare_survivors()
    assert gc.get_freeze_count() >= frozen + len(kept) // 2
