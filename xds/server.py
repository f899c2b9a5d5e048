"""The xDS server: listens, serves discovery, client status and load reports, and is told what changed.

server = XdsServer(discovery)
port = await server.start("127.0.0.1:18000")
server.publish(view, {CLUSTER: {"web"}})
await server.stop(grace=5)
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

import grpc.aio

from xds.auth import Authenticator
from xds.client import Client
from xds.discovery import Discovery
from xds.errors import Code, StreamRejected
from xds.events import Observer
from xds.gate import Gate
from xds.handlers import Handlers
from xds.hub import Hub
from xds.load import LoadBook
from xds.options import ServerOptions
from xds.resource import Resource
from xds.view import View, ViewChange

# Of the grace period, the part over which open streams are ended one after the other.
_SPREAD: Final = 0.5


class XdsServer:
    """Serves Views to clients over gRPC. All methods belong to the event loop that ``start`` ran on.

    ``clients`` are the connected ones by their number, ``load`` is what they report about their requests.
    ``on_call`` is called for every call that comes, admitted or not: gRPC keeps the handler that it looks up for it in
    a cycle, which matters to whoever decides when the garbage collector runs.
    """

    def __init__(
        self,
        discovery: Discovery,
        *,
        options: ServerOptions | None = None,
        observers: Iterable[Observer] = (),
        authenticator: Authenticator | None = None,
        on_call: Callable[[], None] = lambda: None,
    ) -> None:
        self.options = options or ServerOptions()
        self._hub = Hub(self.options, observers)
        self._gate = Gate(self._hub, discovery, self.options, authenticator)
        self._servers: list[grpc.aio.Server] = []
        self.load = LoadBook()
        self._handlers = Handlers(self._gate, self.load, on_call)
        self.clients: Mapping[int, Client] = MappingProxyType(self._hub.clients)

    async def start(self, address: str, options: ServerOptions | None = None) -> int:
        """Listen on ``address`` (``host:port``, port 0 takes a free one) and return the port; may raise OSError.

        A server may listen on several addresses. ``options`` take the place of the server's own in what concerns the
        connections to this one: TLS, signs of life, age.
        """
        options = options or self.options
        server = grpc.aio.server(options=list(options.channel_arguments()))
        server.add_generic_rpc_handlers((self._handlers,))
        credentials = options.credentials()
        try:
            port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}") from error
        await server.start()
        self._servers.append(server)
        return port

    async def stop(self, grace: float) -> None:
        """Stop listening, end all streams within ``grace`` seconds, a few at a time, and wait for their end."""
        if not self._servers:
            return
        self._gate.close()
        streams = list(self._gate.streams)
        # Connections are told to go away at once; streams end one after the other, so that the replicas that
        # take the clients over do not get all of them in the same moment.
        stopping = asyncio.gather(*(server.stop(grace) for server in self._servers))
        for stream in streams:
            stream.end(StreamRejected(Code.UNAVAILABLE, "the server is shutting down"))
            await asyncio.sleep(grace * _SPREAD / len(streams))
        await stopping

    def publish(
        self, view: View, change: ViewChange, cause: object = None, losses: AbstractSet[str] = frozenset()
    ) -> None:
        """Announce what changed in a View to all of its clients.

        The View must already hold the new resources, and no await may stand between changing it and this
        call: a stream that reads in between would see one half of the change. ``cause`` comes back in the
        events of the responses that carry the change. ``losses`` are the names of those changed endpoint
        assignments in which endpoints are gone or may get no more requests: who uses them is told first.
        """
        self._hub.publish(view, change, cause, losses)

    def give(self, client: Client, resources: Iterable[Resource], cause: object = None) -> None:
        """Serve these to this client alone, in place of what it had under their names. Ignored when it left.

        It gets them where it asks for their names, whatever its View has under them.
        """
        self._hub.give(client, resources, cause)

    def move(self, client: Client, view: View, cause: object = None) -> None:
        """Serve the client from another View from now on; it gets what differs. A client that left is ignored."""
        self._hub.move(client, view, cause)
