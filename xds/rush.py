"""Tells when many clients come within a short time, for which things are worth keeping."""

import asyncio
from typing import Any, Final

from xds.keepsakes import Keepsakes

_PERIOD: Final = 0.5


class Rush:
    """Opens keepsakes while clients come, and lets them age; one timer runs as long as something is kept.

    ``period`` is how long nobody has to come for it to be over, in seconds, and how often keepsakes age.
    """

    def __init__(self, period: float = _PERIOD) -> None:
        self._period = period
        self._keepsakes: list[Keepsakes[Any, Any]] = []
        self._is_going_on = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, keepsakes: Keepsakes[Any, Any]) -> None:
        """Take care of these."""
        self._keepsakes.append(keepsakes)

    def note(self) -> None:
        """A client has come."""
        if not self._is_going_on:
            self._is_going_on = True
            self._open(is_open=True)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._pass)

    def _pass(self) -> None:
        self._timer = None
        for keepsakes in self._keepsakes:
            keepsakes.age()
        self._open(is_open=self._is_going_on)
        if self._is_going_on or not all(keepsakes.is_empty for keepsakes in self._keepsakes):
            self._timer = asyncio.get_running_loop().call_later(self._period, self._pass)
        self._is_going_on = False

    def _open(self, *, is_open: bool) -> None:
        for keepsakes in self._keepsakes:
            keepsakes.is_open = is_open
