"""Whether a server keeps up with those who poll it."""

import pytest

from fairlead.bench.failure import BenchError
from fairlead.bench.messages import Polls
from fairlead.bench.polls import NO_POLLS, check_pace, join_polls


def polls(answered: int, subscriptions: int = 300) -> Polls:
    return Polls(subscriptions, answered, 0, 0, b"")


def test_the_processes_are_added_up() -> None:
    assert join_polls([]) is None
    assert join_polls([polls(5, 3), polls(7, 4)]) == polls(12, 7)


def test_a_server_that_keeps_up_is_measured() -> None:
    # 300 subscriptions, each polled every second and a half, are 200 per second.
    check_pace(NO_POLLS, polls(390), 1.0, 2.0)


def test_one_that_does_not_is_told_with_its_figures() -> None:
    text = r"100 polls per second, and 300 subscriptions .* every 1 s .* want 200: a round takes 3\.0 s"
    with pytest.raises(BenchError, match=text):
        check_pace(NO_POLLS, polls(200), 1.0, 2.0)
