"""Whom the server lets in: limits, authentication, the application's own decision."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import grpc.aio

from xds.arrivals import Arrivals
from xds.auth import Authenticator, Identity, Peer
from xds.client import Client
from xds.discovery import Discovery
from xds.errors import Code, ProtocolViolation, StreamRejected
from xds.events import StreamRefused
from xds.hub import Hub
from xds.limits import Admission
from xds.node import Node
from xds.options import ServerOptions
from xds.overdue import WriteWatch
from xds.restraint import Restraint
from xds.turns import Turns
from xds.view import View
from xds.wire import Request

Call = grpc.aio.ServicerContext[Any, Any]

# gRPC: a connection in plain text has a security type as well, "insecure".
_ENCRYPTED: Final = frozenset((b"ssl", b"tls"))


class Endable(Protocol):
    """A stream that can be told to end."""

    def end(self, reason: StreamRejected | None) -> None:
        """End as soon as possible."""


class Gate:
    """Admits calls. ``streams`` are those that are open now; ``close`` refuses all further ones."""

    def __init__(
        self, hub: Hub, discovery: Discovery, options: ServerOptions, authenticator: Authenticator | None
    ) -> None:
        self.hub = hub
        self.discovery = discovery
        self.options = options
        self.streams: set[Endable] = set()
        self.restraint = Restraint()
        self.turns = Turns(note=self.restraint.note, tell=hub.tell)
        self.writes = WriteWatch(options.write_timeout)
        self.arrivals = Arrivals(self.writes)
        self._authenticator = authenticator
        self._admission = Admission(options.limits)
        self._is_closed = False
        self._admitted = 0

    def close(self) -> None:
        """Admit nobody any more."""
        self._is_closed = True

    def report_refusal(self, call: Call, rejection: StreamRejected) -> None:
        """Show observers that a call ended before it had a client."""
        now = asyncio.get_running_loop().time()
        self.hub.emit(StreamRefused(call.peer(), now, rejection.code, rejection.message))

    @asynccontextmanager
    async def admitted(self, call: Call) -> AsyncIterator[Identity | None]:
        """Let a new call in, perhaps after a while, for the time of the block; raises StreamRejected."""
        if self._is_closed:
            raise StreamRejected(Code.UNAVAILABLE, "the server is shutting down")
        delay = self._admission.reserve(self._admitted, asyncio.get_running_loop().time())
        self._admitted += 1
        try:
            if delay:
                await asyncio.sleep(delay)
            yield await self._authenticator.authenticate(peer_of(call)) if self._authenticator is not None else None
        finally:
            self._admitted -= 1

    @asynccontextmanager
    async def reading(self, call: Call) -> AsyncIterator[None]:
        """As ``admitted``, for a call that wants to know about other clients."""
        async with self.admitted(call) as identity:
            if self._authenticator is not None:
                self._authenticator.authorize_reader(identity)
            yield

    def authorize(self, identity: Identity | None, node: Node) -> None:
        """Check that the identity may speak for this node; raises StreamRejected."""
        if self._authenticator is not None:
            self._authenticator.authorize(identity, node)

    async def attach(self, call: Call, identity: Identity | None, request: Request) -> tuple[Client, View]:
        """Have the application choose the View for a client that has introduced itself; raises StreamRejected."""
        if request.node is None:
            raise ProtocolViolation("missing node information")
        self.authorize(identity, request.node)
        client = Client(self.hub.next_number(), request.node, call.peer(), identity, time.time())
        return client, await self.discovery.attach(client)


def peer_of(call: Call) -> Peer:
    """What the transport knows of the other side of a call."""
    facts = {key: tuple(values) for key, values in call.auth_context().items()}
    certificates = facts.get("x509_pem_cert", ())
    return Peer(
        address=call.peer(),
        metadata=dict(call.invocation_metadata() or ()),
        certificate=certificates[0] if certificates else None,
        names=tuple(name.decode() for name in facts.get("x509_subject_alternative_name", ())),
        is_encrypted=not _ENCRYPTED.isdisjoint(facts.get("transport_security_type", ())),
    )
