"""The records that lanes and sessions work with: what was sent and said, what is due, and where resources come from."""

from collections.abc import Hashable, Mapping
from typing import Final, Protocol

import msgspec

from xds.encoder import Encoder, Response
from xds.last_good import LastGood
from xds.resource import Resource
from xds.view import View

_NO_NAMES: Final[frozenset[str]] = frozenset()


class Supply(msgspec.Struct, frozen=True, eq=False):
    """Where a session's resources come from; ``scope`` is the class of clients that the View is for."""

    view: View
    encoder: Encoder
    last_good: LastGood
    scope: Hashable

    def stand_in(self, resource: Resource) -> Resource | None:
        """What a new client is given instead of a resource that nobody accepts; None for all others."""
        return self.last_good.stand_in(self.scope, resource)


class Sent(msgspec.Struct, eq=False):
    """A response on its way: ``changes`` is what it alters at the client (None: removed), compared with before.

    ``started`` is when it was begun to be made, and then when it was handed to the transport; ``finished`` is when that
    had taken it, 0.0: not yet. Both are of ``time.perf_counter``.
    """

    response: Response
    changes: Mapping[str, Resource | None]
    at: float
    cause: object
    started: float = 0.0
    finished: float = 0.0

    def written(self) -> "Sent":
        """The same without the bytes, which only the transport needs."""
        return msgspec.structs.replace(self, response=self.response.without_payload())

    @property
    def brings(self) -> bool:
        """True if the client gets anything that it did not have."""
        return any(resource is not None for resource in self.changes.values())


class LaneRecord(msgspec.Struct):
    """Counters and times of a lane, for whoever watches. Times are those of the caller's clock.

    ``resources`` counts what the responses brought, and names that they removed.
    """

    version_sent: str = ""
    nonce_sent: str = ""
    sent_at: float | None = None
    version_acked: str = ""
    nonce_acked: str = ""
    acked_at: float | None = None
    error: str | None = None
    error_at: float | None = None
    responses: int = 0
    resources: int = 0
    acks: int = 0
    nacks: int = 0
    expired: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """What a request said about an earlier response; ``sent`` is None when that response is not known (any more)."""

    sent: Sent | None
    error: str | None
    nonce: str
    rejected: tuple[str, ...] = ()


class Usage(Protocol):
    """Who refers to the resources of a lane."""

    def referenced(self, name: str) -> bool:
        """Tell whether something at the client that is about to be replaced still needs this."""

    def demanded(self, name: str) -> bool:
        """Tell whether something needs this that the client asked for by name, as the View has it now."""

    @property
    def was_asked(self) -> bool:
        """True if what the lane selects depends on what else the client has."""


class LaneContext(msgspec.Struct, frozen=True):
    """What a lane needs of its stream while it selects; ``linger`` is how long a lease lasts."""

    supply: Supply
    usage: Usage
    now: float
    linger: float


class Debt(msgspec.Struct):
    """What the client has coming. Sets are replaced, never altered: streams that have the same coming share them."""

    owed: frozenset[str] = _NO_NAMES
    dirty: frozenset[str] = _NO_NAMES
    everything: bool = False
    reply: bool = False
    cause: object = None

    def clear(self) -> None:
        """Nothing is due."""
        self.owed = self.dirty = _NO_NAMES
        self.everything = self.reply = False
        self.cause = None
