"""Wakes a thread unless that is put off in time, without waking it in between.

A thread that wakes to look whether there is anything to do takes the interpreter from the one that works: what does
so every few milliseconds delays every other change.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from time import sleep
from typing import Final, Protocol

_MONOTONIC: Final = 1
_NANOSECONDS: Final = 1_000_000_000


class Alarm(Protocol):
    """One thread waits, another puts it off."""

    def put_off(self, seconds: float) -> None:
        """Have the thread wake in so long, and not before."""

    def wait(self) -> None:
        """Wait until it is due; may return earlier."""

    def close(self) -> None:
        """Nobody waits any more."""


def make_alarm() -> Alarm:
    """What this system has: on Linux a timer of the kernel."""
    return TimerAlarm() if sys.platform == "linux" else SleepingAlarm()


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class TimerAlarm:
    """A timerfd(2), for which Python has no functions before 3.13."""

    def __init__(self) -> None:
        # Called without giving up the interpreter, which would take longer than the call.
        library = ctypes.PyDLL(None, use_errno=True)
        self._set: Callable[..., int] = library.timerfd_settime
        self._timer = _Timer()
        self._reference = ctypes.byref(self._timer)
        self._file = library.timerfd_create(_MONOTONIC, os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "no timer")

    def put_off(self, seconds: float) -> None:
        """See ``Alarm``."""
        value = self._timer.value
        value.seconds, value.nanoseconds = divmod(max(1, int(seconds * _NANOSECONDS)), _NANOSECONDS)
        self._set(self._file, 0, self._reference, None)

    def wait(self) -> None:
        """See ``Alarm``."""
        os.read(self._file, 8)

    def close(self) -> None:
        """See ``Alarm``."""
        os.close(self._file)


class SleepingAlarm:
    """Wakes as often as it is put off."""

    def __init__(self) -> None:
        self._seconds = 0.001

    def put_off(self, seconds: float) -> None:
        """See ``Alarm``."""
        self._seconds = seconds

    def wait(self) -> None:
        """See ``Alarm``."""
        sleep(self._seconds)

    def close(self) -> None:
        """See ``Alarm``."""
