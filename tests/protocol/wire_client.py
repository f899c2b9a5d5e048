"""An xDS client over a real connection that reads and writes with ``envoy-data-plane``, and a server for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import grpc
import grpc.aio
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.google.rpc import Status

from tests.protocol.models import Answer, decoded
from xds.auth import Authenticator
from xds.cache import SnapshotCache
from xds.client import Client
from xds.discovery import Discovery
from xds.events import Event, Observer, StreamRefused
from xds.options import ServerOptions
from xds.server import XdsServer
from xds.types import TypeUrl

DEADLINE = 10.0
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
SOTW = f"{ADS}/StreamAggregatedResources"
DELTA = f"{ADS}/DeltaAggregatedResources"


@dataclass
class Rig:
    """A server on a free port with a cache of one group, and everything that it told its observers."""

    cache: SnapshotCache
    server: XdsServer = field(init=False)
    port: int = field(init=False)
    events: list[Event | StreamRefused] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, event: Event | StreamRefused) -> None:
        """The server's observer; ``observers`` see an event after it."""
        self.events.append(event)
        self._told.set()
        for observer in self.observers:
            observer(event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def of(self, kind: type[Event] | type[StreamRefused]) -> list[Any]:
        """All events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[Event] | type[StreamRefused], count: int = 1) -> list[Any]:
        """Wait until there are so many events of a kind."""
        async with asyncio.timeout(DEADLINE):
            while len(found := self.of(kind)) < count:
                self._told.clear()
                await self._told.wait()
        return found

    @property
    def client(self) -> Client:
        """The only client."""
        (client,) = self.server.clients.values()
        return client


@asynccontextmanager
async def serving(
    *,
    options: ServerOptions | None = None,
    authenticator: Authenticator | None = None,
    discovery: Discovery | None = None,
) -> AsyncIterator[Rig]:
    """A running server; ``discovery`` replaces its cache."""
    cache = SnapshotCache(lambda _: "all")
    cache.set("all", [])
    rig = Rig(cache)
    server = XdsServer(discovery or cache, options=options, observers=[rig.observe], authenticator=authenticator)
    cache.connect(server)
    rig.server, rig.port = server, await server.start("127.0.0.1:0")
    try:
        yield rig
    finally:
        await server.stop(0.2)


class WireClient:
    """One stream. ``sotw`` and ``delta`` requests differ; answers are decoded to one form."""

    def __init__(
        self, channel: grpc.aio.Channel, method: str = SOTW, *, metadata: Mapping[str, str] | None = None
    ) -> None:
        self.delta = "/Delta" in method
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)(
            metadata=tuple((metadata or {}).items())
        )
        self._introduced = False

    async def write(self, raw: bytes) -> None:
        """Any bytes."""
        await self._call.write(raw)

    async def ask(
        self,
        type_url: TypeUrl | str,
        names: Iterable[str] = (),
        *,
        nonce: str = "",
        error: str | None = None,
        node: Node | None = None,
    ) -> None:
        """A request; the first one introduces the client. In delta the names are subscribed to."""
        if not self._introduced and node is None:
            node = Node(id="proxy-1", cluster="tests")
        self._introduced = True
        facts: dict[str, Any] = {
            "node": node,
            "type_url": type_url,
            "response_nonce": nonce,
            "error_detail": Status(message=error) if error is not None else None,
        }
        if self.delta:
            await self.write(bytes(discovery.DeltaDiscoveryRequest(resource_names_subscribe=list(names), **facts)))
        else:
            await self.write(bytes(discovery.DiscoveryRequest(resource_names=list(names), **facts)))

    async def hear(self) -> Answer:
        """The next response."""
        async with asyncio.timeout(DEADLINE):
            payload = await self._call.read()
        assert isinstance(payload, bytes), f"the stream ended: {await self._call.code()}"
        return decoded(payload, delta=self.delta)

    async def ack(self, answer: Answer, names: Iterable[str] = ()) -> None:
        """Accept a response."""
        await self.ask(answer.type_url, () if self.delta else names, nonce=answer.nonce)

    async def drain(self) -> None:
        """Read until the stream ends, however it does."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            async with asyncio.timeout(DEADLINE):
                while await self._call.read() is not grpc.aio.EOF:
                    pass

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Read until the stream ends; its status."""
        async with asyncio.timeout(DEADLINE):
            return await self._call.code(), await self._call.details()

    async def leave(self) -> None:
        """Close the stream from this side."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """Break the stream."""
        self._call.cancel()


@asynccontextmanager
async def connected(rig: Rig, credentials: grpc.ChannelCredentials | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the server."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    if credentials is None:
        channel = grpc.aio.insecure_channel(rig.address, options=options)
    else:
        channel = grpc.aio.secure_channel(f"localhost:{rig.port}", credentials, options=options)
    async with channel:
        yield channel
