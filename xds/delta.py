"""The delta (incremental) half of a lane.

A request edits the subscription, and may at the same time answer any earlier response; a response brings
what changed and names what is gone.
"""

from collections.abc import Mapping
from typing import Final

from xds.exchange import LaneContext, Sent, Verdict
from xds.lane import NO_CLAIMS, Lane, same
from xds.ledger import Holding
from xds.resource import Resource
from xds.steps import Selection
from xds.subscription import WILDCARD
from xds.types import ENDPOINT
from xds.view import Catalogue, View
from xds.wire import DeltaRequest

# From so many names on, order takes longer than choosing.
_MANY: Final = 2_000


class DeltaLane(Lane[DeltaRequest]):
    """One type on a delta stream."""

    def target(self, view: View, name: str) -> Resource | None:
        """See ``Lane.target``. Delta can say that endpoints do not exist, so that nothing has to stand in for them."""
        return view.resources(ENDPOINT).get(name) if self.type_url == ENDPOINT else super().target(view, name)

    def receive(self, request: DeltaRequest, now: float) -> Verdict | None:
        """See ``Lane.receive``. The nonce pairs answers with responses; the subscription counts even if it is stale."""
        if not self.opened:
            self.opened = True
            self._open(request)
            return None
        verdict = None
        if request.nonce or request.error is not None:
            verdict = self._settle(request, now)
            if verdict is None:
                self.record.expired += 1
        if request.subscribe or request.unsubscribe:
            self._edit(request)
        return verdict

    def _open(self, request: DeltaRequest) -> None:
        self._subscribe(self.subscription.opened(request.subscribe, request.unsubscribe))
        subscription = self.subscription
        self._claims = request.initial_versions
        # Whether an Envoy that reconnects still waits for endpoints cannot be seen from here: they are always sent.
        trusted = self._claims if self.type_url != ENDPOINT else {}
        # The very set that all streams with equal names share: a copy for each would be a hundred kilobytes.
        due = subscription.names.difference(trusted) if trusted else subscription.names
        self.debt.owed = self.debt.owed | due if self.debt.owed else due
        self.debt.everything = subscription.wildcard and not trusted
        self.debt.dirty |= frozenset(name for name in self._claims if subscription.covers(name))
        self.debt.reply = subscription.wildcard

    def _redeem_claims(self, view: View) -> None:
        """Take over what the client brought from an earlier stream; old versions stand in without their content."""
        claims, self._claims = self._claims, NO_CLAIMS
        if self.subscription.wildcard:
            self.debt.dirty = self.debt.dirty.union(view.resources(self.type_url))
        held = Holding()
        for name in claims.keys() & self.debt.dirty:
            version = claims[name]
            current = self.target(view, name)
            is_current = current is not None and current.version == version
            held[name] = current if current and is_current else Resource(self.type_url, name, b"", version=version)
        everything = view.resources(self.type_url)
        if isinstance(everything, Catalogue) and held == everything:
            # As a rule nothing has changed meanwhile, and what all of them hold is known without a look at each.
            held = Holding.of(everything)
        self.held = self._pools.ledger(held)

    def _edit(self, request: DeltaRequest) -> None:
        before = self.subscription
        self._subscribe(before.edited(request.subscribe, request.unsubscribe))
        after = self.subscription
        # xDS protocol: whoever subscribes again may have forgotten the resource, so it is sent even if unchanged.
        self.debt.owed |= after.names.intersection(request.subscribe)
        if after.wildcard and WILDCARD in request.subscribe:
            self.debt.everything = self.debt.reply = True
        if before.wildcard and not after.wildcard:
            self._forget({*self.held.names(), *self.debt.owed, *self.debt.dirty})
        dropped = before.names.intersection(request.unsubscribe)
        if after.wildcard:
            # xDS protocol: the client cannot know whether the wildcard covers a name that it drops, so it is told.
            self.debt.owed |= dropped
        self._forget(dropped)

    def _select(self, context: LaneContext) -> Selection | None:
        debt = self.debt
        if self._claims:
            self._redeem_claims(context.supply.view)
        if (everything := self._everything(context.supply)) is not None:
            return everything
        names = debt.owed | debt.dirty
        if debt.everything:
            names = names.union(context.supply.view.resources(self.type_url), self.held.names())
        if not self.subscription.wildcard:
            names = names & self.subscription.names
        changes: dict[str, Resource | None] = {}
        known = self._plain_resources(context)
        if len(names) > _MANY and known and not debt.dirty:
            # A first answer. To sort so many would take too long; the View's own order is the same for its streams.
            changes.update((name, each) for name, each in known.items() if name in names and each.body)
            names = names - changes.keys()
        # Sorted, so that streams that need the same resources need the same list of them.
        for name in sorted(names):
            resource = known.get(name)
            if resource is None or not resource.body:
                self._choose(context, name, changes)
            elif name in debt.owed or debt.everything or not same(resource, self.held.get(name)):
                changes[name] = resource
        if not changes and not debt.reply:
            return None
        return _selection(changes)

    def _plain_resources(self, context: LaneContext) -> Mapping[str, Resource]:
        """The View's resources if the client simply gets what is there: a first answer brings thousands of them."""
        is_plain = not (self.in_flight or self.leases or self._private) and self._is_plain(context.supply)
        return context.supply.view.resources(self.type_url) if is_plain else {}

    def _choose(self, context: LaneContext, name: str, changes: dict[str, Resource | None]) -> None:
        sent = self.sent(name)
        resource = self._offer(context, name, sent)
        is_asked = name in self.debt.owed
        if resource is not None and not resource.body:
            # What it kept from an earlier stream, of which nothing but the version is known, is all it can have.
            return
        if resource is not None:
            if is_asked or self.debt.everything or not same(resource, sent):
                changes[name] = resource
        elif (is_asked or sent is not None) and self.target(context.supply.view, name) is None:
            changes[name] = None

    def _accept(self, sent: Sent) -> None:
        self.held = sent.response.accepted(self.held, self._pools)
        if not self.subscription.wildcard:
            self._forget(sent.changes.keys())


def _selection(changes: Mapping[str, Resource | None]) -> Selection:
    removed = tuple(name for name, resource in changes.items() if resource is None)
    return Selection([resource for resource in changes.values() if resource is not None], changes, removed)
