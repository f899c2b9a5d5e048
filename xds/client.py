"""A connected client as the application sees it: who it is, and what it was sent, accepted and refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from xds.auth import Identity
from xds.lane import Lane
from xds.node import Node
from xds.private import PrivateResources
from xds.quarantine import Rejection
from xds.resource import Resource
from xds.session import Session
from xds.types import TypeUrl
from xds.view import View
from xds.wire import DeltaRequest, SotwRequest


class SyncState(Enum):
    """How far a client is with one type: STALE when something is to be sent, or was sent and not answered."""

    NOT_SENT = "NOT SENT"
    STALE = "STALE"
    SYNCED = "SYNCED"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type of one client. ``version_sent`` and ``version_acked`` are of responses; times are of the server's clock.

    ``error`` is the reason of the last NACK until a later response is accepted; ``rejections`` are the
    resources that are held back from the client because it refused exactly what the View has now.
    ``resources`` counts what all ``responses`` brought and removed.
    """

    type_url: TypeUrl
    state: SyncState
    wildcard: bool
    names: frozenset[str]
    version_sent: str
    nonce_sent: str
    sent_at: float | None
    version_acked: str
    nonce_acked: str
    acked_at: float | None
    error: str | None
    error_at: float | None
    rejections: tuple[Rejection, ...]
    responses: int
    resources: int
    acks: int
    nacks: int
    expired: int


class ResourceState(Enum):
    """How far a client is with one resource."""

    REQUESTED = "REQUESTED"
    DOES_NOT_EXIST = "DOES NOT EXIST"
    ACKED = "ACKED"
    NACKED = "NACKED"


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource of one client: the version and bytes that it uses, and its complaint about a newer version."""

    type_url: TypeUrl
    name: str
    state: ResourceState
    version: str
    body: bytes | None
    rejection: Rejection | None


class Client:
    """One stream of one client. The same node may have several at a time, while it restarts for example.

    ``id`` counts the server's streams. ``connected_at`` is seconds since the epoch. ``private``
    is what this client alone gets; once it is attached, ``XdsServer.give`` adds to it. ``session`` is the library's.
    """

    __slots__ = ("__weakref__", "connected_at", "id", "identity", "node", "peer", "private", "session")

    def __init__(self, number: int, node: Node, peer: str, identity: Identity | None, connected_at: float) -> None:
        self.id = number
        self.node = node
        self.peer = peer
        self.identity = identity
        self.connected_at = connected_at
        self.private = PrivateResources()
        self.session: Session | None = None

    @property
    def node_id(self) -> str:
        """The id of the client's Node."""
        return self.node.id

    @property
    def protocol(self) -> str:
        """The protocol that the client speaks: "delta" or "sotw"."""
        return "delta" if self.session is not None and self.session.delta else "sotw"

    @property
    def view(self) -> View | None:
        """The View that the client is served from; None before the application attached it."""
        return self.session.view if self.session is not None else None

    def held(self, type_url: TypeUrl, name: str) -> Resource | None:
        """The resource that the client has accepted under this name and uses now."""
        lane = self.session.lane(type_url) if self.session is not None else None
        return lane.held.get(name) if lane is not None else None

    def status(self) -> tuple[TypeStatus, ...]:
        """Every type that the client asked for, in push order."""
        return tuple(_type_status(lane, self.session.view) for lane in self.session.lanes()) if self.session else ()

    def resources(self) -> Iterator[ResourceStatus]:
        """Every resource that the client asked for or was sent, by type and name."""
        if self.session is not None:
            for lane in self.session.lanes():
                yield from _resource_statuses(lane, self.session.view)

    def __repr__(self) -> str:
        return f"Client({self.id}, {self.node_id!r}, {self.peer})"


def _type_status(lane: Lane[SotwRequest] | Lane[DeltaRequest], view: View) -> TypeStatus:
    record = lane.record
    return TypeStatus(
        type_url=lane.type_url,
        state=_sync_state(lane),
        wildcard=lane.subscription.wildcard,
        names=lane.subscription.names,
        version_sent=record.version_sent,
        nonce_sent=record.nonce_sent,
        sent_at=record.sent_at,
        version_acked=record.version_acked,
        nonce_acked=record.nonce_acked,
        acked_at=record.acked_at,
        error=record.error,
        error_at=record.error_at,
        rejections=tuple(_standing_rejections(lane, view).values()),
        responses=record.responses,
        resources=record.resources,
        acks=record.acks,
        nacks=record.nacks,
        expired=record.expired,
    )


def _sync_state(lane: Lane[SotwRequest] | Lane[DeltaRequest]) -> SyncState:
    if lane.record.error is not None:
        return SyncState.ERROR
    if lane.must_push or lane.retained:
        return SyncState.STALE
    if not lane.record.nonce_sent:
        # A client that comes back with everything current is told nothing.
        return SyncState.NOT_SENT if lane.held.is_empty else SyncState.SYNCED
    return SyncState.SYNCED if lane.record.nonce_acked == lane.record.nonce_sent else SyncState.STALE


def _standing_rejections(lane: Lane[SotwRequest] | Lane[DeltaRequest], view: View) -> dict[str, Rejection]:
    standing = {}
    for rejection in lane.quarantine.rejections():
        current = lane.target(view, rejection.name)
        if current is not None and current.version == rejection.version:
            standing[rejection.name] = rejection
    return standing


def _resource_statuses(lane: Lane[SotwRequest] | Lane[DeltaRequest], view: View) -> Iterator[ResourceStatus]:
    rejections = _standing_rejections(lane, view)
    in_flight = {name for sent in lane.in_flight for name in sent.changes}
    for name in sorted({*lane.held.names(), *lane.subscription.names, *in_flight, *rejections}):
        held, rejection = lane.held.get(name), rejections.get(name)
        if rejection is not None:
            state = ResourceState.NACKED
        elif name in in_flight or lane.must_reply:
            state = ResourceState.REQUESTED
        else:
            state = ResourceState.ACKED if held is not None else ResourceState.DOES_NOT_EXIST
        version, body = (held.version, held.body) if held is not None else ("", None)
        yield ResourceStatus(lane.type_url, name, state, version, body, rejection)
