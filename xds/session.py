"""One stream as a state machine: all of its types, the order between them, and what may be sent when.

Feed it requests, changes of the View and the time; ask it for the next response. It knows no sockets,
no event loop and no clock. Whoever drives it sends the responses in the order they are taken.

Rules between types:
- additions go clusters, endpoints, listeners, routes, secrets, then the rest; what an older resource at
  the client still refers to is not removed before that has been replaced and acknowledged;
- a cluster that was added or changed is followed by its endpoints (and secrets) even if those did not
  change: Envoy waits for them again, and asks only if the names changed;
- listeners and routes wait until new clusters are acknowledged: Envoy does so when they have warmed, and
  would answer requests to a cluster that is not ready with errors;
- one unacknowledged push per type; replies are delayed by nothing else, and not at all on a stream whose
  client has not acknowledged any clusters yet: after a reconnect it asks for everything at once.

No wait is longer than ``patience``, so a client that never acknowledges is served as well.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from xds.delta import DeltaLane
from xds.errors import ProtocolViolation
from xds.exchange import LaneContext, Sent, Supply, Verdict
from xds.lane import Lane
from xds.ledger import Pools
from xds.private import PrivateResources
from xds.resource import Reference, Resource
from xds.sotw import SotwLane
from xds.types import CLUSTER, ENDPOINT, PUSH_ORDER, SECRET, TRAITS, TypeTraits, TypeUrl
from xds.view import View, ViewChange
from xds.wire import DeltaRequest, SotwRequest

# What a changed cluster makes Envoy wait for.
_CLUSTER_NEEDS: Final = (ENDPOINT, SECRET)
# Nothing waits for these, nor they for anything but their own acknowledgements.
_UNORDERED: Final = frozenset({ENDPOINT, SECRET})
# These refer to no cluster.
_INDEPENDENT: Final = frozenset({CLUSTER, ENDPOINT, SECRET})


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What all sessions of a server have in common.

    ``patience`` is how long a push waits for the ACK of the one before it, in seconds; ``linger`` is how long a
    client may hold on to what was removed, if it asked for it by name.
    """

    types: Mapping[TypeUrl, TypeTraits]
    pools: Pools
    patience: float = 5.0
    linger: float = 60.0
    most_names: int = 100_000

    @classmethod
    def default(cls) -> "SessionRules":
        """The rules for Envoy's own types."""
        return cls(TRAITS, Pools())


class Received(msgspec.Struct, frozen=True):
    """What a request turned out to be. ``is_known`` is False for types that the server does not serve."""

    verdict: Verdict | None
    is_known: bool = True
    is_first: bool = False
    is_expired: bool = False


class Session:
    """The protocol state of one stream; ``delta`` tells which of the two protocols it speaks.

    ``private`` are the client's own resources, beside those that the supply has for all.
    """

    __slots__ = ("__weakref__", "_lanes", "_only", "_private", "_rules", "_supply", "_unserved", "delta", "is_settled")

    def __init__(
        self, supply: Supply, rules: SessionRules, *, delta: bool, private: PrivateResources | None = None
    ) -> None:
        self.delta = delta
        self._private = private or PrivateResources()
        self._supply = supply
        self._rules = rules
        self._lanes: dict[TypeUrl, Lane[SotwRequest] | Lane[DeltaRequest]] = {}
        self._unserved: frozenset[str] = frozenset()
        # Nothing is to be sent, now or when something is acknowledged: as with most streams most of the time.
        self.is_settled = True
        # The one lane that is not settled, if it is known that all others are: as after most changes.
        self._only: Lane[SotwRequest] | Lane[DeltaRequest] | None = None

    @property
    def owes_only_endpoints(self) -> bool:
        """Whether all that is due is endpoints that have changed, which nothing else waits for."""
        only = self._only
        return only is not None and only.type_url == ENDPOINT and not only.must_reply

    @property
    def view(self) -> View:
        """What the client is served from."""
        return self._supply.view

    # -- what comes in ----------------------------------------------------------------------------

    def receive(self, request: SotwRequest | DeltaRequest, now: float) -> Received:
        """Take a request of the stream. Raises StreamRejected when the stream has to end for it."""
        if not request.type_url:
            raise ProtocolViolation("the request names no type URL")
        traits = self._rules.types.get(request.type_url)
        if traits is None:
            is_first = request.type_url not in self._unserved
            self._unserved |= {request.type_url}
            return Received(None, is_known=False, is_first=is_first)
        lane = self._lanes.get(request.type_url) or self._open(traits)
        is_first, expired = not lane.opened, lane.record.expired
        verdict = lane.receive(request, now)  # type: ignore[arg-type]  # a stream speaks one protocol
        if self.is_settled:
            self.is_settled = lane.is_settled
        elif self._only is None:
            # What was acknowledged or dropped may be the last that referred to something kept for its sake.
            for other in self._lanes.values():
                other.reconsider()
        elif not (lane is self._only or lane.is_settled):
            self._only = None
        return Received(verdict, is_first=is_first, is_expired=lane.record.expired > expired)

    def mark(self, change: ViewChange, cause: object = None) -> bool:
        """Resources of the View, or the client's own, changed; True if a response may be due now that was not before.

        A change that comes to others which wait for an acknowledgement goes out with these.
        """
        is_news = False
        for type_url, names in change.items():
            lane = self._lanes.get(type_url)
            if lane is not None and lane.mark(names, cause):
                is_news = True
                self._only = lane if self.is_settled else None
                self.is_settled = False
        return is_news

    def concerns(self, change: ViewChange) -> bool:
        """Whether the client wants any of these."""
        lanes = ((self._lanes.get(type_url), names) for type_url, names in change.items())
        return any(lane.subscription.covers_any(names) for lane, names in lanes if lane is not None)

    def move(self, supply: Supply, cause: object = None) -> None:
        """The client belongs to another View from now on: it gets what differs."""
        self._supply = supply
        self.is_settled, self._only = False, None
        for lane in self._lanes.values():
            lane.compare(supply.view, cause)

    def expire(self) -> None:
        """The time told by ``wake_at`` has come."""
        for lane in self._lanes.values():
            lane.reconsider()

    # -- what goes out ----------------------------------------------------------------------------

    def next_response(self, now: float) -> Sent | None:
        """The next response to write, from the View as it is now; None when nothing is due."""
        if self.is_settled:
            return None
        if (only := self._only) is not None and only.type_url in _UNORDERED:
            if only.in_flight and self._waits(only, now) and not only.must_reply:
                return None
            sent = only.follow(self._supply, now)
            if sent is not None:
                # Nothing was kept or withheld, or there would have been nobody to follow.
                self.is_settled, self._only = True, None
                return sent
        self._only = None
        sent = self._compose(now)
        for lane in self._lanes.values():
            if not lane.is_settled:
                return sent
        self.is_settled = True
        return sent

    def wake_at(self, now: float) -> float | None:
        """When to call ``expire`` and ask for a response again if nothing happens before; None: not needed."""
        lanes = self._lanes.values()
        if self.is_settled:
            return None
        ends = [sent.at + self._rules.patience for lane in lanes for sent in lane.in_flight]
        ends += (end for lane in lanes for end in lane.leases.values())
        return min((end for end in ends if end > now), default=None)

    def lanes(self) -> Iterator[Lane[SotwRequest] | Lane[DeltaRequest]]:
        """The types that the client asked for, in push order."""
        return iter(self._lanes.values())

    def lane(self, type_url: TypeUrl) -> Lane[SotwRequest] | Lane[DeltaRequest] | None:
        """One of these types; None if the client did not ask for it."""
        return self._lanes.get(type_url)

    @property
    def unserved(self) -> frozenset[str]:
        """Type URLs that the client asked for and that the server does not serve."""
        return self._unserved

    def _compose(self, now: float) -> Sent | None:
        for lane in self._due(now):
            sent = lane.follow(self._supply, now)
            if sent is None:
                usage = _Usage(self, lane.type_url, now)
                sent = lane.compose(LaneContext(self._supply, usage, now, self._rules.linger))
            if sent is not None:
                if lane.type_url == CLUSTER:
                    self._follow_up(sent, is_first=lane.record.responses == 1)
                return sent
        return None

    def _open(self, traits: TypeTraits) -> Lane[SotwRequest] | Lane[DeltaRequest]:
        rules = self._rules
        make: type[SotwLane | DeltaLane] = DeltaLane if self.delta else SotwLane
        self._lanes[traits.type_url] = make(traits, rules.pools, rules.most_names, self._private.of(traits.type_url))
        last = len(PUSH_ORDER)
        self._lanes = dict(sorted(self._lanes.items(), key=lambda item: PUSH_ORDER.get(item[0], last)))
        return self._lanes[traits.type_url]

    def _due(self, now: float) -> Iterator[Lane[SotwRequest] | Lane[DeltaRequest]]:
        clusters = self._lanes.get(CLUSTER)
        for lane in self._lanes.values():
            if lane.is_settled:
                continue
            is_early = lane.type_url not in _INDEPENDENT and self._clusters_settle(now)
            if lane.must_reply and (not is_early or (clusters is not None and not clusters.record.acks)):
                if clusters is not None and clusters.must_push and is_early:
                    # The reply may refer to new clusters and does not wait, so they do not wait either.
                    yield clusters
                yield lane
            elif lane.must_push and not is_early and not self._waits(lane, now):
                yield lane

    def _clusters_settle(self, now: float) -> bool:
        """Tell whether clusters are to be sent, or were sent and are not ready yet."""
        lane = self._lanes.get(CLUSTER)
        if lane is None:
            return False
        return lane.must_push or (self._waits(lane, now) and any(sent.brings for sent in lane.in_flight))

    def _waits(self, lane: Lane[SotwRequest] | Lane[DeltaRequest], now: float) -> bool:
        until = lane.waits_until(self._rules.patience)
        return until is not None and until > now

    def _follow_up(self, sent: Sent, *, is_first: bool) -> None:
        """Envoy warms clusters that are new or changed until it gets their endpoints once more."""
        waiting = {type_url: lane for type_url in _CLUSTER_NEEDS if (lane := self._lanes.get(type_url)) is not None}
        if not waiting:
            # As a rule on a new connection: Envoy asks for what clusters need when it has them.
            return
        needs: dict[TypeUrl, set[str]] = {type_url: set() for type_url in waiting}
        for resource in sent.changes.values():
            for reference in resource.references if resource is not None else ():
                if reference.type_url in needs:
                    needs[reference.type_url].add(reference.name)
        for type_url, lane in waiting.items():
            # On a reconnect the endpoints may have been asked for, and answered, before the clusters.
            lane.owe(lane.subscription.names if is_first and type_url == ENDPOINT else needs[type_url], sent.cause)

    def outdated(self, now: float) -> Iterator[Resource]:
        """What the client may still use although the View has other resources by now."""
        for lane in self._lanes.values():
            yield from lane.outdated(self.view, now - self._rules.patience)

    def targets(self) -> Iterator[Resource]:
        """What the View has now for the names that the client asked for."""
        for lane in self._lanes.values():
            for name in lane.subscription.names:
                resource = lane.target(self.view, name)
                if resource is not None:
                    yield resource


class _Usage:
    """See ``Usage``: the resources of a session that refer to those of one type."""

    def __init__(self, session: Session, type_url: TypeUrl, now: float) -> None:
        self._session = session
        self._type_url = type_url
        self._now = now
        self._outdated: list[Resource] | None = None
        self._was_asked = False

    @property
    def was_asked(self) -> bool:
        return self._was_asked

    def referenced(self, name: str) -> bool:
        if self._outdated is None:
            self._outdated = [user for user in self._session.outdated(self._now) if not self._goes_along(user)]
        return self._refer(self._outdated, name)

    def demanded(self, name: str) -> bool:
        return self._refer(self._session.targets(), name)

    def _refer(self, users: Iterable[Resource], name: str) -> bool:
        self._was_asked = True
        reference = Reference(self._type_url, name)
        return any(user.refers_to(reference) for user in users)

    def _goes_along(self, user: Resource) -> bool:
        # Resources of one type that refer to each other and are removed together must not keep each other.
        return user.type_url == self._type_url and user.name not in self._session.view.resources(self._type_url)
