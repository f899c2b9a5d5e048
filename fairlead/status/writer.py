"""Writes the statuses of the mesh's objects: by one replica at a time, not often, and only what is new."""

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.connection import MERGE_PATCH, ApiConnection, ApiError, ApiRefused
from fairlead.sources.kubernetes.served import Collection
from fairlead.status.condition import Facts, ObjectStatus, wanted_status
from fairlead.status.event import event_body, problems
from fairlead.status.exchange import ReportExchange
from fairlead.status.gathering import FactGatherer
from fairlead.status.lease import LeaseKeeper
from translator.objects.registry import BY_KIND, ObjectKey

# After a change proxies get some time to answer, so that mostly one write says all (seconds).
_SETTLE: Final = 1.0
# Where other replicas report, they get so many times as long: a second to look, a second to write it down.
_PATIENCE: Final = 3.0
# One object's status is written at most this often (seconds).
_INTERVAL: Final = 10.0
# So long after a change other replicas may still come to it: until then their proxies are counted in (seconds).
_COUNTED: Final = 30.0
# All statuses together are written at most this often (seconds between two).
_GAP: Final = 0.05
# How long the API server is left alone after a refusal that will not go by itself (seconds).
_REFUSED: Final = 60.0


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    generation: int = 0
    resource_version: str = ""
    uid: str = ""


class _Stored(msgspec.Struct, frozen=True):
    """What an object's document says beside its specification."""

    metadata: _Metadata = _Metadata()
    status: ObjectStatus = ObjectStatus()


class _Tracked(msgspec.Struct):
    collection: Collection
    stored: _Stored
    written_at: float = -_INTERVAL
    changed_at: float = float("-inf")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often is written (seconds)."""

    settle: float = _SETTLE
    interval: float = _INTERVAL
    gap: float = _GAP


class StatusWriter:
    """Keeps the statuses true while this replica holds the Lease, and reports to the one that holds it otherwise.

    An observer of the primary cluster's objects.
    """

    def __init__(
        self,
        connection: ApiConnection,
        gatherer: FactGatherer,
        lease: LeaseKeeper,
        exchange: ReportExchange,
        limits: Limits,
    ) -> None:
        self.written = 0
        self._connection = connection
        self._gatherer = gatherer
        self._lease = lease
        self._exchange = exchange
        self._limits = limits
        self._holder = ""
        exchange.noted = self._mark_reported
        self._tracked: dict[ObjectKey, _Tracked] = {}
        self._due: dict[ObjectKey, float] = {}
        self._woken = asyncio.Event()
        self._refused_until: dict[str, float] = {}
        self._log: Any = structlog.get_logger("fairlead.status")

    def observe(self, collection: Collection, key: ObjectKey, raw: msgspec.Raw | None) -> None:
        """An object is there, in another version than before, or is gone."""
        if not BY_KIND[key.kind].is_istio:
            return
        if raw is None:
            self._tracked.pop(key, None)
            self._due.pop(key, None)
            self._exchange.note(key, None)
            return
        try:
            stored = msgspec.json.decode(raw, type=_Stored)
        except msgspec.DecodeError:
            # Somebody wrote a status that cannot be read: it is replaced as a whole.
            stored = _Stored()
        tracked = self._tracked.get(key)
        if tracked is None:
            self._tracked[key] = _Tracked(collection, stored)
            self.mark(key)
            return
        is_new = tracked.stored.metadata.generation != stored.metadata.generation
        tracked.collection, tracked.stored = collection, stored
        if is_new:
            tracked.changed_at = monotonic()
            self.mark(key)

    def mark(self, key: ObjectKey) -> None:
        """There may be something new about an object."""
        tracked = self._tracked.get(key)
        if tracked is not None:
            is_collecting = self._lease.is_leader and self._exchange.has_peers
            soon = monotonic() + self._limits.settle * (_PATIENCE if is_collecting else 1.0)
            self._due.setdefault(key, max(soon, tracked.written_at + self._limits.interval))
            self._woken.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._take_role()
            due = await self._next()
            if due is not None:
                await self._bring_up_to_date(due)

    async def _take_role(self) -> None:
        """Wait while nobody holds the Lease. Whoever comes to hold it has to hear of everything."""
        while not (self._lease.is_leader or self._lease.is_follower):
            self._holder = ""
            self._lease.changed.clear()
            await self._lease.changed.wait()
        if self._lease.holder != self._holder:
            self._holder = self._lease.holder
            self._exchange.change_role()
            for key in self._tracked:
                self.mark(key)

    def _mark_reported(self, key: ObjectKey) -> None:
        """Another replica says something new about an object."""
        if self._lease.is_leader:
            self.mark(key)

    async def _next(self) -> ObjectKey | None:
        """The next object whose time has come; None when it is time to look around."""
        self._woken.clear()
        key = min(self._due, key=self._due.__getitem__, default=None)
        wait = self._due[key] - monotonic() if key is not None else self._limits.interval
        if key is not None and wait <= 0:
            del self._due[key]
            return key
        try:
            async with asyncio.timeout(min(wait, self._limits.interval)):
                await self._woken.wait()
        except TimeoutError:
            return None
        return None

    async def _bring_up_to_date(self, key: ObjectKey) -> None:
        tracked = self._tracked.get(key)
        if tracked is None:
            return
        facts = await self._gatherer.gather(key, tracked.stored.metadata.generation)
        if not self._lease.is_leader:
            self._exchange.note(key, facts)
            if not facts.is_settled:
                self._due[key] = monotonic() + self._limits.interval
            return
        refused_until = self._refused_until.get(tracked.collection.plural, 0.0)
        if monotonic() < refused_until:
            self._due[key] = refused_until
            return
        await self._publish(key, tracked, self._exchange.complete(key, facts))

    async def _publish(self, key: ObjectKey, tracked: _Tracked, facts: Facts) -> None:
        """Write the status that the facts call for, if it is another one than before."""
        before = tracked.stored.status
        is_recent = monotonic() - tracked.changed_at < _COUNTED
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = wanted_status(before, facts, now, recounts=is_recent)
        if not facts.is_settled:
            self._due[key] = monotonic() + self._limits.interval
        if status is None:
            return
        tracked.written_at = monotonic()
        try:
            await self._write(key, tracked, status)
            for problem in problems(before, status):
                body = event_body(tracked.collection, key, tracked.stored.metadata.uid, problem, self._lease.identity)
                await self._connection.send("POST", f"/api/v1/namespaces/{key.namespace}/events", body=body)
        except (ApiError, AccessError) as error:
            self._note_failure(key, tracked, error)
        await asyncio.sleep(self._limits.gap)

    async def _write(self, key: ObjectKey, tracked: _Tracked, status: ObjectStatus) -> None:
        """Write the status of the version that was read: whoever was faster is not overwritten (409)."""
        collection = tracked.collection
        path = f"{collection._replace(namespace=key.namespace).path}/{key.name}/status"
        content = {
            # Fields that are left out here would stay as they were.
            "conditions": msgspec.to_builtins(status.conditions),
            "validationMessages": msgspec.to_builtins(status.validation_messages) or None,
            "observedGeneration": status.observed_generation,
        }
        metadata = {"resourceVersion": tracked.stored.metadata.resource_version}
        body = {"metadata": metadata, "status": content}
        await self._connection.send("PATCH", path, body=body, content_type=MERGE_PATCH)
        self.written += 1

    def _note_failure(self, key: ObjectKey, tracked: _Tracked, error: ApiError | AccessError) -> None:
        code = error.code if isinstance(error, ApiRefused) else 0
        if code == 409:
            # The newer version is on its way.
            self._due[key] = monotonic() + self._limits.settle
            return
        if code in {403, 404}:
            plural = tracked.collection.plural
            self._due[key] = self._refused_until[plural] = monotonic() + _REFUSED
            part = tracked.collection._replace(plural=f"{plural}/status")
            help_ = f"the ClusterRole of Fairlead needs {part.rule('patch')}, and events: create" if code == 403 else ""
            self._log.warning("status.refused", object=str(key), reason=str(error), advice=help_)
            return
        self._log.warning("status.failed", object=str(key), reason=str(error))
        self._due[key] = monotonic() + self._limits.interval
