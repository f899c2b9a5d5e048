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
    ``is_over`` when there is nothing left to do.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.is_due: Due = never
        self.awaited: Any = None
        self.is_over = False
        self._work = work
        self._carrier: greenlet | None = None

    def run(self, is_due: Due, carriers: "Carriers") -> None:
        """Go on until the work is done or its turn is over. Raises what the work raises."""
        self.is_due = is_due
        carrier = self._carrier
        if carrier is not None:
            carrier.parent = getcurrent()
            carrier.switch()
            return
        carrier = self._carrier = carriers.take()
        carrier.parent = getcurrent()
        carrier.switch(self, carriers)

    def pause(self) -> None:
        """For the work: end this turn."""
        whoever_waits = self._carrier.parent if self._carrier is not None else None
        if whoever_waits is not None:
            whoever_waits.switch()

    def close(self) -> None:
        """Abandon the work: it sees GreenletExit where it was paused."""
        if self._carrier is not None and not self.is_over:
            self._carrier.parent = getcurrent()
            self._carrier.throw()

    def carry_out(self) -> None:
        """For the carrier: do all of the work."""
        try:
            self._work()
        finally:
            self.is_over = True


class Carriers:
    """The greenlets of one engine. One that has done its work takes the next: a new stack costs system calls."""

    def __init__(self) -> None:
        self._spare: greenlet | None = None

    def take(self) -> greenlet:
        """A greenlet that waits for a fiber and these."""
        carrier, self._spare = self._spare, None
        if carrier is None:
            carrier = greenlet(_carry)
            # Whatever it were given at its start, it would hold on to until its end.
            carrier.switch()
        return carrier

    def keep(self, carrier: greenlet) -> bool:
        """Whether a greenlet is to wait for more work; one does for all that is done one after the other."""
        if self._spare is None:
            self._spare = carrier
        return self._spare is carrier


def _carry() -> None:
    """The life of a greenlet. It ends with work that fails or is abandoned."""
    carrier = getcurrent()
    while carrier.parent is not None:
        fiber, carriers = carrier.parent.switch()
        fiber.carry_out()
        if not carriers.keep(carrier):
            return
        del fiber, carriers
