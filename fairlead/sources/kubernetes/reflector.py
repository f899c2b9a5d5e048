"""What is known of one collection of the API server, and what to ask for next: pure bookkeeping, without I/O.

The versions of all objects are kept, so that a list after a gap amounts to the differences alone: what is the same
as before is not even decoded. No change is told twice and none is lost, in whatever order connections break.

Kubernetes: a list is consistent at the version that it carries; a watch from that version continues it without a
gap. Bookmarks move the version on where nothing happens. A version that is too old is refused with 410 Gone. A
streaming list (``sendInitialEvents``) is a watch that tells the whole state first and marks its end by a bookmark.
"""

import enum
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

Identity = tuple[str, str]
"""Namespace and name."""


class ListRequest(NamedTuple):
    """Ask for a page: the first one, or the one of a token."""

    token: str = ""


class WatchRequest(NamedTuple):
    """Ask for what happens after a version; with ``is_initial`` for the whole state first."""

    version: str = ""
    is_initial: bool = False


class Listed(NamedTuple):
    """One object of a page or an event, undecoded."""

    identity: Identity
    version: str
    raw: msgspec.Raw


class Change(NamedTuple):
    """One object is there, in another version than before, or is gone (``raw`` is None)."""

    identity: Identity
    raw: msgspec.Raw | None


class _Phase(enum.Enum):
    LISTING = "listing"
    STREAMING = "streaming"
    WATCHING = "watching"


class Reflector:
    """The state of one collection. ``streams`` is whether to try a streaming list at first."""

    def __init__(self, *, streams: bool = True) -> None:
        self._streams = streams
        self._phase = _Phase.STREAMING if streams else _Phase.LISTING
        self._token = ""
        self._version = ""
        self._known: dict[Identity, str] = {}
        self._seen: set[Identity] = set()
        self.is_synced = False

    def __len__(self) -> int:
        """How many objects are known."""
        return len(self._known)

    @property
    def request(self) -> ListRequest | WatchRequest:
        """What to ask the server for now."""
        match self._phase:
            case _Phase.LISTING:
                return ListRequest(self._token)
            case _Phase.STREAMING:
                return WatchRequest(is_initial=True)
            case _Phase.WATCHING:
                return WatchRequest(self._version)

    def take_page(self, items: Iterable[Listed], version: str, token: str) -> list[Change]:
        """A page arrived; ``token`` leads to the next one. What the last page ends without is gone."""
        changes = [change for item in items if (change := self._note(item)) is not None]
        self._token = token
        if not token:
            changes += self._complete(version)
        return changes

    def take_event(self, item: Listed, *, deleted: bool = False) -> Change | None:
        """An event arrived; None if it says nothing new."""
        self._version = item.version or self._version
        if not deleted:
            return self._note(item)
        self._seen.discard(item.identity)
        return Change(item.identity, None) if self._known.pop(item.identity, None) is not None else None

    def take_bookmark(self, version: str, *, ends_list: bool = False) -> list[Change]:
        """A bookmark arrived: nothing of interest happened up to its version."""
        if self._phase is _Phase.STREAMING:
            return self._complete(version) if ends_list else []
        self._version = version or self._version
        return []

    def disconnect(self) -> None:
        """The connection ended. Pages that arrived stay valid; a streaming list has to start over."""
        if self._phase is _Phase.STREAMING:
            self._seen.clear()

    def expire(self) -> None:
        """The version or the token is too old (410): list again, and tell the differences."""
        self._phase = _Phase.STREAMING if self._streams else _Phase.LISTING
        self._token = ""
        self._seen.clear()

    def distrust(self) -> None:
        """Nobody knows what became of the changes that were told: list again, and tell everything."""
        self._known = dict.fromkeys(self._known, "")
        self.expire()

    def refuse_streaming(self) -> None:
        """The server knows no streaming lists: go on with pages."""
        self._streams = False
        self.expire()

    def clear(self) -> list[Change]:
        """The collection does not exist any more, and so do its objects."""
        gone = [Change(identity, None) for identity in self._known]
        self._known.clear()
        self._version = ""
        self.expire()
        return gone

    def _note(self, item: Listed) -> Change | None:
        if self._phase is not _Phase.WATCHING:
            self._seen.add(item.identity)
        if self._known.get(item.identity) == item.version:
            return None
        self._known[item.identity] = item.version
        return Change(item.identity, item.raw)

    def _complete(self, version: str) -> list[Change]:
        """The list is complete: whatever was not in it is gone."""
        gone = [identity for identity in self._known if identity not in self._seen]
        for identity in gone:
            del self._known[identity]
        self._seen.clear()
        self._token = ""
        self._version = version
        self._phase = _Phase.WATCHING
        self.is_synced = True
        return [Change(identity, None) for identity in gone]
