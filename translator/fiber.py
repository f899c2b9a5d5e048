"""Work that can be interrupted in the middle of queries, and goes on later where it was.

Queries are plain functions that call each other, so what interrupts them has to keep their whole stack; a greenlet
does. All fibers of an engine run on one thread, one at a time. ``Engine.step`` lets one go on; it stops where the
engine breathes.
"""

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

Due = Callable[[], bool]


def never() -> bool:
    """Do not interrupt."""
    return False


def always() -> bool:
    """Interrupt as soon as possible."""
    return True


class Fiber:
    """A piece of work that gives up its turn when that is over, as ``is_due`` tells.

    ``awaited`` is what another fiber has to be done with before this one can go on; the engine knows what it is.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.is_due: Due = never
        self.awaited: Any = None
        self._greenlet = greenlet(work)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self._greenlet.dead

    def run(self, is_due: Due) -> None:
        """Go on until the work is done or its turn is over. Raises what the work raises."""
        self.is_due = is_due
        self._greenlet.parent = getcurrent()
        self._greenlet.switch()

    def pause(self) -> None:
        """For the work: end this turn."""
        whoever_waits = self._greenlet.parent
        if whoever_waits is not None:
            whoever_waits.switch()

    def close(self) -> None:
        """Abandon the work: it sees GreenletExit where it was paused."""
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw()
