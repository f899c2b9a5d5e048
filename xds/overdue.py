"""Notices writes that a client does not take, at the cost of one timer for all of them."""

import asyncio
from typing import Protocol


class Writer(Protocol):
    """Whoever writes."""

    def interrupt(self) -> None:
        """The write takes too long."""


class WriteWatch:
    """Writes that are under way; whose is not done within ``timeout`` seconds is interrupted, once."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        # All may take equally long, so they become overdue in the order in which they began.
        self._deadlines: dict[Writer, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._deadlines)

    def begin(self, writer: Writer, now: float) -> None:
        """A write begins; ``now`` is the event loop's time."""
        self._deadlines[writer] = deadline = now + self.timeout
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._look)

    def end(self, writer: Writer) -> None:
        """The write is over."""
        self._deadlines.pop(writer, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._deadlines:
            writer, deadline = next(iter(self._deadlines.items()))
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._look)
                return
            del self._deadlines[writer]
            writer.interrupt()
