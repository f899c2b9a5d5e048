"""How the replica that writes statuses comes to know what the proxies of the others say.

Every replica that does not hold the Lease keeps a report in a ConfigMap of its own, beside the Lease. All follow
these ConfigMaps, so that whoever takes over knows them already.
"""

import asyncio
import re
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.connection import MERGE_PATCH, ApiConnection, ApiError, ApiRefused
from fairlead.sources.kubernetes.informer import Informer
from fairlead.sources.kubernetes.reflector import Change
from fairlead.sources.kubernetes.served import Collection
from fairlead.status.condition import Facts
from fairlead.status.lease import LeaseKeeper, time_stamp
from fairlead.status.report import OwnReport, PeerReports, merge, report_of
from translator.objects.core import ConfigMap
from translator.objects.registry import Kind, ObjectKey

_LABELS: Final = {"app.kubernetes.io/part-of": "fairlead", "app.kubernetes.io/component": "status-report"}
_FIELD: Final = "report"
_RENEWED: Final = "fairlead/renew-time"
# A report is written at most this often (seconds).
_GAP: Final = 1.0
# Names of Kubernetes' objects hold nothing else.
_UNFIT: Final = re.compile("[^a-z0-9.-]")


class ReportTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How often a report is renewed, and how long it counts without that (seconds)."""

    renewal: float
    lifetime: float
    gap: float = _GAP


class ReportExchange:
    """Writes what this replica knows while another one holds the Lease, and follows what others write.

    ``noted`` is called for every object of which another replica says something new.
    """

    def __init__(self, connection: ApiConnection, namespace: str, lease: LeaseKeeper, timing: ReportTiming) -> None:
        self.noted: Callable[[ObjectKey], None] = lambda _: None
        labels = ",".join(f"{name}={value}" for name, value in _LABELS.items())
        self._collection = Collection(Kind.CONFIG_MAP, "", "v1", "configmaps", namespace=namespace, labels=labels)
        self._informer = Informer(connection, self._collection, self)
        self._connection = connection
        self._lease = lease
        self._timing = timing
        self._name = f"fairlead-report-{_UNFIT.sub('-', lease.identity.lower())}"
        self._own = OwnReport()
        self._peers = PeerReports(timing.lifetime)
        self._woken = asyncio.Event()
        # What the ConfigMap says, and since when; empty while there is none.
        self._stored = ""
        self._written_at = 0.0
        self._log: Any = structlog.get_logger("fairlead.status")

    @property
    def has_peers(self) -> bool:
        """Whether other replicas report."""
        return bool(self._peers)

    def note(self, key: ObjectKey, facts: Facts | None) -> None:
        """These are the facts about an object here; None if it is gone."""
        if self._own.put(key, report_of(key, facts) if facts is not None else None):
            self._woken.set()

    def change_role(self) -> None:
        """Another replica holds the Lease than before, or this one does: whoever leads reports to nobody."""
        if self._lease.is_leader:
            self._own.clear()
        self._woken.set()

    def complete(self, key: ObjectKey, facts: Facts) -> Facts:
        """The facts about an object everywhere."""
        return merge(facts, self._peers.about(key))

    async def run(self) -> None:
        """Take part until cancelled; then take the report back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._informer.run(), name="reports of others")
                group.create_task(self._keep_own(), name="own report")
                group.create_task(self._expire(), name="expiry of reports")
        finally:
            await self._withdraw()

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:  # noqa: ARG002 - a Receiver
        """Reports came, went or changed."""
        for change in changes:
            _, name = change.identity
            if name != self._name:
                self._tell(self._take(name, change.raw))

    def _take(self, name: str, raw: msgspec.Raw | None) -> set[ObjectKey]:
        if raw is None:
            return self._peers.remove(name)
        try:
            content = msgspec.json.decode(raw, type=ConfigMap).data.get(_FIELD, "")
            return self._peers.take(name, content, monotonic())
        except msgspec.DecodeError as error:
            self._log.warning("report.unreadable", report=name, reason=str(error))
            return set()

    def _tell(self, keys: set[ObjectKey]) -> None:
        for key in keys:
            self.noted(key)

    async def _keep_own(self) -> None:
        while True:
            await self._wait(self._timing.renewal)
            wait = self._timing.gap
            try:
                await self._bring_up_to_date()
            except (ApiError, AccessError) as error:
                self._log.warning("report.failed", reason=str(error), advice=self._advice(error))
                wait = self._timing.renewal
                self._woken.set()
            await asyncio.sleep(wait)

    async def _wait(self, longest: float) -> None:
        """Wait until there is news, or the time for a renewal has come."""
        try:
            async with asyncio.timeout(longest):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _bring_up_to_date(self) -> None:
        if not self._lease.is_follower:
            await self._withdraw()
            return
        content = self._own.content()
        if content == self._stored and monotonic() - self._written_at < self._timing.renewal:
            return
        await self._write(content)
        self._stored, self._written_at = content, monotonic()

    async def _write(self, content: str) -> None:
        metadata: dict[str, Any] = {"labels": _LABELS, "annotations": {_RENEWED: time_stamp()}}
        patch: dict[str, Any] = {"metadata": metadata}
        if content != self._stored:
            patch["data"] = {_FIELD: content}
        path = f"{self._collection.path}/{self._name}"
        try:
            await self._connection.send("PATCH", path, body=patch, content_type=MERGE_PATCH)
        except ApiRefused as error:
            if error.code != 404:
                raise
            metadata |= {"name": self._name, "namespace": self._collection.namespace}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_FIELD: content}}
            await self._connection.send("POST", self._collection.path, body=body)

    async def _delete(self, name: str) -> None:
        try:
            await self._connection.send("DELETE", f"{self._collection.path}/{name}")
        except ApiRefused as error:
            if error.code != 404:
                raise

    async def _expire(self) -> None:
        """Leave replicas out that have died; who holds the Lease clears their reports away."""
        while True:
            await asyncio.sleep(self._timing.lifetime / 4)
            now = monotonic()
            self._tell(self._peers.expire(now))
            if not self._lease.is_leader:
                continue
            for name in self._peers.expired(now):
                try:
                    await self._delete(name)
                except (ApiError, AccessError) as error:
                    self._log.warning("report.not_removed", report=name, reason=str(error))

    async def _withdraw(self) -> None:
        """Take the own report back, if there is one."""
        if not self._stored:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._delete(self._name)
            self._stored = ""
        except (ApiError, AccessError, TimeoutError) as error:
            effect = "its numbers count until it is too old"
            self._log.warning("report.not_removed", report=self._name, reason=str(error), effect=effect)

    def _advice(self, error: ApiError | AccessError) -> str:
        if not isinstance(error, ApiRefused) or error.code != 403:
            return ""
        return f"the Role of Fairlead needs {self._collection.rule('create', 'patch', 'delete')}"
