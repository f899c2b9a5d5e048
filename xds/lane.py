"""A lane is one resource type on one stream: what the client wants, holds, has been sent and refused.

This is the half that state-of-the-world and delta have in common; ``xds.sotw`` and ``xds.delta`` read
requests and select what a response brings. Everything is plain state: no I/O, and time comes in as an
argument.

Two kinds of debt lead to a response. Names in ``owed`` were asked for and are sent whatever the client
holds; names in ``dirty`` changed in the View and are sent if they differ from what the client was sent.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Final, Generic, TypeVar

from xds.errors import LimitExceeded
from xds.exchange import Debt, LaneContext, LaneRecord, Sent, Supply, Verdict
from xds.ledger import NOTHING_HELD, Holding, Pools
from xds.quarantine import Complaint, Quarantine
from xds.resource import Resource
from xds.steps import Point, Selection
from xds.subscription import Subscription
from xds.types import TypeTraits, TypeUrl
from xds.view import Catalogue, View
from xds.wire import Request

# A client that never acknowledges must not make its stream grow: older responses count as accepted. What a response
# brought has to be known when it is refused, long after its bytes were written; they go before it does.
_MOST_IN_FLIGHT: Final = 64
_WITH_PAYLOAD: Final = 8

# So many are not gone through one by one when all of them are wanted.
_MANY: Final = 256

# What hardly any lane ever has is made when it gets some. Until then all have these, which nobody adds to.
_NO_NAMES: Final[frozenset[str]] = frozenset()
_NO_LEASES: Final[dict[str, float]] = {}
NO_CLAIMS: Final[dict[str, str]] = {}
_NOTHING_REFUSED: Final = Quarantine()

RequestT = TypeVar("RequestT", bound=Request)


class Lane(ABC, Generic[RequestT]):
    """One type on one stream. Subclasses speak state-of-the-world or delta."""

    def __init__(self, traits: TypeTraits, pools: Pools, most_names: int, private: Mapping[str, Resource]) -> None:
        self.traits = traits
        self._private = private
        self._most_names = most_names
        self.subscription = Subscription(legacy=traits.wildcard)
        self.held = NOTHING_HELD
        self.in_flight: list[Sent] = []
        self.retained: Set[str] = _NO_NAMES
        # Until when these stay although nothing refers to them any more: the client has not let go of them.
        self.leases: dict[str, float] = _NO_LEASES
        self.stood_in: Set[str] = _NO_NAMES
        self.quarantine = _NOTHING_REFUSED
        # Versions of what the client brought from an earlier stream, as long as they have not been looked at.
        self._claims: Mapping[str, str] = NO_CLAIMS
        self.record = LaneRecord()
        self.opened = False
        self.debt = Debt()
        self._pools = pools
        self._serial = 0

    @property
    def type_url(self) -> TypeUrl:
        """The type of this lane."""
        return self.traits.type_url

    # -- what comes in ----------------------------------------------------------------------------

    @abstractmethod
    def receive(self, request: RequestT, now: float) -> Verdict | None:
        """Take a request; returns what it said about an earlier response, if anything. May raise LimitExceeded."""

    def mark(self, names: Set[str], cause: object) -> bool:
        """These resources of the View changed; True if that concerns the client and no other change is due already."""
        subscription, debt = self.subscription, self.debt
        # As a rule all are wanted. Then the set itself is taken, which all streams are told of.
        relevant = names if subscription.wildcard or names <= subscription.names else subscription.names & names
        if not relevant:
            return False
        is_first = not debt.dirty
        debt.dirty = frozenset(relevant) if is_first else debt.dirty | relevant
        if debt.cause is None:
            debt.cause = cause
        return is_first

    def compare(self, view: View, cause: object) -> None:
        """Anything may have changed: the client belongs to another View now."""
        names: set[str] = set(self.subscription.names)
        if self.subscription.wildcard:
            names.update(view.resources(self.type_url), self.held.names(), *(sent.changes for sent in self.in_flight))
        self.mark(names, cause)

    def owe(self, names: Iterable[str], cause: object) -> None:
        """Send these even if they did not change: the client waits for them."""
        due = frozenset(name for name in names if self.subscription.covers(name))
        self.debt.owed |= due
        if due and self.debt.cause is None:
            self.debt.cause = cause

    def reconsider(self) -> None:
        """Something was acknowledged somewhere: what was kept only for its sake may go now."""
        if self.retained:
            self.debt.dirty |= self.retained
            self.retained = _NO_NAMES

    # -- what is due ------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """Nothing is due, or may become due when something else is acknowledged."""
        debt = self.debt
        return not (debt.dirty or debt.owed or debt.everything or debt.reply or self.retained)

    @property
    def must_reply(self) -> bool:
        """A response is due that no rule may delay."""
        return bool(self.debt.reply or self.debt.owed or self.debt.everything)

    @property
    def must_push(self) -> bool:
        """Resources changed that the client knows; waits for the ACK of the response before."""
        return bool(self.debt.dirty)

    def waits_until(self, patience: float) -> float | None:
        """Until when a push waits for an ACK; None when nothing is unacknowledged.

        The oldest response counts: Envoy acknowledges clusters only after all of them have warmed, and a
        client that is late once does not slow down every push that follows.
        """
        return self.in_flight[0].at + patience if self.in_flight else None

    def follow(self, supply: Supply, now: float) -> Sent | None:
        """As ``compose``, if another stream has stood at the same point; else None, and the debt stays."""
        if self.retained:
            self.reconsider()
        point = self._point(supply)
        selection = None if point is None else supply.encoder.steps.find(point)
        return None if selection is None else self._send(selection, supply, now)

    def compose(self, context: LaneContext) -> Sent | None:
        """Turn the debt into a response, from the View as it is now; None if the client needs nothing after all."""
        self.reconsider()
        point = self._point(context.supply)
        selection = None if self.subscription.is_empty else self._select(context)
        if selection is None:
            cause = self.debt.cause
            self.debt.clear()
            return self.compose(context) if self._try_next(cause) else None
        if point is not None and not context.usage.was_asked:
            context.supply.encoder.steps.keep(point, selection, self.held)
        return self._send(selection, context.supply, context.now)

    def _send(self, selection: Selection, supply: Supply, now: float) -> Sent:
        debt, in_flight, record = self.debt, self.in_flight, self.record
        cause = debt.cause
        debt.clear()
        response = supply.encoder.selected(self.traits.type_url, selection, self._serial)
        self._serial = response.serial
        sent = Sent(response, response.holding if selection.changes is None else selection.changes, now, cause)
        in_flight.append(sent)
        late = len(in_flight) - _WITH_PAYLOAD - 1
        if late >= 0:
            in_flight[late] = in_flight[late].written()
            while len(in_flight) > _MOST_IN_FLIGHT:
                self._accept(in_flight.pop(0))
        record.responses += 1
        record.resources += len(response.resources) + len(response.removed)
        record.version_sent, record.nonce_sent, record.sent_at = response.version, response.nonce, now
        return sent

    def _point(self, supply: Supply) -> Point | None:
        """Where the stream stands, if that says all; None for one that something is kept for or withheld from."""
        debt, subscription = self.debt, self.subscription
        if self.in_flight or self.leases or self._private or self._claims or not self._is_plain(supply):
            return None
        if debt.everything and not self.held.is_empty:
            return None
        return (
            self.traits.type_url,
            id(self.held),
            subscription.names,
            subscription.wildcard,
            debt.owed,
            debt.dirty,
            debt.everything,
            debt.reply,
        )

    @abstractmethod
    def _select(self, context: LaneContext) -> Selection | None:
        """What to send for the present debt."""

    # -- what the client was sent, and holds --------------------------------------------------------

    def sent(self, name: str) -> Resource | None:
        """What the client was last sent under this name and has not refused."""
        for sent in reversed(self.in_flight):
            if name in sent.changes:
                return sent.changes[name]
        return self.held.get(name)

    def target(self, view: View, name: str) -> Resource | None:
        """What there is for this client under ``name``."""
        resource = self._current(view, name)
        if resource is None and name in self.subscription.names:
            resource = view.fallback(self.type_url, name)
        return resource

    def _current(self, view: View, name: str) -> Resource | None:
        """The client's own resource of this name, or else the View's."""
        own = self._private.get(name) if self._private and name in self.subscription.names else None
        return view.resources(self.type_url).get(name) if own is None else own

    def outdated(self, view: View, presumed_before: float) -> Iterator[Resource]:
        """Resources that the client may still use although the View has others by now.

        Responses sent before ``presumed_before`` count as accepted although no ACK came.
        """
        current = view.resources(self.type_url)
        names = {*self.debt.dirty, *self.retained, *self.stood_in, *self.quarantine.names()}
        settled: dict[str, Resource | None] = {}
        for sent in self.in_flight:
            if sent.at < presumed_before:
                settled.update(sent.changes)
            else:
                names.update(sent.changes)
                yield from (r for n, r in sent.changes.items() if r is not None and not same(r, current.get(n)))
        for name in names:
            held = settled[name] if name in settled else self.held.get(name)
            if held is not None and not same(held, current.get(name)):
                yield held

    # -- verdicts -----------------------------------------------------------------------------------

    def _settle(self, request: RequestT, now: float) -> Verdict | None:
        """Pair the request with the response it answers."""
        if request.error is not None:
            return self._refused(request.nonce, request.error, now)
        in_flight, record = self.in_flight, self.record
        position = self._position(request.nonce)
        if position is None:
            return None
        if position:
            # Responses are answered in order, so earlier ones without an answer of their own were accepted too.
            for _ in range(position):
                self._accept(in_flight.pop(0))
        answered = in_flight.pop(0)
        self._accept(answered)
        record.acks += 1
        record.version_acked, record.nonce_acked, record.acked_at = answered.response.version, request.nonce, now
        record.error = None
        if self.quarantine is not _NOTHING_REFUSED:
            self._try_next(answered.cause)
        return Verdict(answered, None, request.nonce)

    def _refused(self, nonce: str, reason: str, now: float) -> Verdict:
        record = self.record
        record.nacks += 1
        record.error, record.error_at = reason, now
        position = self._position(nonce)
        if position is None:
            return Verdict(None, reason, nonce)
        for earlier in self.in_flight[:position]:
            self._accept(earlier)
        sent = self.in_flight[position]
        del self.in_flight[: position + 1]
        again = self._suspect(sent, reason, now)
        rejected = tuple(r.name for r in sent.response.resources if self.quarantine.is_rejected(r))
        if again is None:
            # Nothing in it is new to the client: its complaint leads nowhere, and the removals are not repeated.
            self._accept(sent)
        else:
            self.mark({*again, *(n for n, r in sent.changes.items() if r is None)}, sent.cause)
        self._try_next(sent.cause)
        return Verdict(sent, reason, nonce, rejected)

    def _suspect(self, sent: Sent, reason: str, now: float) -> Collection[str] | None:
        """Hold back what the client may have meant; returns the names to send again without it, None if no suspects."""
        new = [resource for resource in sent.response.resources if not same(resource, self.held.get(resource.name))]
        if not new:
            return None
        fresh = {resource.name: resource.version for resource in new if not self.quarantine.is_rejected(resource)}
        # A response that was composed before an earlier one was refused may have been refused for the same resource.
        complaint = Complaint(reason, now, is_explained=len(fresh) < len(new))
        if self.quarantine is _NOTHING_REFUSED:
            self.quarantine = Quarantine()
        return self.quarantine.reject(fresh, complaint) or self.quarantine.next_trial()

    def _try_next(self, cause: object) -> bool:
        """Send the next suspects unless others are under way; True if some are due now.

        What nobody wants any more, or has been replaced, leads to no response, and no answer would lead to the next.
        """
        while self.quarantine is not _NOTHING_REFUSED and not (self.in_flight or self.debt.dirty or self.debt.owed):
            names = self.quarantine.next_trial()
            if not names:
                break
            self.mark(set(names), cause)
            if self.debt.dirty:
                return True
        return False

    def _position(self, nonce: str) -> int | None:
        for position, sent in enumerate(self.in_flight):
            if sent.response.nonce == nonce:
                return position
        return None

    @abstractmethod
    def _accept(self, sent: Sent) -> None:
        """The client holds what this response brought."""

    # -- selection, shared by both protocols --------------------------------------------------------

    def _everything(self, supply: Supply) -> Selection | None:
        """All that the View has, if that is what a new client wants: then nothing is compared or chosen one by one."""
        if not (self._is_new() and self._is_plain(supply)) or self._private:
            return None
        debt, current = self.debt, supply.view.resources(self.type_url)
        catalogue = current if isinstance(current, Catalogue) and len(current) > _MANY else None
        is_by_name = catalogue is not None and debt.owed == catalogue.keys()
        if not (is_by_name or (debt.everything and not self.subscription.names)) or not (current or debt.reply):
            return None
        return Selection(list(current.values()), None, whole=None if catalogue is None else Holding.of(catalogue))

    def _changed(self, context: LaneContext, names: Iterable[str]) -> dict[str, Resource | None]:
        """Which of these differ from what the client was sent: the new resource, or None for one to be removed."""
        changes: dict[str, Resource | None] = {}
        for name in names:
            sent = self.sent(name)
            resource = self._offer(context, name, sent)
            if resource is None and sent is not None:
                changes[name] = None
            elif resource is not None and not same(resource, sent):
                changes[name] = resource
        return changes

    def _offer(self, context: LaneContext, name: str, sent: Resource | None) -> Resource | None:
        """What the client should have under ``name`` now, everything considered."""
        if not self.subscription.covers(name):
            return None
        resource = self._current(context.supply.view, name)
        if resource is None:
            if sent is not None and self._is_in_use(context, name):
                self.retained = _with(self.retained, name)
                return sent
            resource = self.target(context.supply.view, name)
        if self.leases:
            self.leases.pop(name, None)
        if resource is None:
            return None
        if self.quarantine.holds_back(resource):
            return self.held.get(name)
        return self._tried(context, resource, sent)

    def _is_in_use(self, context: LaneContext, name: str) -> bool:
        """Make before break: what an older listener, route or cluster at the client refers to stays until that goes.

        A client that asks by name stays subscribed to what it still uses. gRPC: a call chooses its cluster once and
        waits in vain for one that goes before the call ends, so the subscription counts for a while as well.
        """
        if context.usage.referenced(name):
            if self.traits.full_state and not self.subscription.wildcard:
                self.leases = self.leases or {}
                self.leases[name] = context.now + context.linger
            return True
        return self.leases.get(name, context.now) > context.now and not context.usage.demanded(name)

    def _tried(self, context: LaneContext, resource: Resource, sent: Resource | None) -> Resource:
        """The resource, or for a client that never had another the last good version if nobody accepts the newest."""
        if (sent is not None and resource.name not in self.stood_in) or resource.name in self._private:
            return resource
        stand_in = context.supply.stand_in(resource)
        if stand_in is None:
            self.stood_in -= {resource.name}
            return resource
        self.stood_in = _with(self.stood_in, resource.name)
        return stand_in

    def _subscribe(self, subscription: Subscription) -> None:
        """Take over a subscription, its names as the one set that all streams with equal names share."""
        if len(subscription.names) > self._most_names:
            raise LimitExceeded(f"more than {self._most_names} names of {self.type_url}")
        if subscription.names != self.subscription.names:
            shared = self._pools.names.shared(subscription.names)
            subscription = Subscription(shared, subscription.wildcard, subscription.legacy)
        self.subscription = subscription

    def _forget(self, names: Set[str]) -> None:
        """Of these, forget what is no longer wanted: a later subscription gets it again whatever was sent before."""
        if self.subscription.wildcard or names <= self.subscription.names:
            return
        dropped = names - self.subscription.names
        lost = {name: None for name in dropped if self.held.get(name) is not None}
        if lost:
            self.held = self.held.altered(lost, self._pools)
        for name in dropped:
            self.leases.pop(name, None)
        self.retained -= dropped
        self.stood_in -= dropped
        self.debt.owed -= dropped
        self.debt.dirty -= dropped
        self._try_next(self.debt.cause)

    def _is_plain(self, supply: Supply) -> bool:
        """Nothing is kept or withheld from the client: it gets the View's resources as they are."""
        if self.retained or self.stood_in or not supply.last_good.is_empty:
            return False
        return self.quarantine is _NOTHING_REFUSED or self.quarantine.is_empty

    def _is_new(self) -> bool:
        """The client has nothing yet, as far as is known."""
        return not self.in_flight and self.held.is_empty


def _with(names: Set[str], name: str) -> Set[str]:
    """One more of the names that a lane has for itself."""
    own = names if isinstance(names, set) else set(names)
    own.add(name)
    return own


def same(one: Resource, other: Resource | None) -> bool:
    """True if a client that has the other need not be sent the one."""
    return one is other or (other is not None and one.version == other.version)
