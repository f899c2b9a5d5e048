"""Whoever waits for an alarm is woken when it is due, and not before."""

import threading
from collections.abc import Callable

import pytest

from fairlead.alarm import Alarm, SleepingAlarm, make_alarm


@pytest.mark.parametrize("make", [make_alarm, SleepingAlarm])
def test_an_alarm_that_nobody_puts_off_wakes_a_thread(make: Callable[[], Alarm]) -> None:
    alarm = make()
    alarm.put_off(0.01)
    waiting = threading.Thread(target=alarm.wait, daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive()
    alarm.close()


def test_an_alarm_can_be_put_off_and_brought_forward_while_somebody_waits() -> None:
    alarm, woken = make_alarm(), threading.Event()

    def wait() -> None:
        alarm.wait()
        woken.set()

    alarm.put_off(3600)
    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    for _ in range(10):
        alarm.put_off(3600)
        assert not woken.is_set()
    alarm.put_off(0)
    assert woken.wait(10)
    waiting.join()
    alarm.close()
