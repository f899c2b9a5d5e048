"""Applications of every kind of protocol, on sockets in the namespaces of their pods."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import H2Error

from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.services.backend import Instance

METHOD: Final = "/echo.Echo/Say"
_CHUNK: Final = 65_536
GREETING: Final = b"5.7.0-like\n"

# Runs in the namespace of a pod: gRPC makes its sockets in threads of its own.
_CALL: Final = """
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
print(channel.unary_unary(sys.argv[2])(b"", timeout=10, wait_for_ready=True).decode())
"""


@asynccontextmanager
async def serve_lines(
    instance: Instance, *, greeting: bytes = b"", tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Sends lines back behind the address that the caller came from; first a greeting, if there is one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(writer.get_extra_info("peername")[0].encode() + b" " + line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, sock=instance.listening, ssl=tls)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def serve_http2(instance: Instance) -> AsyncIterator[None]:
    """HTTP/2 without TLS, from clients that know: answers with the names of the headers that it was sent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        with suppress(ConnectionError, H2Error):
            while data := await reader.read(_CHUNK):
                for event in connection.receive_data(data):
                    if isinstance(event, RequestReceived) and event.stream_id and event.headers:
                        connection.send_headers(event.stream_id, [(":status", "200")])
                        names = " ".join(str(name) for name, _ in event.headers)
                        connection.send_data(event.stream_id, names.encode(), end_stream=True)
                writer.write(connection.data_to_send())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, sock=instance.listening)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def call_http2(namespace: NetworkNamespace, ip: str, port: int, host: str) -> str:
    """What a server says to one request over HTTP/2 without TLS. OSError without an answer."""
    reader, writer = await asyncio.open_connection(sock=await namespace.connect(ip, port))
    connection = H2Connection(H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    headers = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", host)]
    connection.send_headers(1, headers, end_stream=True)
    writer.write(connection.data_to_send())
    body = b""
    try:
        async with asyncio.timeout(5):
            while data := await reader.read(_CHUNK):
                for event in connection.receive_data(data):
                    if isinstance(event, DataReceived):
                        body += event.data or b""
                    if isinstance(event, StreamEnded):
                        return body.decode()
                writer.write(connection.data_to_send())
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    raise ConnectionResetError(f"closed after {body!r}")


def build_grpc(namespace_of: Callable[[str], NetworkNamespace]) -> Callable[[Instance], Any]:
    """A gRPC service that answers with the metadata that it was called with."""

    @asynccontextmanager
    async def serve(instance: Instance) -> AsyncIterator[None]:
        if instance.listening is not None:
            instance.listening.close()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Echo(),))
        with namespace_of(instance.host).entered():
            server.add_insecure_port(instance.address)
        await server.start()
        try:
            yield
        finally:
            await server.stop(None)

    return serve


async def call_grpc(namespace: NetworkNamespace, address: str) -> str:
    """The metadata with which a call from a namespace arrived. OSError when it failed."""
    command = namespace.command((sys.executable, "-c", _CALL, address, METHOD))
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    if child.returncode != 0:
        raise OSError(errors.decode(errors="replace").strip()[-500:])
    return output.decode()


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        if handler_call_details.method != METHOD:
            return None
        metadata = " ".join(str(pair[0]) for pair in handler_call_details.invocation_metadata)

        async def answer(_request: bytes, _context: object) -> bytes:
            return metadata.encode()

        return grpc.unary_unary_rpc_method_handler(answer)
