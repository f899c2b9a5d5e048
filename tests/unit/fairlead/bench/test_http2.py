"""The thin client against gRPC's own server: long messages, many streams, refusals, and servers that are none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from fairlead.bench.http2 import GrpcStream, Http2Connection, Http2Error

DEADLINE = 10.0


async def echo(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
    async for raw in requests:
        if raw == b"end":
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")
        await context.write(raw * 2)


@pytest.fixture
async def port(grpc_poller: None) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])
    handler = grpc.method_handlers_generic_handler("t.Echo", {"Echo": grpc.stream_stream_rpc_method_handler(echo)})
    server.add_generic_rpc_handlers([handler])
    number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield number
    await server.stop(0)


async def dial(port: int) -> Http2Connection:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Http2Connection("test", "http"), "127.0.0.1", port
    )
    await asyncio.wait_for(connection.established, DEADLINE)
    return connection


async def exchange(stream: GrpcStream, message: bytes) -> bytes:
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    stream.on_message = answered.set_result
    stream.send(message)
    return await asyncio.wait_for(answered, DEADLINE)


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 70_000, 2_000_000])
async def test_messages_of_any_length_arrive_whole(port: int, size: int) -> None:
    connection = await dial(port)
    stream = connection.open("/t.Echo/Echo")
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await exchange(stream, message) == message * 2
    assert await exchange(stream, b"again") == b"againagain"
    connection.close()


async def test_many_streams_share_a_connection(port: int) -> None:
    connection = await dial(port)
    streams = [connection.open("/t.Echo/Echo") for _ in range(50)]
    answers = await asyncio.gather(*(exchange(each, b"%d" % place) for place, each in enumerate(streams)))
    assert answers == [b"%d%d" % (place, place) for place in range(50)]
    connection.close()


async def test_the_end_of_a_stream_says_why(port: int) -> None:
    connection = await dial(port)
    stream = connection.open("/t.Echo/Echo")
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stream.on_end = ended.set_result
    stream.send(b"end")
    assert await asyncio.wait_for(ended, DEADLINE) == "gRPC status 8: enough"
    connection.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP/1"), (b"", "the connection was closed")],
)
async def test_a_server_that_speaks_something_else(answer: bytes, reason: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Http2Error, match=reason):
            await dial(server.sockets[0].getsockname()[1])
