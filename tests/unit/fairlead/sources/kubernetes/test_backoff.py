"""Waiting times."""

from fairlead.sources.kubernetes.backoff import FIRST, LONGEST, Backoff


def test_waits_grow_up_to_a_limit_and_start_over() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.delay() for _ in range(12)]
    assert waits[:3] == [FIRST, FIRST * 2, FIRST * 4]
    assert waits[-1] == LONGEST
    backoff.reset()
    assert backoff.delay() == FIRST


def test_half_of_a_wait_is_chance() -> None:
    assert Backoff(lambda: 0.0).delay() == FIRST / 2


def test_the_server_is_not_asked_before_it_said() -> None:
    assert Backoff(lambda: 0.0).delay(retry_after=3.0) == 3.0


def test_it_knows_whether_the_last_attempt_failed() -> None:
    backoff = Backoff()
    assert not backoff.is_waiting
    backoff.delay()
    assert backoff.is_waiting
