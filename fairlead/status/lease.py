"""Takes part in the election by a Lease of the API server."""

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.connection import ApiConnection, ApiError, ApiRefused
from fairlead.status.election import RETRY, Election, LeaseSpec

GROUP: Final = "/apis/coordination.k8s.io/v1"
_KIND: Final = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: LeaseSpec = LeaseSpec()


class LeaseKeeper:
    """Holds the Lease, or waits for it. ``changed`` is set when it is known who holds it."""

    def __init__(
        self, connection: ApiConnection, namespace: str, name: str, election: Election, *, retry: float = RETRY
    ) -> None:
        self.changed = asyncio.Event()
        self._connection = connection
        self._collection = f"{GROUP}/namespaces/{namespace}/leases"
        self._name = name
        self._namespace = namespace
        self._election = election
        self._retry = retry
        self._version = ""
        self._log: Any = structlog.get_logger("fairlead.lease").bind(lease=f"{namespace}/{name}")

    @property
    def is_leader(self) -> bool:
        """Whether this replica may write at this moment."""
        return self._election.is_leader(monotonic())

    @property
    def is_follower(self) -> bool:
        """Whether another replica is known to hold the Lease."""
        return self.holder not in {"", self.identity}

    @property
    def identity(self) -> str:
        """Who this replica is."""
        return self._election.identity

    @property
    def holder(self) -> str:
        """Who holds the Lease, as far as known."""
        return self._election.holder

    async def run(self) -> None:
        """Take part until cancelled; then give the Lease up."""
        try:
            while True:
                before = self.is_leader
                try:
                    await self._take_part()
                except (ApiError, AccessError) as error:
                    self._log.warning("lease.failed", reason=str(error))
                if self.is_leader != before:
                    self._log.info("lease.held" if self.is_leader else "lease.lost", holder=self.holder)
                if self.is_leader or self.is_follower:
                    self.changed.set()
                await asyncio.sleep(self._retry)
        finally:
            await self._resign()

    async def _take_part(self) -> None:
        try:
            found = _decode(await self._connection.get(f"{self._collection}/{self._name}"))
            self._version = found.metadata.resource_version
            self._election.observe(found.spec, monotonic())
        except ApiRefused as error:
            if error.code != 404:
                raise
            self._version = ""
            self._election.observe(None, monotonic())
        claimed = self._election.claim(monotonic(), time_stamp())
        if claimed is not None:
            await self._write(claimed)

    async def _write(self, spec: LeaseSpec) -> None:
        """Write the version that was read, and no other: of two replicas that try one fails."""
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        asked_at = monotonic()
        body = {**_KIND, "metadata": metadata, "spec": msgspec.to_builtins(spec)}
        if self._version:
            metadata["resourceVersion"] = self._version
            answer = await self._connection.send("PUT", f"{self._collection}/{self._name}", body=body)
        else:
            answer = await self._connection.send("POST", self._collection, body=body)
        self._version = _decode(answer).metadata.resource_version
        self._election.note_written(spec, asked_at)

    async def _resign(self) -> None:
        given_up = self._election.resign(time_stamp())
        if given_up is None:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._write(given_up)
        except (ApiError, AccessError, TimeoutError) as error:
            self._log.warning("lease.not_released", reason=str(error), effect="another replica waits until it runs out")


def _decode(body: bytes) -> _Lease:
    try:
        return msgspec.json.decode(body, type=_Lease)
    except msgspec.DecodeError as error:
        raise ApiError(f"the Lease cannot be read: {error}") from error


def time_stamp() -> str:
    """Now, as others may read it. Kubernetes: MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
