"""Watches: a stream of events, bookmarks between them, and the ways in which it can end."""

import asyncio
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.apiserver.document import Document, with_metadata
from tests.apiserver.errors import ApiError
from tests.apiserver.requests import ListQuery, Target
from tests.apiserver.selectors import Selector
from tests.apiserver.storage import Change, Feed, Storage

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class End(enum.Enum):
    """How a watch is ended from the server's side."""

    CLOSE = enum.auto()  # the response ends as after its timeout
    DROP = enum.auto()  # the connection is cut
    FREEZE = enum.auto()  # nothing comes any more, and the connection stays


@dataclass(frozen=True, slots=True)
class Pace:
    """When bookmarks come (seconds), and how long a watch lasts that names no timeout."""

    bookmarks: float = 60.0
    timeout: float = 1800.0


class Watch:
    """One open watch."""

    def __init__(self, target: Target, query: ListQuery, select: Selector, storage: Storage) -> None:
        """Take the state in and follow it from there. ApiError 410 when the start is compacted."""
        self.target = target
        self.ended: End | None = None
        self._select = select
        self._storage = storage
        self._query = query
        self._error: ApiError | None = None
        self._bookmark_due = False
        self._initial, self._start = self._begin()
        self._feed: Feed = storage.follow(target.kind.table, self._start)

    def end(self, how: End) -> None:
        """End it."""
        self.ended = how
        self._feed.wake()

    def fail(self, error: ApiError) -> None:
        """Send an ERROR event, and close."""
        self._error = error
        self._feed.wake()

    def send_bookmark(self) -> None:
        """Send a bookmark now, if the client takes any."""
        self._bookmark_due = True
        self._feed.wake()

    def close(self) -> None:
        """Follow the storage no longer."""
        self._storage.unfollow(self.target.kind.table, self._feed)

    async def events(self, pace: Pace) -> AsyncIterator[Document]:
        """The events; ends when the time is over, or by ``end`` or ``fail``."""
        loop = asyncio.get_running_loop()
        over = loop.time() + (self._query.timeout or pace.timeout)
        next_bookmark = loop.time() + pace.bookmarks
        for event in self._initial_events():
            yield event
        while self.ended is None:
            for event in self._new_events():
                yield event
            if self._error is not None:
                return
            if self._feed.pending:
                continue  # a bookmark must not overtake what came while events were written
            if self._bookmark_due or loop.time() >= next_bookmark:
                self._bookmark_due = False
                next_bookmark = loop.time() + pace.bookmarks
                if self._query.bookmarks:
                    yield self._bookmark(self._storage.revision)
            if loop.time() >= over:
                return
            await self._wait(min(over, next_bookmark))
        if self.ended is End.FREEZE:
            await asyncio.get_running_loop().create_future()

    def _new_events(self) -> list[Document]:
        events = [event for change in self._feed.take() if (event := self._event(change)) is not None]
        if self._error is not None:
            events.append({"type": "ERROR", "object": self._error.status()})
        return events

    async def _wait(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._feed.wait()
        except TimeoutError:
            pass

    def _begin(self) -> tuple[list[Document], int]:
        """The objects that are sent first, and the revision from which to go on."""
        query, storage, target = self._query, self._storage, self.target
        wanted = int(query.revision or 0)
        if query.initial_events or (wanted == 0 and query.initial_events is None):
            rows = storage.list_at(target.kind.table, max(wanted, storage.revision), target.namespace)
            return [row for row in rows if self._select(row)], storage.revision
        return [], wanted or storage.revision

    def _initial_events(self) -> list[Document]:
        events = [{"type": "ADDED", "object": self.target.convert(row)} for row in self._initial]
        self._initial = []
        if self._query.initial_events:
            events.append(self._bookmark(self._start, annotations={INITIAL_EVENTS_END: "true"}))
        return events

    def _event(self, change: Change) -> Document | None:
        """What a change is for a client that sees only what it selects: entering is ADDED, leaving DELETED."""
        if self.target.namespace and change.key[0] != self.target.namespace:
            return None
        before = change.before is not None and self._select(change.before)
        after = not change.deleted and self._select(change.after)
        if after:
            return {"type": "MODIFIED" if before else "ADDED", "object": self.target.convert(change.after)}
        if before and change.before is not None:
            last = with_metadata(change.before, resourceVersion=str(change.revision))
            return {"type": "DELETED", "object": self.target.convert(last)}
        return None

    def _bookmark(self, revision: int, **metadata: object) -> Document:
        document: Document = {"kind": self.target.kind.kind, "apiVersion": self.target.api_version}
        marked = with_metadata(document, resourceVersion=str(revision), **metadata)
        return {"type": "BOOKMARK", "object": marked}
