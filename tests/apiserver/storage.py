"""The revisioned storage behind the server: every write gets the next number of one counter, as in etcd.

The changes since the last compaction are kept, so that watches can start in the past and a list can be read page
by page as of one moment.
"""

import asyncio
import bisect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from tests.apiserver.document import Document, with_metadata
from tests.apiserver.errors import compacted, too_large_revision

# The group and the plural name of a kind: all its versions are stored in one table.
TableName = tuple[str, str]
# The namespace ("" for kinds of the whole cluster) and the name of an object.
Key = tuple[str, str]
# As a new etcd does not start with zero, neither do we: zero means "any" in requests.
_FIRST_REVISION: Final = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One write: None before for a creation; after a deletion the last state, with the deletion's revision."""

    revision: int
    key: Key
    before: Document | None
    after: Document
    deleted: bool = False


class Feed:
    """The changes of one table from some moment on, for one reader; lost by no compaction."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes = deque(changes)
        self._arrived = asyncio.Event()

    def push(self, change: Change) -> None:
        """Add a change."""
        self._changes.append(change)
        self._arrived.set()

    def wake(self) -> None:
        """Let the reader look, although nothing may have come."""
        self._arrived.set()

    async def wait(self) -> None:
        """Wait for a change, or for being woken."""
        await self._arrived.wait()

    @property
    def pending(self) -> bool:
        """Whether something has come that was not taken."""
        return bool(self._changes)

    def take(self) -> list[Change]:
        """What has come since the last call."""
        taken = list(self._changes)
        self._changes.clear()
        self._arrived.clear()
        return taken


@dataclass(slots=True)
class _Table:
    rows: dict[Key, Document] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    feeds: set["Feed"] = field(default_factory=set)

    def since(self, revision: int) -> list[Change]:
        """The changes after a revision."""
        return self.changes[bisect.bisect_right(self.changes, revision, key=lambda change: change.revision) :]


class Storage:
    """All objects in memory, and their history since the last compaction."""

    def __init__(self) -> None:
        self.revision = _FIRST_REVISION
        self.compacted = 0
        self._tables: dict[TableName, _Table] = {}

    def read(self, table: TableName, key: Key) -> Document | None:
        """One object."""
        return self._table(table).rows.get(key)

    def rows(self, table: TableName, namespace: str = "") -> list[Document]:
        """The objects of a table, or those of one namespace, in the order of their keys."""
        return _sorted(self._table(table).rows, namespace)

    def write(self, table: TableName, key: Key, document: Document) -> Document:
        """Store an object under the next revision, and return it with that."""
        before = self._table(table).rows.get(key)
        self.revision += 1
        after = with_metadata(document, resourceVersion=str(self.revision))
        self._commit(table, Change(self.revision, key, before, after))
        return after

    def delete(self, table: TableName, key: Key) -> Document:
        """Delete an object that is there; returns its last state with the revision of the deletion."""
        before = self._table(table).rows[key]
        self.revision += 1
        after = with_metadata(before, resourceVersion=str(self.revision))
        self._commit(table, Change(self.revision, key, before, after, deleted=True))
        return after

    def list_at(self, table: TableName, revision: int, namespace: str = "") -> list[Document]:
        """The objects as of a revision. ApiError 410 when it is compacted, 504 when it is not reached yet."""
        if revision > self.revision:
            raise too_large_revision(revision, self.revision)
        if revision < self.compacted:
            raise compacted(revision, self.compacted)
        held = self._table(table)
        rows = held.rows
        later = held.since(revision)
        if later:
            rows = dict(rows)
            for change in reversed(later):
                if change.before is None:
                    del rows[change.key]
                else:
                    rows[change.key] = change.before
        return _sorted(rows, namespace)

    def follow(self, table: TableName, revision: int) -> Feed:
        """The changes after a revision and all to come. ApiError 410 when some of them may be compacted."""
        if revision < self.compacted:
            raise compacted(revision, self.compacted)
        held = self._table(table)
        feed = Feed(held.since(revision))
        held.feeds.add(feed)
        return feed

    def unfollow(self, table: TableName, feed: Feed) -> None:
        """End a feed."""
        self._table(table).feeds.discard(feed)

    def compact(self, revision: int | None = None) -> None:
        """Forget what was before a revision (default: the newest)."""
        self.compacted = max(self.compacted, self.revision if revision is None else revision)
        for table in self._tables.values():
            table.changes = table.since(self.compacted)

    def rewind(self, revision: int) -> None:
        """Go back to a revision, as an etcd does that is restored from a backup: what came later never happened."""
        for name, table in self._tables.items():
            kept = self.list_at(name, revision)
            table.rows = {(_key(document)): document for document in kept}
            table.changes = []
        self.revision = self.compacted = revision

    def close(self) -> None:
        """Nothing is written any more."""

    def _commit(self, name: TableName, change: Change) -> None:
        table = self._table(name)
        if change.deleted:
            table.rows.pop(change.key, None)
        else:
            table.rows[change.key] = change.after
        table.changes.append(change)
        for feed in table.feeds:
            feed.push(change)

    def _table(self, name: TableName) -> _Table:
        return self._tables.setdefault(name, _Table())


class FileStorage(Storage):
    """A storage that appends every write to a file, and comes back from it with the same revisions.

    ``keep_history=False``: all that was before the start counts as compacted.
    """

    def __init__(self, path: Path, *, keep_history: bool = True) -> None:
        super().__init__()
        for record in _read_journal(path):
            self._replay(record)
        if not keep_history:
            self.compact()
        self._journal = path.open("ab")

    def _replay(self, record: "_Record") -> None:
        before = self._table(record.table).rows.get(record.key)
        self.revision = record.revision
        super()._commit(record.table, Change(record.revision, record.key, before, record.after, record.deleted))

    def _commit(self, name: TableName, change: Change) -> None:
        super()._commit(name, change)
        record = _Record(name, change.revision, change.key, change.after, change.deleted)
        self._journal.write(msgspec.json.encode(record) + b"\n")
        self._journal.flush()

    def close(self) -> None:
        """Close the file."""
        self._journal.close()


class _Record(msgspec.Struct, frozen=True):
    table: TableName
    revision: int
    key: Key
    after: Document
    deleted: bool


def _read_journal(path: Path) -> Iterator[_Record]:
    decoder = msgspec.json.Decoder(_Record)
    if path.exists():
        for line in path.read_bytes().splitlines():
            yield decoder.decode(line)


def _key(document: Document) -> Key:
    metadata = document["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _sorted(rows: Mapping[Key, Document], namespace: str) -> list[Document]:
    keys = rows if not namespace else [key for key in rows if key[0] == namespace]
    return [rows[key] for key in sorted(keys)]
