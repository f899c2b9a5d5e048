"""How long to wait before asking again: longer each time, not in step with others, never less than the server says."""

from collections.abc import Callable
from random import random
from typing import Final

FIRST: Final = 0.1
LONGEST: Final = 10.0
_FACTOR: Final = 2.0


class Backoff:
    """Waiting times of one client. ``chance`` gives numbers from 0 to 1."""

    def __init__(self, chance: Callable[[], float] = random, *, first: float = FIRST, longest: float = LONGEST) -> None:
        self._chance = chance
        self._first = first
        self._longest = longest
        self._next = first

    def reset(self) -> None:
        """It worked."""
        self._next = self._first

    @property
    def is_waiting(self) -> bool:
        """Whether there was a failure since it last worked."""
        return self._next != self._first

    def delay(self, retry_after: float = 0.0) -> float:
        """Seconds to wait after one more failure; at least as long as the server asked for (``Retry-After``).

        Half of it is left to chance: clients that lost the same server do not come back at the same moment.
        """
        base, self._next = self._next, min(self._longest, self._next * _FACTOR)
        jittered = base * (0.5 + 0.5 * self._chance())
        return max(jittered, retry_after * (1.0 + 0.1 * self._chance()))
