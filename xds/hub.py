"""What the streams of one server share: who is connected, who is served from which View, and who watches."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from xds.client import Client
from xds.encoder import Encoder, Library
from xds.events import EVENTS, Event, Observer, Selective, StreamRefused
from xds.exchange import Sent, Supply, Verdict
from xds.last_good import LastGood
from xds.ledger import Pools
from xds.options import ServerOptions
from xds.resource import Resource
from xds.rush import Rush
from xds.session import SessionRules
from xds.urgency import Urgency, parts_by_urgency
from xds.view import View, ViewChange, scope_of


class Subscriber(Protocol):
    """A stream, as the hub sees it."""

    def mark(self, change: ViewChange, cause: object, urgency: Urgency) -> None:
        """Resources of the stream's View, or of its client alone, changed."""

    def move(self, supply: Supply, cause: object) -> None:
        """The stream's client belongs to another View."""


@dataclass(slots=True)
class _Audience:
    """The clients of one View, and what they share."""

    view: View
    sotw: Supply
    delta: Supply
    members: dict[int, Subscriber] = field(default_factory=dict)

    def supply(self, *, delta: bool) -> Supply:
        return self.delta if delta else self.sotw

    def forget(self) -> None:
        """The View has changed."""
        for supply in (self.sotw, self.delta):
            supply.encoder.forget()


class Hub:
    """Connects streams with Views and events with observers. Lives on the event loop and needs no locks."""

    def __init__(self, options: ServerOptions, observers: Iterable[Observer]) -> None:
        self.rules = SessionRules(options.types, Pools(), options.patience, options.linger, options.limits.names)
        self.clients: dict[int, Client] = {}
        self._observers = _by_kind(observers)
        # The kinds of events that somebody observes.
        self.observed = frozenset(kind for kind, those in self._observers.items() if those)
        self._deferred: list[Event | StreamRefused] = []
        self._audiences: dict[int, _Audience] = {}
        self._places: dict[int, _Audience] = {}
        self._numbers = itertools.count(1)
        self.rush = Rush()
        self._library = Library()
        self.rush.add(self._library.kept)
        self._last_good = LastGood()
        self._keeps_last_good = options.keep_last_good

    def next_number(self) -> int:
        """A number for a new client."""
        return next(self._numbers)

    # -- who is served from what --------------------------------------------------------------------

    def join(self, client: Client, subscriber: Subscriber, view: View, *, delta: bool) -> Supply:
        """The client is served from this View."""
        self.clients[client.id] = client
        self.rush.note()
        return self._seat(client, subscriber, view, delta=delta)

    def leave(self, client: Client) -> None:
        """The client is gone."""
        self.clients.pop(client.id, None)
        self._unseat(client)

    def publish(self, view: View, change: ViewChange, cause: object, losses: AbstractSet[str] = frozenset()) -> None:
        """Tell every client of the View what changed in it; see ``XdsServer.publish``."""
        audience = self._audiences.get(id(view))
        if audience is not None:
            audience.forget()
            for urgency, shared in parts_by_urgency(change, losses):
                for member in audience.members.values():
                    member.mark(shared, cause, urgency)

    def give(self, client: Client, resources: Iterable[Resource], cause: object) -> None:
        """Let the client have resources of its own, or others than before."""
        change = client.private.put(resources)
        place = self._places.get(client.id)
        if place is not None and change:
            place.members[client.id].mark(change, cause, Urgency.REST)

    def move(self, client: Client, view: View, cause: object) -> None:
        """The client is served from another View from now on."""
        place = self._places.get(client.id)
        if place is None or place.view is view or client.session is None:
            return
        subscriber = place.members[client.id]
        self._unseat(client)
        subscriber.move(self._seat(client, subscriber, view, delta=client.session.delta), cause)

    def supply(self, view: View, *, delta: bool) -> Supply:
        """What sessions of this View are served from: that of its clients, or a new one if it has none."""
        return (self._audiences.get(id(view)) or self._audience(view)).supply(delta=delta)

    def _seat(self, client: Client, subscriber: Subscriber, view: View, *, delta: bool) -> Supply:
        audience = self._audiences.get(id(view))
        if audience is None:
            audience = self._audiences[id(view)] = self._audience(view)
        audience.members[client.id] = subscriber
        self._places[client.id] = audience
        return audience.supply(delta=delta)

    def _unseat(self, client: Client) -> None:
        audience = self._places.pop(client.id, None)
        if audience is not None:
            audience.members.pop(client.id, None)
            if not audience.members:
                del self._audiences[id(audience.view)]

    def _audience(self, view: View) -> _Audience:
        scope = scope_of(view)
        # Without a key nothing outlives this audience, so an object of its own keeps its scope apart.
        scope = object() if scope is None else scope
        pools = self.rules.pools
        sotw, delta = (Encoder(self._library, pools, delta=delta) for delta in (False, True))
        return _Audience(view, Supply(view, sotw, self._last_good, scope), Supply(view, delta, self._last_good, scope))

    # -- what clients think of it -------------------------------------------------------------------

    def judge(self, client: Client, verdict: Verdict) -> None:
        """Learn from an answer what to give to clients that connect later."""
        if verdict.error is None and self._last_good.is_empty:
            return
        audience = self._places.get(client.id)
        if audience is None or verdict.sent is None or not self._keeps_last_good:
            return
        if verdict.error is None:
            self._acquit(audience, verdict.sent)
            return
        # What one client has for itself is never given to another.
        own = client.private.of(verdict.sent.response.type_url)
        for resource in verdict.sent.response.resources:
            if resource.name in verdict.rejected and resource.name not in own:
                self._condemn(audience, resource)

    def _acquit(self, audience: _Audience, accepted: Sent) -> None:
        names = {
            resource.name
            for resource in accepted.changes.values()
            if resource is not None and self._last_good.acquit(audience.sotw.scope, resource)
        }
        if names:
            self.publish(audience.view, {accepted.response.type_url: names}, accepted.cause)

    def _condemn(self, audience: _Audience, refused: Resource) -> None:
        last_good = None
        for number in audience.members:
            held = self.clients[number].held(refused.type_url, refused.name)
            if held is not None and held.version == refused.version:
                return
            last_good = last_good or held
        if last_good is not None:
            self._last_good.condemn(audience.sotw.scope, refused, last_good)

    # -- who watches ----------------------------------------------------------------------------------

    def emit(self, event: Event | StreamRefused) -> None:
        """Show an event to all observers; one that fails is reported to the event loop and disturbs nobody."""
        self._deferred.append(event)
        self.tell()

    def defer(self, event: Event) -> None:
        """As ``emit``, when ``tell`` is called or another event is emitted: many streams have events of one kind."""
        self._deferred.append(event)

    def tell(self) -> None:
        """Show what was deferred, in the order in which it happened."""
        while self._deferred:
            events, self._deferred = self._deferred, []
            for event in events:
                for observer in self._observers[type(event)]:
                    try:
                        observer(event)
                    except Exception as error:  # noqa: BLE001  # an observer is foreign code
                        context = {"message": f"xDS observer {observer!r} failed", "exception": error}
                        asyncio.get_running_loop().call_exception_handler(context)


def _by_kind(observers: Iterable[Observer]) -> Mapping[type[Event | StreamRefused], tuple[Observer, ...]]:
    """Who observes each kind of events."""
    found: dict[type[Event | StreamRefused], tuple[Observer, ...]] = dict.fromkeys(EVENTS, ())
    for observer in observers:
        whole, kinds = (observer.observer, observer.kinds) if isinstance(observer, Selective) else (observer, EVENTS)
        for kind in kinds:
            found[kind] += (whole,)
    return found
