"""One discovery stream on the event loop: bytes between gRPC and a Session.

The task that gRPC runs for the call admits the client, and waits for the end. All that happens in between is driven by
what has happened: gRPC has read or written something, the View has changed, it is the stream's turn. Changes of the
View do not queue up anywhere: they mark the session, and the next response is made from the newest state when
the client is ready to take it. So a client that does not read costs one response and delays nobody.

Reading and writing are coroutines of gRPC that wait for a single future each. They are resumed when that is done; a
task for each would resume them later, in a round that nobody can keep short, and be half of what a stream costs.
"""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

import grpc.aio

from xds.client import Client
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
from xds.exchange import Sent, Supply, Verdict
from xds.gate import Gate
from xds.methods import Form, Method
from xds.requests import RequestReader
from xds.session import Session
from xds.types import ENDPOINT
from xds.urgency import Urgency
from xds.view import View, ViewChange
from xds.wire import DeltaRequest, SotwRequest

Call = grpc.aio.ServicerContext[Any, Any]


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
        # Done when nothing is to be read or written any more.
        self._over: asyncio.Future[None] = self._loop.create_future()
        # What gRPC is about to read, and what it has read that has not been looked at yet.
        self._reading: Coroutine[Any, Any, Any] | None = None
        self._raw: Any = None
        # Nothing is read any more.
        self._is_deaf = False
        # What is written next or now, and how gRPC gets on with it.
        self._sent: Sent | None = None
        self._writing: Coroutine[Any, Any, None] | None = None
        # A response that is not encoded completely yet.
        self._unfinished: Sent | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: StreamRejected | None = None
        self._is_over = self._is_closed = False
        # Done when it has had a turn to close; None as long as it does not wait for one.
        self._parting: asyncio.Future[None] | None = None
        # How urgent the most urgent thing is that the client has not been sent yet.
        self._urgency = Urgency.REST
        # As how urgent a turn has been asked for; None if none has.
        self._queued: Urgency | None = None
        # Whether the stream gives way to others with what there is to write, and whether it just did.
        self._is_held = self._is_released = False
        self._is_new = True
        self._is_answered = False
        # Whether it waits because the server has its hands full, and when it was sent something, and a loss.
        self._is_paused = False
        self._sent_at = self._lost_at = 0.0
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
            if self._sent is None:
                self._finish()

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
            self._wake()
            self.listen()
            await self._over
        except StreamRejected as rejection:
            self.end(rejection)
        except Exception:
            self.end(StreamRejected(Code.INTERNAL, "internal error"))
            raise
        finally:
            await self._part()
        if self._ending is not None:
            raise self._ending

    def _open(self, view: View) -> None:
        client = self._client
        delta = self._method.form is Form.DELTA
        supply = self._hub.join(client, self, view, delta=delta)
        self._session = client.session = Session(supply, self._hub.rules, delta=delta, private=client.private)
        self._gate.streams.add(self)
        self._hub.emit(StreamOpened(client, self._loop.time()))

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """What the event loop called went wrong."""
        if isinstance(error, StreamRejected):
            self.end(error)
        elif isinstance(error, asyncio.CancelledError):
            # gRPC gives up the call.
            self.end(None)
        else:
            # Something is wrong with the server itself: the call ends with it.
            self._is_over = True
            if not self._over.done():
                self._over.set_exception(error)

    async def _part(self) -> None:
        """Close in a round that has room for it: a thousand may leave at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_over, self._is_held, self._queued = True, False, None
        # They wait for gRPC, which is about to be done with the call; there is nothing to resume then.
        self._reading = self._writing = self._sent = self._raw = None
        self._gate.writes.end(self)
        try:
            if self._gate.turns.is_full():
                self._parting = self._loop.create_future()
                self._gate.turns.give(self)
                await self._parting
        finally:
            # Unless it had its turn.
            if not self._is_closed:
                self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._gate.streams.discard(self)
        self._hub.leave(self._client)
        self._gate.discovery.detach(self._client)
        ending = self._ending
        code, reason = (ending.code, ending.message) if ending is not None else (None, "the client left")
        self._hub.emit(StreamClosed(self._client, self._loop.time(), code, reason))

    # -- turns ----------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """See ``Turn``."""
        return self._queued is not None or not (self._parting is None or self._parting.done())

    def take(self) -> None:
        """See ``Turn``: choose what to write next; or close."""
        self._queued = None
        parting = self._parting
        if parting is None:
            if self._sent is None and not self._is_over:
                try:
                    self._advance()
                except Exception as error:  # noqa: BLE001 - nothing may disturb the other streams
                    self._fail(error)
        elif not parting.done():
            try:
                self._close()
            except Exception as error:  # noqa: BLE001 - told to whoever runs the call
                parting.set_exception(error)
            else:
                parting.set_result(None)

    @property
    def is_held(self) -> bool:
        """See ``Newcomer``."""
        return self._is_held

    def release(self) -> None:
        """See ``Newcomer``."""
        self._is_held, self._is_released = False, True
        self._wake()

    def _wake(self, *, again: bool = False) -> None:
        """Ask for a turn, if there is anything that the stream can do in it."""
        urgency, queued = self._urgency, self._queued
        if self._is_over or (queued is not None and queued <= urgency):
            return
        if self._sent is not None or (self._is_held and urgency is not Urgency.LOSS):
            # When the write is over it looks anyway; when the crowd has been answered it is released.
            return
        self._queued = urgency
        self._gate.turns.give(self, urgency, again=again)

    # -- reading --------------------------------------------------------------------------------------

    def _note_read(self, _: object) -> None:
        """Runs when gRPC has read something, or has found that the client is gone."""
        if self._reading is not None:
            self._gate.turns.read(self)

    def collect(self) -> bool:
        """See ``Reader``."""
        if self._raw is None and self._reading is not None:
            self._resume_reading()
        return self._raw is not None

    def _resume_reading(self) -> None:
        try:
            self._reading.send(None).add_done_callback(self._note_read)  # type: ignore[union-attr]
        except StopIteration as finished:
            self._reading, self._raw = None, finished.value
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see ``_fail``
            self._reading = None
            self._fail(error)

    def digest(self) -> None:
        """See ``Reader``."""
        raw, self._raw = self._raw, None
        if raw is grpc.aio.EOF:
            self._is_deaf = True
            self.end(None)
            return
        try:
            self._take(self._reader.read(raw), len(raw))
        except Exception as error:  # noqa: BLE001 - see ``_fail``
            self._is_deaf = True
            self._fail(error)
            return
        if not self._session.is_settled:
            self._wake()

    def listen(self) -> None:
        """See ``Reader``."""
        if not self._is_deaf:
            self._reading = self._call.read()
            self._resume_reading()
            if self._raw is not None:
                self._gate.turns.read(self)

    def _take(self, request: SotwRequest | DeltaRequest, size: int) -> None:
        hub, client, now = self._hub, self._client, self._loop.time()
        if RequestReceived in hub.observed:
            hub.defer(RequestReceived(client, now, request, size))
        received = self._session.receive(request, now)
        verdict = received.verdict
        if verdict is not None:
            hub.judge(client, verdict)
            kind = Acked if verdict.error is None else Nacked
            if kind in hub.observed:
                hub.defer(_judged(client, now, request, verdict))
        elif received.is_first and not received.is_known:
            hub.emit(UnknownType(client, now, request.type_url))
        if received.is_expired:
            hub.emit(RequestExpired(client, now, request.type_url, request.nonce))

    # -- writing --------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Choose what to write next, if anything is due."""
        sent, self._unfinished = self._unfinished or self._choose(), None
        if sent is None:
            return
        response, session, gate = sent.response, self._session, self._gate
        if not (response.is_encoded or response.encode(gate.turns.is_full)):
            # It goes on with it; changes of the View go out after it.
            self._unfinished = sent
            self._wake(again=True)
            return
        now = self._sent_at = self._loop.time()
        if response.type_url == ENDPOINT:
            if self._urgency is Urgency.LOSS:
                self._lost_at = now
            if session.is_settled or not self._owes_endpoints():
                self._urgency = Urgency.REST
        self._sent, self._is_answered = sent, True
        started, sent.started = sent.started, perf_counter()
        if ResponseSent in self._hub.observed:
            composing = sent.started - started
            self._hub.defer(ResponseSent(self._client, now, response.label, sent.cause, sent.at, composing))
        gate.writes.begin(self, now)
        gate.turns.write(self)

    def _choose(self) -> Sent | None:
        """The next response; None if it is not its time."""
        session = self._session
        if session.is_settled:
            return None
        now, started = self._loop.time(), perf_counter()
        if (self._is_new and self._must_give_way(now)) or (self._gate.restraint.pause and self._must_pause(now)):
            return None
        sent = session.next_response(now)
        if sent is None:
            self._rest()
        else:
            sent.started = started
        return sent

    def _rest(self) -> None:
        """Nothing can be sent before something happens."""
        if self._session.is_settled:
            self._urgency = Urgency.REST
        else:
            self._set_timer()

    def _owes_endpoints(self) -> bool:
        """Whether endpoints have changed since the response was chosen that is about to be written."""
        lane = self._session.lane(ENDPOINT)
        return lane is not None and lane.must_push

    def _must_give_way(self, now: float) -> bool:
        """Let those have their first response who have none yet, unless this client sends requests into the void."""
        arrivals = self._gate.arrivals
        self._is_new = now < self._came + arrivals.patience
        if self._is_released or not self._is_answered or self._urgency is Urgency.LOSS:
            self._is_held = self._is_released = False
        elif not self._is_held and arrivals.must_wait(self._came, now):
            self._is_held = True
            arrivals.hold(self, self._came)
        return self._is_held

    def _must_pause(self, now: float) -> bool:
        """Let others be told of changes first, while there are more than can be told; see ``Restraint``."""
        if not self._session.owes_only_endpoints:
            return False
        restraint = self._gate.restraint
        # A loss waits for another loss alone.
        until = (self._lost_at if self._urgency is Urgency.LOSS else self._sent_at) + restraint.pause
        if now >= until:
            return False
        if not self._is_paused:
            self._is_paused = True
            restraint.hold(self, until)
        return True

    def resume(self) -> None:
        """See ``Patient``."""
        self._is_paused = False
        self._wake()

    def write(self) -> None:
        """See ``Writer``."""
        if self._sent is not None:
            self._writing = self._call.write(self._sent.response.payload)
            self._resume_writing()

    def _note_written(self, _: object) -> None:
        """Runs when gRPC has written, or cannot."""
        if self._writing is not None:
            self._resume_writing()

    def _resume_writing(self) -> None:
        try:
            self._writing.send(None).add_done_callback(self._note_written)  # type: ignore[union-attr]
            return
        except StopIteration:
            self._sent.finished = perf_counter()  # type: ignore[union-attr]
        except (grpc.aio.InternalError, asyncio.CancelledError):
            # gRPC: the connection broke under the write. The client is gone, and has nobody to blame.
            self.end(None)
        except Exception as error:  # noqa: BLE001 - see ``_fail``
            self._fail(error)
        self._sent = self._writing = None
        self._gate.writes.end(self)
        if self._is_over:
            self._finish()
        elif self._session.is_settled:
            self._urgency = Urgency.REST
        else:
            self._wake()

    def interrupt(self) -> None:
        """See ``Writer.interrupt``."""
        timeout = self._gate.writes.timeout
        self.end(StreamRejected(Code.DEADLINE_EXCEEDED, f"the client has not read for {timeout:g} seconds"))
        self._finish()

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


def _judged(client: Client, now: float, request: SotwRequest | DeltaRequest, verdict: Verdict) -> Acked | Nacked:
    sent = verdict.sent
    if verdict.error is not None or sent is None:
        names = sent.response.names if sent is not None else ()
        cause = sent.cause if sent is not None else None
        return Nacked(client, now, request.type_url, verdict.nonce, verdict.error or "", names, verdict.rejected, cause)
    read = perf_counter()
    # The answer may be read before the transport says that it has sent everything.
    finished = sent.finished or read
    return Acked(client, now, sent.response.label, sent.cause, sent.at, finished - sent.started, read - finished)
