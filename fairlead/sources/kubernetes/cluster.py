"""One cluster that is followed: its informers come and go with the kinds that its API server serves."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from fairlead.sources.kubernetes.access import AccessError, ClusterAccess, describe_access
from fairlead.sources.kubernetes.advice import Fault, explain_fault, explain_missing, fault_finding
from fairlead.sources.kubernetes.connection import JSON, ApiConnection, ApiError, ApiRefused
from fairlead.sources.kubernetes.faults import FaultBook
from fairlead.sources.kubernetes.informer import Informer, Receiver, Timing
from fairlead.sources.kubernetes.reflector import Change
from fairlead.sources.kubernetes.served import Collection, find_served
from translator.objects.registry import BY_KIND, Kind

DEFINITIONS: Final = Collection(None, "apiextensions.k8s.io", "v1", "customresourcedefinitions")
# Definitions are long, and only their names are of interest.
_NAME: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_NAMES: Final = f"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_NAME},{JSON}"
# A definition is served a moment after it is installed (seconds).
_LOOKS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
# How often to look without being told to.
_REDISCOVER: Final = 30.0
# Objects are given up only when their kind was not served in this many looks: servers that start serve little.
_MISSES: Final = 3


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster is doing. ``silence`` is since when the API server said nothing, of the quietest kind (seconds)."""

    name: str
    access: str
    host: str
    synced: bool
    objects: dict[str, int]
    faults: tuple[str, ...]
    restarts: int
    silence: float
    not_served: tuple[str, ...]


class Cluster:
    """One API server. ``synced`` is set once everything that it holds was handed over for the first time."""

    def __init__(
        self, name: str, access: ClusterAccess, kinds: Iterable[Kind], receiver: Receiver, faults: FaultBook
    ) -> None:
        self.name = name
        self.connection = ApiConnection(access)
        self.synced = asyncio.Event()
        self.served: dict[Kind, Collection] = {}
        self.timing = Timing()
        self._access = access
        self._kinds = frozenset(kinds)
        self._receiver = receiver
        self._faults = faults
        self._informers: dict[Kind, Informer] = {}
        self._misses: Counter[Kind] = Counter()
        self._look = asyncio.Event()
        self._tasks: dict[Kind, asyncio.Task[None]] = {}
        self._fault: Fault | None = None
        self._log: Any = structlog.get_logger("fairlead.kubernetes").bind(cluster=name or "primary")

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            if any(BY_KIND[kind].is_istio for kind in self._kinds):
                bell = Informer(self.connection, DEFINITIONS, _Bell(self._look), timing=self.timing, accept=_NAMES)
                group.create_task(bell.run(), name="definitions")
            self._tasks = {kind: group.create_task(each.run()) for kind, each in self._informers.items()}
            looks: tuple[float, ...] = _LOOKS[:1]
            while True:
                for wait in looks:
                    await asyncio.sleep(wait)
                    self._look.clear()
                    found = await self._find_served()
                    self._adopt(found, group)
                    await self._give_up(self._informers.keys() - found.keys())
                looks = await self._until_next_look()

    async def replace(self, access: ClusterAccess) -> None:
        """Use another way to the cluster from the next ``run`` on; what is known stays until it is compared."""
        self._access = access
        await self.connection.close()
        self.connection = ApiConnection(access)
        for informer in self._informers.values():
            informer.move(self.connection)

    async def withdraw(self) -> None:
        """Hand over that all of its objects are gone. Only when ``run`` has ended."""
        for informer in self._informers.values():
            await informer.clear()
        self._faults.note(self, ())

    @property
    def fault(self) -> str:
        """What is wrong with it now; empty if all is well."""
        return next((explain_fault(fault, collection) for fault, collection in self._iter_faults()), "")

    def state(self) -> ClusterState:
        """How it is doing now."""
        contacts = [each.last_contact for each in self._informers.values() if each.last_contact]
        return ClusterState(
            name=self.name,
            access=describe_access(self._access),
            host=self.connection.host,
            synced=self.synced.is_set(),
            objects={str(kind): len(informer) for kind, informer in sorted(self._informers.items())},
            faults=tuple(dict.fromkeys(explain_fault(*each) for each in self._iter_faults())),
            restarts=sum(each.restarts for each in self._informers.values()),
            silence=round(monotonic() - min(contacts), 3) if contacts else 0.0,
            not_served=tuple(sorted(map(str, self._kinds - self.served.keys()))) if self.served else (),
        )

    async def _find_served(self) -> dict[Kind, Collection]:
        """What is served now, as soon as the API server tells."""
        backoff = self.timing.backoff()
        while True:
            try:
                found = await find_served(self.connection, self._kinds)
            except (ApiError, AccessError) as error:
                self._note_fault(error)
                await asyncio.sleep(backoff.delay(error.retry_after if isinstance(error, ApiRefused) else 0.0))
            else:
                self._note_fault(None)
                return found

    async def _until_next_look(self) -> tuple[float, ...]:
        """Wait for a reason to look again; returns after which waits to do so."""
        try:
            async with asyncio.timeout(_LOOKS[-1] if self._misses else _REDISCOVER):
                await self._look.wait()
        except TimeoutError:
            return _LOOKS[:1]
        return _LOOKS

    def _adopt(self, found: dict[Kind, Collection], group: asyncio.TaskGroup) -> None:
        """Follow what is served."""
        absent = tuple(sorted(str(kind) for kind in self._kinds - found.keys() if BY_KIND[kind].is_istio))
        if absent and not self.served:
            self._log.info("kubernetes.definitions.missing", kinds=absent, reason=explain_missing(absent))
        self.served = found
        for kind, collection in found.items():
            self._misses.pop(kind, None)
            informer = self._informers.get(kind)
            if informer is not None:
                # Perhaps another version of the same: objects and their versions are the same in all of them.
                informer.collection = collection
                continue
            informer = Informer(self.connection, collection, self._receiver, timing=self.timing)
            informer.noted = self._note
            self._informers[kind] = informer
            self._tasks[kind] = group.create_task(informer.run(), name=f"informer {collection.plural}")
        self._note(None)

    async def _give_up(self, absent: Iterable[Kind]) -> None:
        """Kinds are not served any more: their objects are gone, once that is certain."""
        for kind in absent:
            self._misses[kind] += 1
            if self._misses[kind] >= _MISSES:
                del self._misses[kind]
                informer = self._informers.pop(kind)
                task = self._tasks.pop(kind)
                task.cancel()
                await asyncio.wait([task])
                await informer.clear()
                self._note(None)

    def _note_fault(self, fault: Fault | None) -> None:
        self._fault = fault
        self._note(None)

    def _note(self, _: Informer | None) -> None:
        """Something about the informers is different."""
        if self.served and all(each.is_synced.is_set() for each in self._informers.values()):
            self.synced.set()
        findings = (fault_finding(self.name, *each) for each in self._iter_faults())
        self._faults.note(self, tuple(dict.fromkeys(findings)))

    def _iter_faults(self) -> Iterator[tuple[Fault, Collection | None]]:
        if self._fault is not None:
            yield self._fault, None
        for informer in self._informers.values():
            if informer.fault is not None:
                yield informer.fault, informer.collection


class _Bell:
    """Receives definitions, and rings when there may be other kinds now."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event
        self._groups = {spec.group for spec in BY_KIND.values() if spec.group}

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:  # noqa: ARG002 - a Receiver
        """See which definitions came or went; they are named ``plural.group``."""
        if any(change.identity[1].partition(".")[2] in self._groups for change in changes):
            self._event.set()
