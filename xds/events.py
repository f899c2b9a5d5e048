"""What happens on streams, as records for observers.

Observers are called on the event loop, one record at a time, in the order in which things happened; they
must be quick. ``at`` is the event loop's clock (monotonic seconds).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xds.client import Client
from xds.errors import Code
from xds.types import TypeUrl


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened on the stream of ``client``."""

    client: Client
    at: float


@dataclass(frozen=True, slots=True)
class StreamOpened(Event):
    """A client was admitted, and the application gave it a View."""


@dataclass(frozen=True, slots=True)
class StreamClosed(Event):
    """The stream ended. ``code`` is None when the client left by itself."""

    code: Code | None
    reason: str


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """A stream ended before it had a client: refused by a limit, the authenticator, the application, or malformed."""

    peer: str
    at: float
    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class RequestReceived(Event):
    """A request came in; ``names`` are those it lists or subscribes to, ``size`` is in bytes."""

    type_url: TypeUrl
    nonce: str
    names: Sequence[str]
    unsubscribed: Sequence[str]
    size: int
    is_nack: bool


@dataclass(frozen=True, slots=True)
class UnknownType(Event):
    """The client asked for a type that the server does not serve; told once per stream and type."""

    type_url: TypeUrl


@dataclass(frozen=True, slots=True)
class RequestExpired(Event):
    """A request answered a response that was not the newest one, or not known."""

    type_url: TypeUrl
    nonce: str


@dataclass(frozen=True, slots=True)
class ResponseSent(Event):
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


@dataclass(frozen=True, slots=True)
class Acked(Event):
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


@dataclass(frozen=True, slots=True)
class Nacked(Event):
    """The client refused a response. ``names`` were in it; ``rejected`` are those held back from now on."""

    type_url: TypeUrl
    nonce: str
    error: str
    names: Sequence[str]
    rejected: Sequence[str]
    cause: object


Observer = Callable[[Event | StreamRefused], None]
