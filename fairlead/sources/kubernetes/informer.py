"""Follows one collection of an API server: asks what its reflector wants to know, and hands over what changed."""

import asyncio
from collections.abc import Callable
from random import uniform
from time import monotonic, perf_counter
from typing import Any, Final, Protocol

import msgspec
import structlog

from fairlead.pace import Pace
from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.backoff import Backoff
from fairlead.sources.kubernetes.connection import JSON, ApiConnection, ApiError, ApiRefused, ApiUnreachable
from fairlead.sources.kubernetes.reflector import Change, Listed, ListRequest, Reflector, WatchRequest
from fairlead.sources.kubernetes.served import Collection
from fairlead.sources.kubernetes.wire import (
    INITIAL_EVENTS_END,
    ItemMetadata,
    WatchEvent,
    read_event,
    read_item,
    read_page,
    read_status,
)

# A page is decoded at one go: at this size (bytes) that takes a few milliseconds.
_PAGE_SIZE: Final = 1_000_000
_FIRST_LIMIT: Final = 100
_LIMITS: Final = (20, 1000)
# A connection that ends sooner (seconds) is a failure: asking again at once would not help the server.
_SHORT: Final = 1.0
# Kubernetes: what a server answers that does not know streaming lists.
_NO_STREAMING: Final = frozenset({400, 404, 405, 406, 422})
_GONE: Final = 410


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a watch lasts before it is asked for again (seconds), and how late the server may be with its end.

    HTTP/1.1 has no pings: a server that hangs while its machine still answers is found out by the end of a watch
    only. Watches are cheap, so they are short.
    """

    shortest: float = 45.0
    longest: float = 75.0
    margin: float = 10.0
    backoff: Callable[[], Backoff] = Backoff


class Receiver(Protocol):
    """Takes what changed in a collection, in order; the next changes come when it has returned."""

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:
        """``received`` is when the first of the changes arrived (``time.perf_counter``)."""


class Informer:
    """One collection. ``is_synced`` is set once everything that exists was handed over.

    ``fault`` says what is wrong now, empty if all is well; ``noted`` is called when it changes.
    """

    def __init__(
        self,
        connection: ApiConnection,
        collection: Collection,
        receiver: Receiver,
        *,
        timing: Timing | None = None,
        accept: str = JSON,
    ) -> None:
        self.collection = collection
        self.is_synced = asyncio.Event()
        self.fault: ApiError | AccessError | None = None
        self.noted: Callable[[Informer], None] = lambda _: None
        self.restarts = 0
        self.last_contact = 0.0
        self._connection = connection
        self._receiver = receiver
        self._timing = timing or Timing()
        self._accept = accept
        self._reflector = Reflector()
        self._backoff = self._timing.backoff()
        self._limit = _FIRST_LIMIT
        self._log: Any = structlog.get_logger("fairlead.kubernetes")

    def __len__(self) -> int:
        """How many objects are known."""
        return len(self._reflector)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            started, request = monotonic(), self._reflector.request
            try:
                await self._ask(request)
                is_short = isinstance(request, WatchRequest) and monotonic() - started < _SHORT
                wait = self._backoff.delay() if is_short else 0.0
            except (ApiError, AccessError) as error:
                wait = self._wait_after(error)
            except Exception:  # noqa: BLE001 - one collection must not take the others down
                # A fault of ours: start over, as nobody knows how far we came.
                self._log.exception("informer.failed", collection=self.collection.path)
                self._reflector.distrust()
                wait = self._backoff.delay()
            self._reflector.disconnect()
            if wait:
                await asyncio.sleep(wait)

    def move(self, connection: ApiConnection) -> None:
        """Ask another server, or as somebody else, from the next ``run`` on: everything is told again."""
        self._connection = connection
        self._reflector.distrust()

    async def clear(self) -> None:
        """The collection does not exist any more: its objects are gone."""
        await self._deliver(self._reflector.clear(), perf_counter())

    async def _ask(self, request: ListRequest | WatchRequest) -> None:
        match request:
            case ListRequest(token=token):
                await self._list(token)
            case WatchRequest():
                await self._watch(request)

    async def _list(self, token: str) -> None:
        query = {**self._selectors(), "limit": self._limit, **({"continue": token} if token else {})}
        received = perf_counter()
        body = await self._connection.get(self.collection.path, query, accept=self._accept)
        page = _read(read_page, body)
        self._note_contact()
        self._backoff.reset()
        items = page.items or []
        if items:
            self._limit = max(_LIMITS[0], min(_LIMITS[1], _PAGE_SIZE * len(items) // len(body)))
        pace = Pace()
        listed = []
        for raw in items:
            await pace.rest_if_due()
            listed.append(_listed(_read(read_item, raw), raw))
        metadata = page.metadata
        await self._deliver(self._reflector.take_page(listed, metadata.resource_version, metadata.next_token), received)

    async def _watch(self, request: WatchRequest) -> None:
        seconds = uniform(self._timing.shortest, self._timing.longest)  # noqa: S311 - no secret
        query = {
            **self._selectors(),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": max(1, int(seconds)),
        }
        if request.version:
            query["resourceVersion"] = request.version
        if request.is_initial:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        silence = seconds + self._timing.margin
        stream = self._connection.stream(self.collection.path, query, silence=silence, accept=self._accept)
        async with stream as chunks:
            if not request.is_initial:
                self._note_contact()
            async for lines in chunks:
                await self._take_lines(lines)

    async def _take_lines(self, lines: list[bytes]) -> None:
        received = perf_counter()
        pace = Pace()
        changes: list[Change] = []
        self._backoff.reset()
        try:
            for line in lines:
                changes += self._take_event(_read(read_event, line))
                if pace.is_due:
                    gathered, changes = changes, []
                    await self._deliver(gathered, received)
                    await pace.rest()
        except ApiError:
            # What came before it is known already, and would not be told again.
            await self._deliver(changes, received)
            raise
        await self._deliver(changes, received)
        self._note_contact()

    def _take_event(self, event: WatchEvent) -> list[Change]:
        if event.type == "ERROR":
            status = read_status(event.object)
            details = status.details
            raise ApiRefused(status, f"watch {self.collection.path}", details.retry_after_seconds if details else 0.0)
        metadata = _read(read_item, event.object)
        if event.type == "BOOKMARK":
            ends_list = (metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true"
            return self._reflector.take_bookmark(metadata.resource_version, ends_list=ends_list)
        change = self._reflector.take_event(_listed(metadata, event.object), deleted=event.type == "DELETED")
        return [change] if change is not None else []

    async def _deliver(self, changes: list[Change], received: float) -> None:
        if changes:
            await self._receiver.receive(self.collection, changes, received)
        if self._reflector.is_synced and not self.is_synced.is_set():
            self.is_synced.set()
            self.noted(self)

    def _selectors(self) -> dict[str, str | int]:
        wanted = {"fieldSelector": self.collection.fields, "labelSelector": self.collection.labels}
        return {name: value for name, value in wanted.items() if value}

    def _note_contact(self) -> None:
        self.last_contact = monotonic()
        self._note_fault(None)

    def _note_fault(self, fault: ApiError | AccessError | None) -> None:
        before, self.fault = self.fault, fault
        if str(before or "") != str(fault or ""):
            self.noted(self)

    def _wait_after(self, error: ApiError | AccessError) -> float:
        """What went wrong decides how to go on, and when."""
        self.restarts += 1
        request = self._reflector.request
        is_streaming = isinstance(request, WatchRequest) and request.is_initial
        if isinstance(error, ApiRefused) and error.code == _GONE:
            self._reflector.expire()
            return self._backoff.delay(error.retry_after) if self._is_failing else 0.0
        if is_streaming and isinstance(error, ApiRefused) and error.code in _NO_STREAMING:
            self._reflector.refuse_streaming()
            return 0.0
        if is_streaming and isinstance(error, ApiUnreachable) and self._is_failing:
            # Whatever it is that breaks streams here, pages come through everywhere.
            self._reflector.refuse_streaming()
        self._note_fault(error)
        return self._backoff.delay(error.retry_after if isinstance(error, ApiRefused) else 0.0)

    @property
    def _is_failing(self) -> bool:
        """Whether the last attempt failed as well."""
        return self._backoff.is_waiting


def _read(read: Callable[[Any], Any], content: Any) -> Any:  # noqa: ANN401 - typed by its callers
    """What an answer says; one that is garbled is as good as none. Raises ApiUnreachable."""
    try:
        return read(content)
    except msgspec.DecodeError as error:
        raise ApiUnreachable(f"it sent something unreadable: {error}", read.__name__) from error


def _listed(metadata: ItemMetadata, raw: msgspec.Raw) -> Listed:
    return Listed((metadata.namespace, metadata.name), metadata.resource_version, raw)
