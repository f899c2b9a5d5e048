"""The gRPC methods of the server: finds the handler of a call and ends calls that fail with a status.

Messages pass as raw bytes; discovery streams have ``xds.stream``, the small services are served here.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import grpc.aio

from xds.errors import Code, StreamRejected
from xds.fetch import fetch
from xds.gate import Call, Gate
from xds.load import STREAM_LOAD, LoadBook, decode_report, encode_instruction
from xds.methods import METHODS, Form, Method
from xds.node import Node
from xds.requests import RequestReader
from xds.status import FETCH_STATUS, STREAM_STATUS, Clocks, answer_status
from xds.stream import Stream

_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
_Run: TypeAlias = Callable[[], Awaitable[bytes | None]]


class Handlers(grpc.GenericRpcHandler):
    """Everything that the server answers; ``on_call`` is told of each call before anything else."""

    def __init__(self, gate: Gate, load: LoadBook, on_call: Callable[[], None]) -> None:
        self._gate = gate
        self._on_call = on_call
        self._load = load
        self._streams = itertools.count(1)
        self._handlers = {method.name: self._discovery(method) for method in METHODS.values()}
        self._handlers[STREAM_STATUS] = self._streaming(self._stream_status)
        self._handlers[FETCH_STATUS] = self._unary(self._fetch_status)
        self._handlers[STREAM_LOAD] = self._streaming(self._stream_load)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Handler | None":
        """See ``grpc.GenericRpcHandler``."""
        self._on_call()
        return self._handlers.get(handler_call_details.method)

    def _discovery(self, method: Method) -> "_Handler":
        if method.form is Form.FETCH:
            return self._unary(lambda call, raw: fetch(self._gate, method, call, raw))
        reader = RequestReader(method)
        self._gate.hub.rush.add(reader.kept)
        return self._streaming(lambda call: Stream(self._gate, method, reader, call).run())

    def _unary(self, answer: Callable[[Call, bytes], Awaitable[bytes]]) -> "_Handler":
        async def handle(raw: bytes, call: Call) -> bytes:
            return await self._guarded(call, lambda: answer(call, raw)) or b""

        return grpc.unary_unary_rpc_method_handler(handle)

    def _streaming(self, serve: Callable[[Call], Awaitable[None]]) -> "_Handler":
        async def handle(_: object, call: Call) -> None:
            await self._guarded(call, lambda: serve(call))

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _guarded(self, call: Call, run: _Run) -> bytes | None:
        """Run a call and end it with a status if it fails: nothing that happens in it may disturb another."""
        try:
            return await run()
        except StreamRejected as rejection:
            code, message = rejection.code, rejection.message
        except Exception as error:  # noqa: BLE001  # a bug or the application's failure ends this call alone
            code, message = Code.INTERNAL, "internal error"
            context = {"message": "an xDS call failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        return await call.abort(grpc.StatusCode[code.name], message)

    # -- client status --------------------------------------------------------------------------------

    async def _stream_status(self, call: Call) -> None:
        async with self._gate.reading(call):
            while (raw := await call.read()) is not grpc.aio.EOF:
                await call.write(self._status(raw))

    async def _fetch_status(self, call: Call, raw: bytes) -> bytes:
        async with self._gate.reading(call):
            return self._status(raw)

    def _status(self, raw: bytes) -> bytes:
        clocks = Clocks(asyncio.get_running_loop().time(), time.time())
        return answer_status(raw, self._gate.hub.clients.values(), clocks)

    # -- load reports ---------------------------------------------------------------------------------

    async def _stream_load(self, call: Call) -> None:
        stream = next(self._streams)
        async with self._gate.admitted(call) as identity:
            try:
                first = await call.read()
                if first is grpc.aio.EOF:
                    return
                report = decode_report(first)
                self._gate.authorize(identity, Node.of(report.node))
                await call.write(encode_instruction(self._gate.options.load_reporting_interval))
                self._load.record(stream, report.cluster_stats)
                while (raw := await call.read()) is not grpc.aio.EOF:
                    self._load.record(stream, decode_report(raw).cluster_stats)
            finally:
                self._load.forget(stream)
