"""The xDS server: listens, runs a Stream for every call, and is told what changed.

server = XdsServer(discovery)
port = await server.start("127.0.0.1:18000")
server.publish(view, {CLUSTER: {"web"}})
await server.stop(grace=5)
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import grpc
import grpc.aio

from xds.auth import Authenticator
from xds.client import Client
from xds.discovery import Discovery
from xds.errors import Code, StreamRejected
from xds.events import Observer
from xds.fetch import fetch
from xds.gate import Call, Gate
from xds.hub import Hub
from xds.methods import METHODS, Form, Method
from xds.options import ServerOptions
from xds.stream import Stream
from xds.view import View, ViewChange

# Of the grace period, the part over which open streams are ended one after the other.
_SPREAD: Final = 0.5

_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class XdsServer:
    """Serves Views to clients over gRPC. All methods belong to the event loop that ``start`` ran on."""

    def __init__(
        self,
        discovery: Discovery,
        *,
        options: ServerOptions | None = None,
        observers: Iterable[Observer] = (),
        authenticator: Authenticator | None = None,
    ) -> None:
        self.options = options or ServerOptions()
        self._hub = Hub(self.options, observers)
        self._gate = Gate(self._hub, discovery, self.options, authenticator)
        self._server: grpc.aio.Server | None = None
        self.clients: Mapping[int, Client] = MappingProxyType(self._hub.clients)

    async def start(self, address: str) -> int:
        """Listen on ``address`` (``host:port``, port 0 takes a free one) and return the port; may raise OSError."""
        server = grpc.aio.server(options=list(self.options.channel_arguments()))
        server.add_generic_rpc_handlers((_Methods(self._gate),))
        credentials = self.options.credentials()
        try:
            port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}") from error
        await server.start()
        self._server = server
        return port

    async def stop(self, grace: float) -> None:
        """Stop listening, end all streams within ``grace`` seconds, a few at a time, and wait for their end."""
        if self._server is None:
            return
        self._gate.close()
        streams = list(self._gate.streams)
        # Connections are told to go away at once; streams end one after the other, so that the replicas that
        # take the clients over do not get all of them in the same moment.
        stopping = asyncio.ensure_future(self._server.stop(grace))
        for stream in streams:
            stream.end(StreamRejected(Code.UNAVAILABLE, "the server is shutting down"))
            await asyncio.sleep(grace * _SPREAD / len(streams))
        await stopping

    def publish(self, view: View, change: ViewChange, cause: object = None) -> None:
        """Announce what changed in a View to all of its clients.

        The View must already hold the new resources, and no await may stand between changing it and this
        call: a stream that reads in between would see one half of the change. ``cause`` comes back in the
        events of the responses that carry the change.
        """
        self._hub.publish(view, change, cause)

    def move(self, client: Client, view: View, cause: object = None) -> None:
        """Serve the client from another View from now on; it gets what differs. A client that left is ignored."""
        self._hub.move(client, view, cause)


class _Methods(grpc.GenericRpcHandler):
    """Finds the handler of a call; messages pass as raw bytes."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._handlers = {name: self._handler(method) for name, method in METHODS.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Handler | None":
        return self._handlers.get(handler_call_details.method)

    def _handler(self, method: Method) -> "_Handler":
        if method.form is Form.FETCH:

            async def answer(request: bytes, call: Call) -> bytes:
                return await self._guarded(call, lambda: fetch(self._gate, method, call, request)) or b""

            return grpc.unary_unary_rpc_method_handler(answer)

        async def serve(_: object, call: Call) -> None:
            await self._guarded(call, Stream(self._gate, method, call).run)

        return grpc.stream_stream_rpc_method_handler(serve)

    async def _guarded(self, call: Call, run: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """Run a call and end it with a status if it fails: nothing that happens in it may disturb another."""
        try:
            return await run()
        except StreamRejected as rejection:
            code, message = rejection.code, rejection.message
        except Exception as error:  # noqa: BLE001  # a bug or the application's failure ends this call alone
            code, message = Code.INTERNAL, "internal error"
            context = {"message": "an xDS stream failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        return await call.abort(grpc.StatusCode[code.name], message)
