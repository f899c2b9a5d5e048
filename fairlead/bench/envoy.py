"""A proxy that asks and answers as Envoy does, without any connection: requests come back as bytes to send."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from fairlead.bench.content import Content, Names, Reply, Stamp
from fairlead.bench.holding import NOTHING, Holding
from fairlead.bench.request import delta_ack, delta_request, sotw_request
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TRAITS, TypeUrl

_NO_NAMES: Final[Names] = frozenset()
# What makes up the names that are asked for, of each type that is not asked for as a whole.
_REFERRING: Final = {ENDPOINT: (CLUSTER,), ROUTE: (LISTENER,), SECRET: (CLUSTER, LISTENER)}

Read = Callable[[Reply], Content]


@dataclass(slots=True)
class Lane:
    """One type of one proxy. ``wanted`` are the names that were asked for; ``answered`` is the last response."""

    type_url: TypeUrl
    wanted: Names = _NO_NAMES
    held: Holding = NOTHING
    is_open: bool = False
    answered: Stamp | None = None
    responses: int = 0


@dataclass(slots=True)
class SimulatedEnvoy:
    """Envoy asks for clusters, then for their endpoints, then for listeners and what these refer to.

    Envoy: listeners are asked for when all clusters are warm. It accepts everything.
    """

    node: bytes
    delta: bool
    lanes: dict[TypeUrl, Lane] = field(default_factory=dict)

    def connect(self) -> Iterator[bytes]:
        """The requests on a new stream: the first one, or on a reconnection all that it wants and what it has."""
        known = [lane for lane in self.lanes.values() if lane.is_open]
        if not known:
            known = [self._lane(CLUSTER)]
        node = self.node
        for lane in known:
            lane.is_open, lane.answered = True, None
            yield self._ask(lane, lane.wanted, _NO_NAMES, node, first=True)
            # Envoy: set_node_on_first_message_only.
            node = b""

    def acknowledge(self, stamp: Stamp) -> bytes:
        """Accept a response."""
        lane = self._lane(stamp.type_url)
        lane.answered = stamp
        lane.responses += 1
        return delta_ack(stamp) if self.delta else sotw_request(stamp.type_url, lane.wanted, stamp)

    def take(self, stamp: Stamp, content: Content) -> list[bytes]:
        """Put the content of an accepted response in force; what to ask for in consequence."""
        lane = self._lane(stamp.type_url)
        full = not self.delta and TRAITS[stamp.type_url].full_state
        lane.held = lane.held.take(content, stamp.removed, full=full)
        return list(self._follow())

    @property
    def is_configured(self) -> bool:
        """Whether everything that was asked for has come."""
        listeners = self.lanes.get(LISTENER)
        return listeners is not None and bool(listeners.responses) and all(map(_is_complete, self.lanes.values()))

    def knows(self, host: str, *, routed: bool) -> bool:
        """Whether a change of a host's endpoints, or of the routes to it, concerns this proxy."""
        if routed:
            lane = self.lanes.get(ROUTE)
            return lane is not None and host in lane.held.hosts
        lane = self.lanes.get(ENDPOINT)
        return lane is not None and f"outbound|8000||{host}" in lane.wanted

    def _follow(self) -> Iterator[bytes]:
        """Requests for what became wanted, and not for what is wanted no more."""
        for type_url, sources in _REFERRING.items():
            lane = self._lane(type_url)
            wanted = self._wanted(type_url, sources)
            if wanted is not lane.wanted and wanted != lane.wanted:
                added, dropped = wanted - lane.wanted, lane.wanted - wanted
                lane.wanted, first = wanted, not lane.is_open
                lane.is_open = True
                yield self._ask(lane, added, dropped, b"", first=first)
        clusters, listeners = self._lane(CLUSTER), self._lane(LISTENER)
        if not listeners.is_open and clusters.responses and _is_complete(self._lane(ENDPOINT)):
            listeners.is_open = True
            yield self._ask(listeners, _NO_NAMES, _NO_NAMES, b"", first=True)

    def _wanted(self, type_url: TypeUrl, sources: tuple[TypeUrl, ...]) -> Names:
        if len(sources) == 1:
            return self._lane(sources[0]).held.wanted(type_url)
        return _NO_NAMES.union(*(self._lane(source).held.wanted(type_url) for source in sources))

    def _ask(self, lane: Lane, added: Names, dropped: Names, node: bytes, *, first: bool) -> bytes:
        if self.delta:
            return delta_request(lane.type_url, added, dropped, lane.held if first else None, node)
        return sotw_request(lane.type_url, lane.wanted, lane.answered, node)

    def _lane(self, type_url: TypeUrl) -> Lane:
        lane = self.lanes.get(type_url)
        if lane is None:
            lane = self.lanes[type_url] = Lane(type_url)
        return lane


def _is_complete(lane: Lane) -> bool:
    return not lane.wanted or lane.held.covers(lane.wanted)
