"""What the API server sends, as far as it is not an object itself: list pages, watch events, its refusals."""

from typing import Any, Final

import msgspec

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Fields that nobody asks for are skipped."""


class ItemMetadata(_Record, frozen=True, kw_only=True):
    """What tells one object, and one version of it, from another."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class Item(_Record, frozen=True, kw_only=True):
    """An object of which only the metadata was read."""

    metadata: ItemMetadata = ItemMetadata()


class PageMetadata(_Record, frozen=True, kw_only=True):
    """Where a list stands: its version, and the token for its next page."""

    resource_version: str = ""
    next_token: str = msgspec.field(default="", name="continue")


class Page(_Record, frozen=True, kw_only=True):
    """One page of a list, its items unread."""

    metadata: PageMetadata = PageMetadata()
    items: list[msgspec.Raw] | None = None


class WatchEvent(_Record, frozen=True, kw_only=True):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class StatusDetails(_Record, frozen=True, kw_only=True):
    """Details of a refusal."""

    retry_after_seconds: float = 0.0


class Status(_Record, frozen=True, kw_only=True):
    """Why the API server refused something."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: StatusDetails | None = None


_ITEM: Final = msgspec.json.Decoder(Item)
_PAGE: Final = msgspec.json.Decoder(Page)
_EVENT: Final = msgspec.json.Decoder(WatchEvent)
_STATUS: Final = msgspec.json.Decoder(Status)


def read_item(raw: Any) -> ItemMetadata:  # noqa: ANN401 - anything with bytes in it
    """The metadata of an object. Raises msgspec.DecodeError."""
    return _ITEM.decode(raw).metadata


def read_page(body: bytes) -> Page:
    """One page of a list. Raises msgspec.DecodeError."""
    return _PAGE.decode(body)


def read_event(line: bytes) -> WatchEvent:
    """One line of a watch. Raises msgspec.DecodeError."""
    return _EVENT.decode(line)


def read_status(body: Any) -> Status:  # noqa: ANN401 - anything with bytes in it
    """A refusal; an empty one for what is none, such as a page of a proxy in between."""
    try:
        return _STATUS.decode(body)
    except msgspec.DecodeError:
        return Status()
