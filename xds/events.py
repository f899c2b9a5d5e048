"""What happens on streams, as records for observers.

Observers are called on the event loop, one record at a time, in the order in which things happened; they
must be quick. ``at`` is the event loop's clock (monotonic seconds).
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from xds.client import Client
from xds.errors import Code
from xds.types import TypeUrl


class Event(msgspec.Struct, frozen=True):
    """Something happened on the stream of ``client``."""

    client: Client
    at: float


class StreamOpened(Event, frozen=True):
    """A client was admitted, and the application gave it a View."""


class StreamClosed(Event, frozen=True):
    """The stream ended. ``code`` is None when the client left by itself."""

    code: Code | None
    reason: str


class StreamRefused(msgspec.Struct, frozen=True):
    """A stream ended before it had a client: refused by a limit, the authenticator, the application, or malformed."""

    peer: str
    at: float
    code: Code
    reason: str


class RequestReceived(Event, frozen=True):
    """A request came in; ``names`` are those it lists or subscribes to, ``size`` is in bytes."""

    type_url: TypeUrl
    nonce: str
    names: Sequence[str]
    unsubscribed: Sequence[str]
    size: int
    is_nack: bool


class UnknownType(Event, frozen=True):
    """The client asked for a type that the server does not serve; told once per stream and type."""

    type_url: TypeUrl


class RequestExpired(Event, frozen=True):
    """A request answered a response that was not the newest one, or not known."""

    type_url: TypeUrl
    nonce: str


class ResponseSent(Event, frozen=True):
    """A response is handed to the transport; told before the client can possibly answer it.

    ``names`` and ``removed`` tell what is in it, ``size`` its bytes, and ``cause`` what was given to ``publish``:
    the oldest cause that the response covers, None for a reply. ``composing`` is how many seconds it took to select
    and join it.
    """

    type_url: TypeUrl
    version: str
    nonce: str
    names: Sequence[str]
    removed: Sequence[str]
    size: int
    cause: object
    composing: float = 0.0


class Acked(Event, frozen=True):
    """The client accepted a response; ``sent_at`` is when that was made.

    ``writing`` is how many seconds the transport took to accept it, ``answering`` how many the client had it then.
    """

    type_url: TypeUrl
    version: str
    nonce: str
    sent_at: float
    cause: object
    writing: float = 0.0
    answering: float = 0.0


class Nacked(Event, frozen=True):
    """The client refused a response. ``names`` were in it; ``rejected`` are those held back from now on."""

    type_url: TypeUrl
    nonce: str
    error: str
    names: Sequence[str]
    rejected: Sequence[str]
    cause: object


Observer = Callable[[Event | StreamRefused], None]

EVENTS: Final[tuple[type[Event | StreamRefused], ...]] = (
    StreamOpened,
    StreamClosed,
    StreamRefused,
    RequestReceived,
    UnknownType,
    RequestExpired,
    ResponseSent,
    Acked,
    Nacked,
)


class Selective(msgspec.Struct, frozen=True):
    """An observer of some kinds of events: it is not called for others, and what nobody wants is not even made."""

    observer: Observer
    kinds: frozenset[type[Event | StreamRefused]]

    def __call__(self, event: Event | StreamRefused) -> None:
        """Pass it on."""
        self.observer(event)


def selective(observer: Observer, *kinds: type[Event | StreamRefused]) -> Selective:
    """Show the observer these kinds of events alone."""
    return Selective(observer, frozenset(kinds))
