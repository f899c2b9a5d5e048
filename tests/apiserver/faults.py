"""Faults on demand: late answers, refusals, dropped connections, and connections on which nothing comes any more."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.apiserver.calls import Call
from tests.apiserver.errors import ApiError


class ConnectionDropped(Exception):
    """The connection is to be cut, without any answer."""


@dataclass(slots=True)
class Fault:
    """What happens to calls of a verb and a resource ("" is any); ``times`` None is until it is taken away.

    In this order: the answer is late by ``delay`` seconds; it never comes (``hang``); the connection is cut
    (``drop``); it is ``error``; otherwise the call is served.
    """

    verb: str = ""
    resource: str = ""
    times: int | None = None
    delay: float = 0.0
    hang: bool = False
    drop: bool = False
    error: ApiError | None = None
    met: int = field(default=0, init=False)

    def concerns(self, call: Call) -> bool:
        """Whether it happens to a call."""
        if self.times is not None and self.met >= self.times:
            return False
        return self.verb in {"", call.verb} and self.resource in {"", call.resource}


class Faults:
    """The faults in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._released = asyncio.Event()

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End a fault; calls that hang are served."""
        if fault in self._faults:
            self._faults.remove(fault)
        self._release()

    def clear(self) -> None:
        """End all faults; calls that hang are served."""
        self._faults.clear()
        self._release()

    @contextmanager
    def during(self, fault: Fault) -> Iterator[Fault]:
        """A fault for as long as a block runs."""
        self.add(fault)
        try:
            yield fault
        finally:
            self.remove(fault)

    async def meet(self, call: Call) -> None:
        """Let happen what is to happen to a call. Raises ApiError or ConnectionDropped."""
        for fault in [fault for fault in self._faults if fault.concerns(call)]:
            fault.met += 1
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.hang:
                await self._released.wait()
            if fault.drop:
                raise ConnectionDropped
            if fault.error is not None:
                raise fault.error

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()
