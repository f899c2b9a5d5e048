"""One discovery stream on the event loop: bytes between gRPC and a Session.

The task that gRPC runs for the call owns the stream and writes; a second task reads. Changes of the View
do not queue up anywhere: they mark the session, and the next response is made from the newest state when
the client is ready to take it. So a client that does not read costs one response and delays nobody.
"""

import asyncio
from time import perf_counter
from traceback import clear_frames
from typing import Any

import grpc.aio
import msgspec

from xds.client import Client
from xds.encoder import Response
from xds.errors import Code, ProtocolViolation, StreamRejected
from xds.events import (
    Acked,
    Nacked,
    RequestExpired,
    RequestReceived,
    ResponseSent,
    StreamClosed,
    StreamOpened,
    UnknownType,
)
from xds.exchange import Supply, Verdict
from xds.gate import Gate
from xds.methods import Form, Method
from xds.requests import RequestReader
from xds.session import Session
from xds.types import ENDPOINT, TypeUrl
from xds.urgency import Urgency
from xds.view import View, ViewChange
from xds.wire import DeltaRequest, SotwRequest

Call = grpc.aio.ServicerContext[Any, Any]


class _Writing(msgspec.Struct, gc=False):
    """When a response was handed to the transport, and when that had taken it (0.0: not yet).

    Of ``time.perf_counter``.
    """

    started: float
    finished: float = 0.0


class Stream:
    """Serves one call of a streaming discovery method, from admission to its end."""

    def __init__(self, gate: Gate, method: Method, reader: RequestReader, call: Call) -> None:
        self._gate = gate
        self._hub = gate.hub
        self._method = method
        self._call = call
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._came = self._loop.time()
        # What the writer waits for while there is nothing to write, or while it is not its turn.
        self._waiter: asyncio.Future[None] | None = None
        # What the reader waits for while it is not its turn.
        self._unread: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Of the newest response of each type, for observers.
        self._writings: dict[TypeUrl, _Writing] = {}
        self._ending: StreamRejected | None = None
        self._is_over = False
        self._is_overdue = False
        # How urgent the most urgent thing is that the client has not been sent yet.
        self._urgency = Urgency.REST
        # As how urgent the writer has been told that there is something to write; None if it has not.
        self._queued: Urgency | None = None
        # Whether the writer gives way to others although there is something to write.
        self._is_held = False
        self._is_attached = False
        self._client: Client
        self._session: Session

    async def run(self) -> None:
        """Serve until the client leaves; raises StreamRejected to end the call with a status."""
        self._gate.arrivals.note(self._came)
        try:
            async with self._gate.admitted(self._call) as identity:
                first = await self._first_request()
                if first is not None:
                    request, size = first
                    self._client, view = await self._gate.attach(self._call, identity, request)
                    self._is_attached = True
                    await self._serve(view, request, size)
        except StreamRejected as rejection:
            if not self._is_attached:
                self._gate.report_refusal(self._call, rejection)
            raise

    # -- the hub's side -----------------------------------------------------------------------------

    def mark(self, change: ViewChange, cause: object, urgency: Urgency) -> None:
        """See ``Subscriber.mark``."""
        is_news, is_worse = self._session.mark(change, cause), urgency < self._urgency
        if is_news or (is_worse and self._session.concerns(change)):
            if is_worse:
                self._urgency = urgency
                if self._unread is not None:
                    # What the client has said may be the answer that the next response waits for.
                    self._gate.turns.give(self._unread, urgency)
            self._wake()

    def move(self, supply: Supply, cause: object) -> None:
        """See ``Subscriber.move``."""
        self._session.move(supply, cause)
        self._wake()

    def end(self, reason: StreamRejected | None) -> None:
        """End the stream as soon as the write under way is finished; the first reason counts."""
        if not self._is_over:
            self._is_over = True
            self._ending = reason
            self._wake()

    # -- life -----------------------------------------------------------------------------------------

    async def _first_request(self) -> tuple[SotwRequest | DeltaRequest, int] | None:
        """The first request that says who the client is, and its size; None if the client left before."""
        timeout = self._gate.options.first_request_timeout
        try:
            async with asyncio.timeout(timeout):
                return await self._introduction()
        except TimeoutError:
            reason = f"the client has not said for {timeout:g} seconds who it is"
            raise StreamRejected(Code.DEADLINE_EXCEEDED, reason) from None

    async def _introduction(self) -> tuple[SotwRequest | DeltaRequest, int] | None:
        while (raw := await self._call.read()) is not grpc.aio.EOF:
            request = self._reader.read(raw)
            if request.node is not None and request.node.id:
                return request, len(raw)
            # A mesh agent may report health before the proxy that it belongs to says anything.
            if not request.type_url or request.type_url in self._hub.rules.types:
                raise ProtocolViolation("missing node information: the first request must have a node with an id")
        return None

    async def _serve(self, view: View, request: SotwRequest | DeltaRequest, size: int) -> None:
        try:
            self._open(view)
            self._take(request, size)
            await self._converse()
        except StreamRejected as rejection:
            self.end(rejection)
        except Exception:
            self.end(StreamRejected(Code.INTERNAL, "internal error"))
            raise
        finally:
            self._close()
        if self._ending is not None:
            raise self._ending

    def _open(self, view: View) -> None:
        client = self._client
        delta = self._method.form is Form.DELTA
        supply = self._hub.join(client, self, view, delta=delta)
        self._session = client.session = Session(supply, self._hub.rules, delta=delta, private=client.private)
        self._gate.streams.add(self)
        self._hub.emit(StreamOpened(client, self._loop.time()))

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # The task refers to the stream; without this nothing but the garbage collector would part them.
        self._writer = None
        self._gate.streams.discard(self)
        self._hub.leave(self._client)
        self._gate.discovery.detach(self._client)
        ending = self._ending
        code, reason = (ending.code, ending.message) if ending is not None else (None, "the client left")
        self._hub.emit(StreamClosed(self._client, self._loop.time(), code, reason))

    async def _converse(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                self._writer = tasks.create_task(self._write())
                # As tasks of their own both resume without passing through all that the call has gone through before.
                self._writer.add_done_callback(lambda _: reader.cancel())
        except asyncio.CancelledError as cancelled:
            # Python 3.11: a task group that was cancelled holds the error, whose traceback holds the group, and both
            # hold the stream with all that its client was sent. What the collector has frozen would stay for ever.
            clear_frames(cancelled.__traceback__)
            raise

    # -- reading --------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            turns = self._gate.turns
            while (raw := await self._call.read()) is not grpc.aio.EOF:
                again = False
                while turns.is_full():
                    self._unread = self._loop.create_future()
                    turns.give(self._unread, self._urgency, again=again)
                    await self._unread
                    self._unread, again = None, True
                self._take(self._reader.read(raw), len(raw))
            self.end(None)
        except StreamRejected as rejection:
            self.end(rejection)

    def _take(self, request: SotwRequest | DeltaRequest, size: int) -> None:
        hub, client, now = self._hub, self._client, self._loop.time()
        if hub.wants(RequestReceived):
            hub.emit(RequestReceived(client, now, request, size))
        received = self._session.receive(request, now)
        verdict = received.verdict
        if verdict is not None:
            hub.judge(client, verdict)
            kind = Acked if verdict.error is None else Nacked
            if hub.wants(kind):
                hub.emit(_judged(client, now, request, verdict, self._writings.get(request.type_url)))
        elif received.is_first and not received.is_known:
            hub.emit(UnknownType(client, now, request.type_url))
        if received.is_expired:
            hub.emit(RequestExpired(client, now, request.type_url, request.nonce))
        if not self._session.is_settled:
            self._wake()

    # -- writing --------------------------------------------------------------------------------------

    async def _write(self) -> None:
        arrivals = self._gate.arrivals
        # First responses are the large ones. Later ones are waited for, and begin in a round that has room for them.
        await self._take_turn()
        while not self._is_over:
            started = perf_counter()
            sent = self._session.next_response(self._loop.time())
            if sent is None:
                if self._session.is_settled:
                    self._urgency = Urgency.REST
                else:
                    self._set_timer()
                self._waiter = self._loop.create_future()
                await self._waiter
                self._waiter = self._queued = None
            else:
                if not (sent.response.encode(self._gate.turns.is_full) or await self._encode_in_turns(sent.response)):
                    break
                if sent.response.type_url == ENDPOINT and not self._owes_endpoints():
                    self._urgency = Urgency.REST
                composed, now = perf_counter(), self._loop.time()
                if self._hub.wants(ResponseSent):
                    label = sent.response.label
                    self._hub.emit(ResponseSent(self._client, now, label, sent.cause, sent.at, composed - started))
                writing = self._writings[sent.response.type_url] = _Writing(composed)
                await self._deliver(sent.response.payload, now)
                writing.finished = perf_counter()
                if not self._session.is_settled and self._gate.turns.is_full():
                    await self._take_turn()
            if self._writings and arrivals.must_wait(self._came, self._loop.time()) and not self._session.is_settled:
                await self._give_way()

    async def _encode_in_turns(self, response: Response) -> bool:
        """Go on with what is long; changes of the View go out after it. Returns whether it is to be written."""
        while True:
            await self._take_turn()
            if self._is_over or response.encode(self._gate.turns.is_full):
                return not self._is_over

    def _owes_endpoints(self) -> bool:
        """Whether endpoints have changed since the response was chosen that is about to be written."""
        lane = self._session.lane(ENDPOINT)
        return lane is not None and lane.must_push

    async def _give_way(self) -> None:
        """Let those have their first response who have none yet, unless this client sends requests into the void."""
        if self._urgency is Urgency.LOSS:
            return
        self._waiter, self._is_held = self._gate.arrivals.hold(self._came), True
        await self._woken()
        self._is_held = False
        await self._take_turn()

    async def _take_turn(self) -> None:
        """Wait for a round that has room for another response."""
        again = False
        while self._gate.turns.is_full():
            self._waiter = self._loop.create_future()
            self._wake(again=again)
            await self._woken()
            again = True

    async def _woken(self) -> None:
        """Wait for what the writer waits for."""
        if self._waiter is not None:
            await self._waiter
        self._waiter = self._queued = None

    async def _deliver(self, payload: bytes, now: float) -> None:
        watch = self._gate.writes
        watch.begin(self, now)
        try:
            await self._call.write(payload)
        except grpc.aio.InternalError:
            # gRPC: the connection broke under the write. The client is gone, and has nobody to blame.
            self.end(None)
        except asyncio.CancelledError:
            # Others may have cancelled the task as well, and that counts.
            if self._writer is None or not self._is_overdue or self._writer.uncancel() > 0:
                raise
        finally:
            watch.end(self)

    def interrupt(self) -> None:
        """See ``Writer.interrupt``."""
        if self._writer is not None:
            timeout = self._gate.writes.timeout
            self.end(StreamRejected(Code.DEADLINE_EXCEEDED, f"the client has not read for {timeout:g} seconds"))
            self._is_overdue = True
            self._writer.cancel()

    def _wake(self, *, again: bool = False) -> None:
        """Have the writer look what there is to write; while it writes, it is going to look anyway."""
        urgency, queued = self._urgency, self._queued
        if self._waiter is None or (queued is not None and queued <= urgency):
            return
        if self._is_held and urgency is not Urgency.LOSS and not self._is_over:
            # It is let go when the crowd has been answered.
            return
        self._queued = urgency
        self._gate.turns.give(self._waiter, urgency, again=again)

    def _set_timer(self) -> None:
        at = self._session.wake_at(self._loop.time())
        if at is None or (self._timer is not None and self._timer.when() <= at):
            # One that comes too early finds out when it is time; as a rule the answer has come long before.
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._session.expire()
        self._wake()


def _judged(
    client: Client, now: float, request: SotwRequest | DeltaRequest, verdict: Verdict, writing: _Writing | None
) -> Acked | Nacked:
    sent = verdict.sent
    if verdict.error is not None or sent is None:
        names = sent.response.names if sent is not None else ()
        cause = sent.cause if sent is not None else None
        return Nacked(client, now, request.type_url, verdict.nonce, verdict.error or "", names, verdict.rejected, cause)
    label, cause = sent.response.label, sent.cause
    if writing is None:
        return Acked(client, now, label, cause, sent.at)
    read = perf_counter()
    # The answer may be read before the transport says that it has sent everything.
    finished = writing.finished or read
    return Acked(client, now, label, cause, sent.at, finished - writing.started, read - finished)
