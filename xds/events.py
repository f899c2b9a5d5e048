"""What happens on streams, as records for observers.

Observers are called on the event loop, one record at a time, in the order in which things happened; they
must be quick. ``at`` is the event loop's clock (monotonic seconds).
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

import msgspec

from xds.client import Client
from xds.encoder import Label
from xds.errors import Code
from xds.types import TypeUrl
from xds.wire import DeltaRequest, SotwRequest, names_of


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
    """A request came in; ``size`` is in bytes."""

    request: SotwRequest | DeltaRequest
    size: int

    @property
    def type_url(self) -> TypeUrl:
        """The type that it is about."""
        return self.request.type_url

    @property
    def names(self) -> Sequence[str]:
        """The names that it lists or subscribes to."""
        return names_of(self.request)


class UnknownType(Event, frozen=True):
    """The client asked for a type that the server does not serve; told once per stream and type."""

    type_url: TypeUrl


class RequestExpired(Event, frozen=True):
    """A request answered a response that was not the newest one, or not known."""

    type_url: TypeUrl
    nonce: str


class _Transfer(Event, frozen=True):
    """What happens to a response. ``label`` is what there is to tell of it: a thousand streams share one.

    ``cause`` is what was given to ``publish``: the oldest cause that the response covers, None for a reply.
    ``sent_at`` is when the response was made.
    """

    label: Label
    cause: object
    sent_at: float

    @property
    def type_url(self) -> TypeUrl:
        """The type of what is in the response."""
        return self.label.type_url

    @property
    def nonce(self) -> str:
        """The nonce of the response."""
        return self.label.nonce

    @property
    def names(self) -> Sequence[str]:
        """The names of the resources that it brings."""
        return self.label.names


class ResponseSent(_Transfer, frozen=True):
    """A response is handed to the transport; told before the client can possibly answer it.

    ``composing`` is how many seconds it took to select and join it.
    """

    composing: float = 0.0


class Acked(_Transfer, frozen=True):
    """The client accepted a response.

    ``writing`` is how many seconds the transport took to accept it, ``answering`` how many the client had it then.
    """

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


Kind = TypeVar("Kind", bound=Event | StreamRefused)


class Selective(msgspec.Struct, frozen=True):
    """An observer of some kinds of events: it is not called for others, and what nobody wants is not even made."""

    observer: Observer
    kinds: frozenset[type[Event | StreamRefused]]

    def __call__(self, event: Event | StreamRefused) -> None:
        """Pass it on."""
        self.observer(event)


def selective(observer: Callable[[Kind], None], *kinds: type[Kind]) -> Selective:
    """Show the observer these kinds of events alone."""
    # It is called with nothing else.
    return Selective(cast("Observer", observer), cast("frozenset[type[Event | StreamRefused]]", frozenset(kinds)))
