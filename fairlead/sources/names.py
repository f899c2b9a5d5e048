"""DNS names that the mesh asks for, as those of gateways between networks: looked up, and again when answers expire.

Istio: ``RESOLVE_HOSTNAME_GATEWAYS``. An answer is good for as long as it says, but for half a minute at least and for
an hour at most; where no server answers, what was said last stays in force.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, NamedTuple

import structlog

from fairlead.sources.batch import Batch, Sink
from fairlead.sources.kubernetes.backoff import Backoff
from translator.database import Database, DnsName

# How often to let go of what nothing needs any more (seconds).
_PRUNE: Final = 30.0
# Nobody waits longer for names than this (seconds).
_PATIENCE: Final = 2.0


class Found(NamedTuple):
    """What DNS says of a name: addresses, None where no server answered, then with the reason (``fault``).

    ``lifetime`` is for how long it holds (seconds).
    """

    v4: tuple[str, ...] | None
    v6: tuple[str, ...] | None
    lifetime: float = 0.0
    fault: str = ""


class NameTiming(NamedTuple):
    """Between two questions for one name lie so many seconds; ``retry`` after the first of several faults."""

    shortest: float = 30.0
    longest: float = 3600.0
    retry: float = 1.0


LookUp = Callable[[str], Awaitable[Found]]


class NameSource:
    """Follows the names that queries have read. ``look_up`` asks for one; by default DNS as the system is set up."""

    def __init__(self, database: Database, look_up: LookUp | None = None, timing: NameTiming | None = None) -> None:
        self._database = database
        self._look_up = look_up
        self._timing = timing or NameTiming()
        self._tasks: dict[DnsName, asyncio.Task[None]] = {}
        # The names that somebody has asked for, once there was an answer or a fault.
        self._tried: set[DnsName] = set()
        self._trying = asyncio.Condition()
        self._grown = asyncio.Event()
        self._log: Any = structlog.get_logger("fairlead.names")
        database.names.grown = self._grown.set

    async def run(self, sink: Sink) -> None:
        """Hand over every change, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._grown.clear()
                await self._adjust(group, sink)
                try:
                    async with asyncio.timeout(_PRUNE):
                        await self._grown.wait()
                except TimeoutError:
                    self._database.names.prune(self._database.is_read)

    async def settled(self) -> None:
        """Wait until everything asked for was looked up once, as far as servers answer soon."""
        try:
            async with asyncio.timeout(_PATIENCE), self._trying:
                await self._trying.wait_for(lambda: self._database.names.keys <= self._tried)
        except TimeoutError:
            waiting = sorted(each.name for each in self._database.names.keys - self._tried)
            self._log.warning("names.late", names=waiting, effect="serving without their addresses for now")

    async def _adjust(self, group: asyncio.TaskGroup, sink: Sink) -> None:
        wanted = self._database.names.keys
        for name in self._tasks.keys() - wanted:
            self._tasks.pop(name).cancel()
            self._tried.discard(name)
            self._database.replace_addresses(name, ())
        new = wanted - self._tasks.keys()
        if new and self._look_up is None:
            self._look_up = await asyncio.to_thread(_default_look_up)
        for name in new:
            self._tasks[name] = group.create_task(self._follow(name, sink), name=f"name {name.name}")

    async def _follow(self, name: DnsName, sink: Sink) -> None:
        backoff = Backoff(first=self._timing.retry, longest=self._timing.shortest)
        v4: tuple[str, ...] = ()
        v6: tuple[str, ...] = ()
        told: tuple[str, ...] | None = None
        fault = ""
        while self._look_up is not None:
            found = await self._look_up(name.name)
            self._note(name, fault, found.fault)
            v4, v6 = v4 if found.v4 is None else found.v4, v6 if found.v6 is None else found.v6
            fault, addresses = found.fault, (*v4, *v6)
            if addresses != told and (addresses or not fault):
                told = addresses
                self._tell(name, addresses)
                await sink(Batch([], perf_counter(), addresses={name: addresses}))
            async with self._trying:
                self._tried.add(name)
                self._trying.notify_all()
            await asyncio.sleep(self._pause(found, backoff))

    def _tell(self, name: DnsName, addresses: tuple[str, ...]) -> None:
        if addresses:
            self._log.info("names.resolved", name=name.name, addresses=addresses)
        else:
            effect = "what is behind it cannot be reached"
            self._log.warning("names.unknown", name=name.name, reason="DNS has no addresses for it", effect=effect)

    def _note(self, name: DnsName, before: str, fault: str) -> None:
        if fault and not before:
            effect = "the addresses known before, if any, stay in force"
            self._log.warning("names.unanswered", name=name.name, reason=fault, effect=effect)
        elif before and not fault:
            self._log.info("names.answered", name=name.name)

    def _pause(self, found: Found, backoff: Backoff) -> float:
        if found.fault:
            return backoff.delay()
        backoff.reset()
        return min(max(found.lifetime, self._timing.shortest), self._timing.longest)


def _default_look_up() -> LookUp:
    from fairlead.sources.name_lookup import look_up  # noqa: PLC0415 - takes a while, and few meshes need it

    return look_up
