"""The floor: a ``grpc.aio`` server that holds finished bytes and writes a change to every stream, and nothing else.

No subscriptions, no versions, no order: what any server on ``grpc.aio`` has to spend at least.
"""

import argparse
import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import uvloop
from envoy.service.discovery.v3 import discovery_pb2

from fairlead.bench.content import split_name
from fairlead.bench.request import DELTA_METHOD, SOTW_METHOD
from xds.types import BY_SHORT_NAME, TRAITS, TypeUrl

_LENGTH: Final = 4
_NODE_ID_PARTS: Final = 4

Bodies = dict[str, bytes]
Stream = grpc.aio.ServicerContext[Any, Any]


class _Line:
    """A stream that answers and changes are written to: one at a time, which is all that it can take."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._turn = asyncio.Lock()

    async def write(self, raw: bytes) -> None:
        async with self._turn:
            await self._stream.write(raw)


class BareServer:
    """Streams by class, and what each class gets."""

    def __init__(self, folder: Path) -> None:
        self._resources: dict[tuple[str, TypeUrl], Bodies] = {}
        self._streams: dict[tuple[str, bool], set[_Line]] = {}
        for path in folder.glob("*/*.pb"):
            content = discovery_pb2.DiscoveryResponse.FromString(path.read_bytes())
            self._resources[path.parent.name, BY_SHORT_NAME[path.stem]] = _bodies(content)

    async def stream_sotw(self, requests: AsyncIterator[bytes], context: Stream) -> None:
        """A state-of-the-world stream."""
        await self._serve(requests, context, delta=False)

    async def stream_delta(self, requests: AsyncIterator[bytes], context: Stream) -> None:
        """A delta stream."""
        await self._serve(requests, context, delta=True)

    async def push(self, change: bytes) -> None:
        """Write a change to every stream that it is for."""
        while change:
            end = _LENGTH + int.from_bytes(change[:_LENGTH])
            content = discovery_pb2.DiscoveryResponse.FromString(change[_LENGTH:end])
            change = change[end:]
            await asyncio.gather(*self._writes(content), return_exceptions=True)

    def _writes(self, content: discovery_pb2.DiscoveryResponse) -> Iterator[Awaitable[None]]:
        changed, type_url = _bodies(content), TypeUrl(content.type_url)
        for name in content.control_plane.identifier.split(","):
            held = self._resources.setdefault((name, type_url), {})
            held |= changed
            for delta in (False, True):
                if streams := self._streams.get((name, delta)):
                    full = not delta and TRAITS[type_url].full_state
                    raw = _encode(type_url, held if full else changed, delta=delta)
                    yield from [line.write(raw) for line in streams]

    async def _serve(self, requests: AsyncIterator[bytes], context: Stream, *, delta: bool) -> None:
        name, line = "", _Line(context)
        kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
        try:
            async for raw in requests:
                request = kind.FromString(raw)
                if request.HasField("node"):
                    name = _class_of(request.node.id)
                    self._streams.setdefault((name, delta), set()).add(line)
                if not request.response_nonce:
                    type_url = TypeUrl(request.type_url)
                    await line.write(_encode(type_url, self._resources.get((name, type_url), {}), delta=delta))
        finally:
            self._streams.get((name, delta), set()).discard(line)


def _encode(type_url: TypeUrl, bodies: Mapping[str, bytes], *, delta: bool) -> bytes:
    if delta:
        response = discovery_pb2.DeltaDiscoveryResponse(type_url=type_url, nonce="1", system_version_info="1")
        for name, body in bodies.items():
            added = response.resources.add(name=name, version="1")
            added.resource.type_url, added.resource.value = type_url, body
        return response.SerializeToString()
    full = discovery_pb2.DiscoveryResponse(type_url=type_url, nonce="1", version_info="1")
    for body in bodies.values():
        full.resources.add(type_url=type_url, value=body)
    return full.SerializeToString()


def _bodies(content: discovery_pb2.DiscoveryResponse) -> Bodies:
    return {split_name(packed.value): packed.value for packed in content.resources}


def _class_of(node_id: str) -> str:
    """Istio: ``type~ip~name.namespace~domain``."""
    kind, _, name, _ = (node_id.split("~") + [""] * _NODE_ID_PARTS)[:_NODE_ID_PARTS]
    return f"{kind}.{name.partition('.')[2]}"


async def _follow(server: BareServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readexactly(_LENGTH)
            await server.push(await reader.readexactly(int.from_bytes(head)))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    bare = BareServer(arguments.resources)
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1), ("grpc.max_concurrent_streams", 1 << 20)])
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        SOTW_METHOD: grpc.stream_stream_rpc_method_handler(bare.stream_sotw),
        DELTA_METHOD: grpc.stream_stream_rpc_method_handler(bare.stream_delta),
    }
    service, _, _ = SOTW_METHOD.lstrip("/").partition("/")
    named = {path.rpartition("/")[2]: handler for path, handler in handlers.items()}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, named)])
    server.add_insecure_port(arguments.listen)
    await server.start()
    control = await asyncio.start_unix_server(lambda *ends: _follow(bare, *ends), arguments.control)
    gc.collect()
    gc.freeze()
    async with control:
        await control.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--resources", type=Path, required=True)
    parser.add_argument("--control", required=True)
    gc.set_threshold(50_000, 20, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
