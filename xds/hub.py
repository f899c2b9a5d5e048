"""What the streams of one server share: who is connected, who is served from which View, and who watches."""

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from xds.client import Client
from xds.encoder import Encoder
from xds.events import Event, Observer, StreamRefused
from xds.ledger import Pools
from xds.options import ServerOptions
from xds.session import SessionRules
from xds.view import View, ViewChange


class Subscriber(Protocol):
    """A stream, as the hub sees it."""

    def mark(self, change: ViewChange, cause: object) -> None:
        """Resources of the stream's View changed."""

    def move(self, view: View, encoder: Encoder, cause: object) -> None:
        """The stream's client belongs to another View."""


@dataclass(slots=True)
class _Audience:
    """The clients of one View, and the responses that they share."""

    view: View
    sotw: Encoder
    delta: Encoder
    members: dict[int, Subscriber] = field(default_factory=dict)


class Hub:
    """Connects streams with Views and events with observers. Lives on the event loop and needs no locks."""

    def __init__(self, options: ServerOptions, observers: Iterable[Observer]) -> None:
        self.rules = SessionRules(options.types, Pools(), options.patience, options.limits.names)
        self.clients: dict[int, Client] = {}
        self._observers = tuple(observers)
        self._audiences: dict[int, _Audience] = {}
        self._places: dict[int, _Audience] = {}
        self._numbers = itertools.count(1)
        self._serials = itertools.count(1)

    @property
    def is_observed(self) -> bool:
        """True if somebody wants events."""
        return bool(self._observers)

    def next_number(self) -> int:
        """A number for a new client."""
        return next(self._numbers)

    def join(self, client: Client, subscriber: Subscriber, view: View, *, delta: bool) -> Encoder:
        """The client is served from this View; returns the encoder for its responses."""
        self.clients[client.id] = client
        return self._seat(client, subscriber, view, delta=delta)

    def leave(self, client: Client) -> None:
        """The client is gone."""
        self.clients.pop(client.id, None)
        self._unseat(client)

    def publish(self, view: View, change: ViewChange, cause: object) -> None:
        """Tell every client of the View what changed in it."""
        audience = self._audiences.get(id(view))
        if audience is not None:
            for member in audience.members.values():
                member.mark(change, cause)

    def move(self, client: Client, view: View, cause: object) -> None:
        """The client is served from another View from now on."""
        place = self._places.get(client.id)
        if place is None or place.view is view or client.session is None:
            return
        subscriber = place.members[client.id]
        self._unseat(client)
        subscriber.move(view, self._seat(client, subscriber, view, delta=client.session.delta), cause)

    def emit(self, event: Event | StreamRefused) -> None:
        """Show an event to all observers; one that fails is reported to the event loop and disturbs nobody."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001  # an observer is foreign code
                context = {"message": f"xDS observer {observer!r} failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def members(self, view: View) -> Iterator[Client]:
        """The clients that are served from this View."""
        audience = self._audiences.get(id(view))
        yield from (self.clients[number] for number in audience.members) if audience is not None else ()

    def _seat(self, client: Client, subscriber: Subscriber, view: View, *, delta: bool) -> Encoder:
        audience = self._audiences.get(id(view))
        if audience is None:
            sotw = Encoder(self._serials, self.rules.pools, delta=False)
            audience = _Audience(view, sotw, Encoder(self._serials, self.rules.pools, delta=True))
            self._audiences[id(view)] = audience
        audience.members[client.id] = subscriber
        self._places[client.id] = audience
        return audience.delta if delta else audience.sotw

    def _unseat(self, client: Client) -> None:
        audience = self._places.pop(client.id, None)
        if audience is not None:
            audience.members.pop(client.id, None)
            if not audience.members:
                del self._audiences[id(audience.view)]
