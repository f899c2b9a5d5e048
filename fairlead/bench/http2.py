"""A client's half of HTTP/2 for gRPC streams, and no more of it than that: the measuring must not be what is slow.

A library object per frame costs more than a control plane needs for the push that is to be measured. Here a push to
a thousand streams costs the client about ten microseconds each.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

from hpack import Decoder, Encoder, HPACKError

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD: Final = 9
# gRPC: whether a message is compressed, and its length.
_PREFIX: Final = 5
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_SET_INITIAL_WINDOW, _SET_MAX_FRAME, _SET_PUSH = 4, 5, 2

# Envoy's own limits: nothing is ever held up by the client.
_WINDOW: Final = 1 << 28
_DEFAULT_WINDOW: Final = 65_535
_DEFAULT_FRAME: Final = 16_384

Headers = Sequence[tuple[str, str]]
Bytes = TypeVar("Bytes", bytes, memoryview)


class Http2Error(Exception):
    """The other side does not speak HTTP/2 with gRPC in it; the text says what it does instead."""


class GrpcStream:
    """One call: whole messages in both directions. The owner sets the two callbacks before anything can arrive."""

    __slots__ = (
        "_connection",
        "_head",
        "_missing",
        "_pieces",
        "_queue",
        "_received",
        "id",
        "on_end",
        "on_message",
        "window",
    )

    def __init__(self, connection: "Http2Connection", number: int, window: int) -> None:
        self._connection = connection
        self.id = number
        self.window = window
        self.on_message: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[str], None] = _ignore
        # Of a message that has come in part: its head as long as not even that is complete, else the pieces of its
        # body and how many bytes are missing. They are joined once.
        self._head = b""
        self._pieces: list[bytes | memoryview] = []
        self._missing = 0
        self._queue: list[bytes] = []
        self._received = 0

    def send(self, message: bytes) -> None:
        """Write a message, as soon as the other side's windows allow."""
        self._queue.append(b"\0" + len(message).to_bytes(4) + message)
        self.flush()

    def flush(self) -> None:
        """Write what the windows allow."""
        connection = self._connection
        while self._queue:
            allowed = min(self.window, connection.send_window, connection.max_frame)
            if allowed <= 0:
                connection.hold(self)
                return
            piece = self._queue[0]
            if len(piece) > allowed:
                self._queue[0] = piece[allowed:]
                piece = piece[:allowed]
            else:
                del self._queue[0]
            self.window -= len(piece)
            connection.send_window -= len(piece)
            connection.write(_frame(_DATA, 0, self.id, piece))

    def receive(self, payload: bytes | memoryview) -> None:
        """Take bytes of the call, and hand on the messages that they complete."""
        self._received += len(payload)
        if self._received >= _WINDOW // 2:
            self._connection.write(_frame(_WINDOW_UPDATE, 0, self.id, self._received.to_bytes(4)))
            self._received = 0
        while payload:
            if not self._missing:
                payload = self._begin(payload)
            piece = payload[: self._missing]
            self._pieces.append(piece)
            self._missing -= len(piece)
            payload = payload[len(piece) :]
            if not self._missing and not self._head:
                message, self._pieces = b"".join(self._pieces), []
                self.on_message(message)

    def _begin(self, payload: bytes | memoryview) -> bytes | memoryview:
        """Read the head of the next message, unless it is still incomplete; returns what follows it."""
        if self._head or len(payload) < _PREFIX:
            payload = self._head + payload
            if len(payload) < _PREFIX:
                self._head = payload
                return b""
            self._head = b""
        self._missing = int.from_bytes(payload[1:_PREFIX])
        return payload[_PREFIX:]


class Http2Connection(asyncio.Protocol):
    """One connection with any number of calls."""

    def __init__(self, authority: str, scheme: str, metadata: Headers = ()) -> None:
        self._headers = [(":method", "POST"), (":scheme", scheme), (":authority", authority)]
        self._more = [("te", "trailers"), ("content-type", "application/grpc"), *metadata]
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._transport: asyncio.Transport
        self._streams: dict[int, GrpcStream] = {}
        self._held: dict[GrpcStream, None] = {}
        self._next_id = 1
        # The beginning of a frame; of one with data, which stream it belongs to and how much of it has not come.
        self._rest = b""
        self._filling = self._awaited = 0
        # What is written while something is read: one write for all of it, as Envoy has.
        self._outgoing: list[bytes] | None = None
        self._block = b""
        self._block_ends = False
        self._received = 0
        self._stream_window = _DEFAULT_WINDOW
        self.send_window = _DEFAULT_WINDOW
        self.max_frame = _DEFAULT_FRAME
        self.bytes_read = 0
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure = ""

    def open(self, path: str) -> GrpcStream:
        """Start a call of a method."""
        stream = GrpcStream(self, self._next_id, self._stream_window)
        self._streams[stream.id] = stream
        self._next_id += 2
        block = self._encoder.encode([*self._headers, (":path", path), *self._more])
        self.write(_frame(_HEADERS, _END_HEADERS, stream.id, block))
        return stream

    def close(self) -> None:
        """Break every call and the connection."""
        self._streams.clear()
        self._transport.abort()

    def write(self, data: bytes) -> None:
        """Write whole frames."""
        if self._outgoing is None:
            self._transport.write(data)
        else:
            self._outgoing.append(data)

    def hold(self, stream: GrpcStream) -> None:
        """Remember a stream whose messages wait for a window."""
        self._held[stream] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        self._transport = cast("asyncio.Transport", transport)
        settings = _setting(_SET_PUSH, 0) + _setting(_SET_INITIAL_WINDOW, _WINDOW)
        window = _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - _DEFAULT_WINDOW).to_bytes(4))
        self.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + window)

    def connection_lost(self, error: Exception | None) -> None:
        """End every call."""
        reason = self._failure or (str(error) if error else "the connection was closed")
        if not self.established.done():
            self.established.set_exception(Http2Error(reason))
            # Whoever gave up waiting does not ask any more.
            self.established.exception()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.on_end(reason)

    def data_received(self, data: bytes) -> None:
        """Take what the system has read, frame by frame; what that makes us write goes out together."""
        self.bytes_read += len(data)
        self._outgoing = []
        try:
            self._rest = self._take_all(self._rest + data if self._rest else data)
        except (Http2Error, HPACKError) as error:
            self._failure = str(error)
            self._transport.abort()
            return
        finally:
            outgoing, self._outgoing = self._outgoing, None
            if outgoing:
                self.write(b"".join(outgoing))
        if not self.established.done() and self._rest.startswith(b"HTTP/1"):
            self._failure = f"it speaks HTTP/1: {self._rest.splitlines()[0].decode(errors='replace')}"
            self._transport.abort()

    def _take_all(self, data: bytes) -> bytes:
        """Take all frames; returns the beginning of one that is not complete."""
        view, size = memoryview(data), len(data)
        position = min(self._awaited, size)
        if position:
            self._awaited -= position
            self._take_data(0, self._filling, view[:position])
        while size - position >= _HEAD:
            start = position + _HEAD
            end = start + int.from_bytes(data[position : position + 3])
            kind, flags = data[position + 3], data[position + 4]
            number = int.from_bytes(data[position + 5 : start]) & 0x7FFFFFFF
            if end > size:
                if kind == _DATA and not flags:
                    # Responses fill dozens of frames: what is there of one need not wait for the rest.
                    self._filling, self._awaited = number, end - size
                    self._take_data(flags, number, view[start:])
                    return b""
                break
            self._take(kind, flags, number, view[start:end])
            position = end
        return data[position:]

    def _take(self, kind: int, flags: int, number: int, view: memoryview) -> None:
        if kind == _DATA:
            self._take_data(flags, number, view)
            return
        payload = bytes(view)
        if kind == _WINDOW_UPDATE:
            self._grow_window(number, int.from_bytes(payload))
        elif kind in {_HEADERS, _CONTINUATION}:
            self._take_block(kind, flags, number, payload)
        elif kind in {_PING, _SETTINGS}:
            self._answer(kind, flags, payload)
        elif kind == _RESET:
            self._end(number, f"the call was reset (HTTP/2 error {int.from_bytes(payload)})")
        elif kind == _GOAWAY:
            self._go_away(int.from_bytes(payload[:4]) & 0x7FFFFFFF)

    def _take_block(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _CONTINUATION:
            self._block += payload
        else:
            payload = _unpadded(payload, flags)
            self._block = payload[5:] if flags & _PRIORITY else payload
            self._block_ends = bool(flags & _END_STREAM)
        if flags & _END_HEADERS:
            self._take_headers(number)

    def _answer(self, kind: int, flags: int, payload: bytes) -> None:
        if flags & _ACK:
            return
        if kind == _SETTINGS:
            self._take_settings(payload)
        else:
            self.write(_frame(_PING, _ACK, 0, payload))

    def _take_data(self, flags: int, number: int, payload: memoryview) -> None:
        self._received += len(payload)
        if self._received >= _WINDOW // 2:
            self.write(_frame(_WINDOW_UPDATE, 0, 0, self._received.to_bytes(4)))
            self._received = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.receive(_unpadded(payload, flags) if flags & _PADDED else payload)
        if flags & _END_STREAM:
            self._end(number, "the call ended")

    def _take_headers(self, number: int) -> None:
        headers = {str(name): str(value) for name, value in self._decoder.decode(self._block)}
        if (status := headers.get(":status", "200")) != "200":
            raise Http2Error(f"it answers with HTTP status {status}: not a gRPC server, or one that wants credentials")
        if self._block_ends:
            self._end(number, f"gRPC status {headers.get('grpc-status', '?')}: {headers.get('grpc-message', '')}")

    def _take_settings(self, payload: bytes) -> None:
        for place in range(0, len(payload), 6):
            name, value = int.from_bytes(payload[place : place + 2]), int.from_bytes(payload[place + 2 : place + 6])
            if name == _SET_INITIAL_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._stream_window
                self._stream_window = value
            elif name == _SET_MAX_FRAME:
                self.max_frame = value
        self.write(_frame(_SETTINGS, _ACK, 0, b""))
        if not self.established.done():
            self.established.set_result(None)
        self._release_held()

    def _grow_window(self, number: int, more: int) -> None:
        if number == 0:
            self.send_window += more
        elif (stream := self._streams.get(number)) is not None:
            stream.window += more
        self._release_held()

    def _release_held(self) -> None:
        held, self._held = self._held, {}
        for stream in held:
            stream.flush()

    def _go_away(self, last: int) -> None:
        for number in [each for each in self._streams if each > last]:
            self._end(number, "the server is going away")

    def _end(self, number: int, reason: str) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.on_end(reason)


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + number.to_bytes(4) + payload


def _setting(name: int, value: int) -> bytes:
    return name.to_bytes(2) + value.to_bytes(4)


def _unpadded(payload: Bytes, flags: int) -> Bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload


def _ignore(_: object) -> None:
    pass
