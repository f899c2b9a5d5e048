"""The state-of-the-world half of a lane.

A request lists every name that is wanted and doubles as the ACK of the newest response. Listeners and
clusters are answered in full, because what a response leaves out is deleted; the other types may be
answered in part and cannot be deleted at all.
"""

from collections.abc import Iterable

from xds.exchange import LaneContext, Sent, Verdict
from xds.lane import Lane, same
from xds.resource import Resource
from xds.steps import Selection
from xds.wire import SotwRequest


class SotwLane(Lane[SotwRequest]):
    """One type on a state-of-the-world stream."""

    _came_back = False
    # Names that an outdated request did without: the client may have let go of what it had under them.
    _doubtful: frozenset[str] = frozenset()

    def receive(self, request: SotwRequest, now: float) -> Verdict | None:
        """See ``Lane.receive``. A request that answers an outdated response is ignored: its names are outdated too."""
        if not self.record.nonce_sent or (not request.nonce and request.error is None):
            # Nonces do not survive streams: one that came before the first response asks for the current state.
            self.opened = True
            # Envoy tells on a new stream which version it accepted on the one before.
            self._came_back = bool(request.version or request.nonce)
            self._open(request.names)
            return None
        is_current = request.nonce == self.record.nonce_sent
        verdict = self._settle(request, now) if is_current or request.error is not None else None
        if verdict is not None and verdict.error is not None and self._came_back and self.held.is_empty:
            # It may have from before what the refused response left out, and is told once more what there is.
            self.debt.reply = self.traits.full_state
        if is_current:
            # xDS protocol: names may change with an ACK and with a NACK.
            self._resubscribe(request.names)
        else:
            self.record.expired += 1
            self._doubtful |= self.subscription.names.difference(request.names)
        return verdict

    def _open(self, names: Iterable[str]) -> None:
        before = self.subscription
        self._subscribe(before.replaced(tuple(names)))
        self._forget(before.names)
        due = self.subscription.names
        self.debt.owed = self.debt.owed | due if self.debt.owed else due
        self.debt.everything = self.subscription.wildcard
        # These are answered even if there are none, or Envoy would wait for them.
        self.debt.reply = self.traits.full_state and not self.subscription.is_empty

    def _resubscribe(self, names: Iterable[str]) -> None:
        before = self.subscription
        after = before.replaced(tuple(names))
        if self._doubtful:
            self._give_again(self._doubtful & after.names)
        if after.names == before.names and after.wildcard == before.wildcard:
            return
        self._subscribe(after)
        if before.wildcard and not after.wildcard:
            self._forget(set(self.held.names()))
        self._forget(before.names - after.names)
        added = after.names - before.names
        self.debt.owed |= added
        if after.wildcard and not before.wildcard:
            self.debt.everything = True
        if self.traits.full_state and (added or self.debt.everything):
            self.debt.reply = True

    def _give_again(self, names: frozenset[str]) -> None:
        """The client wants these, did not for a moment, and waits for them if it has forgotten them since."""
        self._doubtful = frozenset()
        self.debt.owed |= names
        self.debt.reply = self.debt.reply or (self.traits.full_state and bool(names))

    def _select(self, context: LaneContext) -> Selection | None:
        everything = self._everything(context.supply)
        if everything is not None:
            return everything
        return self._select_full(context) if self.traits.full_state else self._select_part(context)

    def _select_part(self, context: LaneContext) -> Selection | None:
        debt = self.debt
        names = debt.owed | debt.dirty
        if debt.everything:
            names = names.union(context.supply.view.resources(self.type_url))
        chosen: dict[str, Resource] = {}
        # Sorted, so that streams that need the same resources need the same list of them.
        for name in sorted(names):
            sent = self.sent(name)
            resource = self._offer(context, name, sent)
            if resource is not None and (debt.everything or name in debt.owed or not same(resource, sent)):
                chosen[name] = resource
        return Selection(list(chosen.values()), chosen) if chosen else None

    def _select_full(self, context: LaneContext) -> Selection | None:
        debt = self.debt
        names = debt.owed | debt.dirty
        if debt.everything:
            names = names.union(context.supply.view.resources(self.type_url))
        changes = self._changed(context, names)
        if not changes and not self.must_reply:
            return None
        return Selection(self._full_state(context), changes)

    def _full_state(self, context: LaneContext) -> list[Resource]:
        current = context.supply.view.resources(self.type_url)
        subscription = self.subscription
        if subscription.wildcard and not subscription.names and self._is_plain(context.supply):
            return list(current.values())
        names = {*subscription.names, *self.retained, *(current if subscription.wildcard else ())}
        offers = (self._offer(context, name, self.sent(name)) for name in sorted(names))
        return [resource for resource in offers if resource is not None]

    def _accept(self, sent: Sent) -> None:
        if self.traits.full_state:
            self.held = sent.response.accepted(self.held, self._pools, in_full=True)
            # What it did not want any more when the response came, it has not taken.
            self._forget(sent.response.holding.keys())
        else:
            self.held = sent.response.accepted(self.held, self._pools)
            self._forget(sent.changes.keys())
