"""The stream of a proxy to a running control plane, in either protocol, that accepts and keeps all it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import grpc
import grpc.aio
from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret
from envoy_data_plane.google.rpc import Status

from fairlead.identity import ProxyIdentity
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.integration.serving import Rig, identity
from xds.client import Client, SyncState
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl, short_name

ADS: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
_MESSAGES: Final[Mapping[str, type[Message]]] = {
    CLUSTER: Cluster,
    ENDPOINT: ClusterLoadAssignment,
    LISTENER: Listener,
    ROUTE: RouteConfiguration,
    SECRET: Secret,
}
_SETTLED: Final = frozenset({SyncState.SYNCED, SyncState.NOT_SENT})


@dataclass(frozen=True)
class Heard:
    """A response. ``type`` is the short name of its type."""

    type_url: TypeUrl
    nonce: str
    resources: dict[str, Any]
    removed: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        return short_name(self.type_url)

    @property
    def brief(self) -> tuple[str, list[str]]:
        """The type, and the names of what it brings."""
        return self.type, sorted(self.resources)


@dataclass
class ProxyStream:
    """One stream; ``heard`` is everything so far. ``refusal`` says of a response why it is refused, if it is."""

    rig: Rig
    call: "grpc.aio.StreamStreamCall[bytes, bytes]"
    delta: bool
    node: Node | None
    heard: list[Heard] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    refusal: Callable[[Heard], str] = lambda _: ""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(
        self, type_url: TypeUrl | str, names: Iterable[str] = (), *, nonce: str = "", error: str | None = None
    ) -> None:
        """A request: in state-of-the-world for exactly these names, in delta for these as well."""
        listed = list(names)
        node, self.node = self.node, None
        detail = Status(code=3, message=error) if error is not None else None
        facts: dict[str, Any] = {"node": node, "type_url": type_url, "response_nonce": nonce, "error_detail": detail}
        if self.delta:
            await self._write(discovery.DeltaDiscoveryRequest(resource_names_subscribe=listed, **facts))
        else:
            self.names[type_url] = listed
            await self._write(discovery.DiscoveryRequest(resource_names=listed, **facts))

    async def _write(self, request: Message) -> None:
        async with self._writing:
            await self.call.write(bytes(request))

    async def follow(self) -> None:
        """Read and answer every response until the stream ends."""
        while isinstance(raw := await self.call.read(), bytes):
            heard = _decoded_delta(raw) if self.delta else _decoded_sotw(raw)
            self.heard.append(heard)
            names = () if self.delta else self.names[heard.type_url]
            await self.ask(heard.type_url, names, nonce=heard.nonce, error=self.refusal(heard) or None)

    @property
    def client(self) -> Client:
        """The control plane's side of this stream."""
        (client,) = (client for client, _ in self.rig.plane.proxies)
        return client

    async def start(self) -> None:
        """Ask for everything that an Envoy asks for."""
        await self.ask(CLUSTER)
        await self.next()
        view = self.client.view
        assert view is not None
        for type_url in (ENDPOINT, LISTENER, ROUTE):
            names = () if type_url == LISTENER else view.resources(type_url)
            if names or type_url == LISTENER:
                await self.ask(type_url, names)
                await self.next()
        await self.settled()

    async def next(self) -> Heard:
        """The next response: what was asked for comes as one."""

        async def probe() -> Heard:
            if not self.heard:
                raise NotYetError("silence")
            return self.heard.pop(0)

        return await wait_until(probe)

    async def settled(self) -> list[Heard]:
        """Wait until the control plane is idle and all that it sent is answered; what came since the last time."""

        async def probe() -> None:
            await self.rig.plane.pusher.idle()
            proxies = list(self.rig.plane.proxies)
            states = [status.state for client, _ in proxies for status in client.status()]
            if not states or not _SETTLED.issuperset(states):
                raise NotYetError(f"{states}; heard {[each.brief for each in self.heard]}")

        await wait_until(probe)
        heard, self.heard = self.heard, []
        return heard

    async def reaction(self, change: Callable[[], object], *objects: str) -> list[Heard]:
        """Make a change of these objects; everything that is sent because of it."""
        await changed(self.rig, change, *objects)
        return await self.settled()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended."""
        async with asyncio.timeout(10):
            return await self.call.code(), await self.call.details()


async def changed(rig: Rig, change: Callable[[], object], *objects: str) -> None:
    """Make a change of these objects and wait until it is in force."""
    before = next((push.number for push in rig.plane.ledger), 0)
    change()

    async def noticed() -> None:
        pushes = [push for push in rig.plane.ledger if push.number > before]
        missing = set(objects) - {name for push in pushes for name in push.objects}
        if missing:
            raise NotYetError(f"no push for {missing}")

    await wait_until(noticed)
    await rig.plane.pusher.idle()


@asynccontextmanager
async def proxy_stream(
    rig: Rig, who: ProxyIdentity | None = None, *, delta: bool = True, node: Mapping[str, Any] | None = None
) -> AsyncIterator[ProxyStream]:
    """Connect as a proxy; ``node`` replaces what its identity says."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    method = f"{ADS}/{'Delta' if delta else 'Stream'}AggregatedResources"
    async with grpc.aio.insecure_channel(str(rig.plane.xds_address), options=options) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()
        stream = ProxyStream(rig, call, delta, Node.from_dict(node or (who or identity()).node()))
        reader = asyncio.create_task(stream.follow())
        try:
            yield stream
        finally:
            call.cancel()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


def _decoded_sotw(raw: bytes) -> Heard:
    response = discovery.DiscoveryResponse.parse(raw)
    made = [_MESSAGES[response.type_url].parse(each.value) for each in response.resources]
    named = {_name(each): each for each in made}
    assert len(named) == len(made), "a name must not come twice in one response"
    return Heard(TypeUrl(response.type_url), response.nonce, named)


def _decoded_delta(raw: bytes) -> Heard:
    response = discovery.DeltaDiscoveryResponse.parse(raw)
    message = _MESSAGES[response.type_url]
    named = {each.name: message.parse(each.resource.value) for each in response.resources if each.resource}
    assert len(named) == len(response.resources), "a name must not come twice in one response"
    return Heard(TypeUrl(response.type_url), response.nonce, named, tuple(response.removed_resources))


def _name(message: Any) -> str:  # noqa: ANN401 - any of the resource types
    name: str = message.cluster_name if isinstance(message, ClusterLoadAssignment) else message.name
    return name
