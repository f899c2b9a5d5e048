"""The simulated proxies of one process, their connections, and when each acknowledged what."""

import asyncio
import ssl
from collections.abc import Callable
from random import random
from time import monotonic
from typing import Final

from fairlead.bench.content import Reader, Reply, split
from fairlead.bench.envoy import SimulatedEnvoy
from fairlead.bench.http2 import GrpcStream, Http2Connection, Http2Error
from fairlead.bench.messages import Connect, Endpoint, Expect, Failed, Prepare, Report, Totals
from fairlead.bench.request import DELTA_METHOD, SOTW_METHOD
from fairlead.bench.tally import Member, Tally
from xds.types import CLUSTER, LISTENER

_ESTABLISH: Final = 20.0
# Envoy: attempts to reach the control plane again begin within this time, spread at random.
_RECONNECT: Final = 0.5
_ATTEMPTS: Final = 20
_FOLLOWED: Final = frozenset({CLUSTER, LISTENER})


class StreamMember(Member):
    """One that comes over a connection, and its stream."""

    __slots__ = ("connection", "stream")

    def __init__(self, envoy: SimulatedEnvoy, connection: int) -> None:
        super().__init__(envoy)
        self.connection = connection
        self.stream: GrpcStream | None = None


class Crowd:
    """All proxies of this process. Reports go to the ``tell`` that it is given."""

    def __init__(self, prepare: Prepare, tell: Callable[[Report], None]) -> None:
        self._endpoint = prepare.endpoint
        self._tell = tell
        self._reader = Reader()
        connections = min(prepare.connections or len(prepare.nodes), len(prepare.nodes))
        self._members = [
            StreamMember(SimulatedEnvoy(node, prepare.endpoint.delta), place % connections)
            for place, node in enumerate(prepare.nodes)
        ]
        self._tally = Tally(self._members, tell)
        self._connections: list[Http2Connection | None] = [None] * connections
        self._later: list[tuple[int, Reply, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def connect(self, command: Connect) -> None:
        """Open all connections, evenly over some seconds, and a stream for every proxy."""
        self._closing = False
        self._tally.start()
        started = monotonic()
        pace = command.seconds / len(self._connections)
        for number in range(len(self._connections)):
            ahead = started + number * pace - monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._spawn(number, 1, 0.0)

    async def disconnect(self) -> None:
        """Break everything off; a later ``connect`` resumes with what the proxies have."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for connection in self._connections:
            if connection is not None:
                connection.close()
        self._connections = [None] * len(self._connections)
        self._tally.reset()
        for member in self._members:
            member.stream = None

    def expect(self, change: Expect) -> None:
        """A change is going to be made."""
        self._tally.expect(change)

    def totals(self, *, mark: bool) -> Totals:
        """What was received until now; with ``mark``, whom something reaches is counted anew."""
        return self._tally.totals(mark=mark)

    def _spawn(self, number: int, attempts: int, delay: float) -> None:
        task = asyncio.get_running_loop().create_task(self._open(number, attempts, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, number: int, attempts: int, delay: float) -> None:
        await asyncio.sleep(delay)
        members = [(place, member) for place, member in enumerate(self._members) if member.connection == number]
        for _, member in members:
            member.started = member.started or monotonic()
        for left in reversed(range(attempts)):
            try:
                connection = await self._dial()
            except (OSError, Http2Error, TimeoutError) as error:
                if not left:
                    self._tell(explain(error, self._endpoint))
                    return
                await asyncio.sleep(_RECONNECT)
            else:
                break
        self._connections[number] = connection
        for place, member in members:
            self._start(place, member, connection)

    async def _dial(self) -> Http2Connection:
        endpoint = self._endpoint
        metadata = [("authorization", f"Bearer {endpoint.token}")] if endpoint.token else []
        scheme = "https" if endpoint.ca else "http"
        async with asyncio.timeout(_ESTABLISH):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Http2Connection(str(endpoint), scheme, metadata),
                endpoint.host,
                endpoint.port,
                ssl=tls_context(endpoint) if endpoint.ca else None,
            )
            await connection.established
        return connection

    def _start(self, place: int, member: StreamMember, connection: Http2Connection) -> None:
        stream = connection.open(DELTA_METHOD if self._endpoint.delta else SOTW_METHOD)
        stream.on_message = lambda raw: self._receive(place, raw)
        stream.on_end = lambda reason: self._end(place, reason)
        member.stream = stream
        for request in member.envoy.connect():
            stream.send(request)

    def _receive(self, place: int, raw: bytes) -> None:
        member = self._members[place]
        stream = member.stream
        if stream is None:
            return
        reply = split(raw, delta=self._endpoint.delta)
        stream.send(member.envoy.acknowledge(reply.stamp))
        now = monotonic()
        self._tally.receive(member, reply.stamp.type_url, len(raw), now)
        if reply.stamp.type_url in _FOLLOWED or not member.complete:
            self._digest(place, reply, now)
            return
        # What a response says is looked at when all ACKs that are due have been written.
        if not self._later:
            asyncio.get_running_loop().call_soon(self._digest_later)
        self._later.append((place, reply, now))

    def _digest_later(self) -> None:
        later, self._later = self._later, []
        for place, reply, at in later:
            self._digest(place, reply, at)

    def _digest(self, place: int, reply: Reply, at: float) -> None:
        member = self._members[place]
        content = self._reader.read(reply, delta=self._endpoint.delta)
        for request in self._tally.digest(place, reply.stamp, content, at):
            if member.stream is not None:
                member.stream.send(request)

    def _end(self, place: int, reason: str) -> None:
        member = self._members[place]
        member.stream = None
        if self._closing:
            return
        if not member.first:
            self._tell(
                Failed(
                    f"{self._endpoint} ended the stream of a proxy before it answered: {reason}",
                    "look at its log; does it accept the proxies' Node ids and credentials?",
                )
            )
            return
        self._tally.reconnections += 1
        if all(each.stream is None for each in self._members if each.connection == member.connection):
            self._connections[member.connection] = None
            self._spawn(member.connection, _ATTEMPTS, random() * _RECONNECT)  # noqa: S311 - no secret


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS as gRPC wants it. OSError for files that cannot be read."""
    context = ssl.create_default_context(cafile=endpoint.ca)
    context.set_alpn_protocols(["h2"])
    if endpoint.certificate:
        context.load_cert_chain(endpoint.certificate, endpoint.key or None)
    return context


def explain(error: Exception, endpoint: Endpoint) -> Failed:
    """Why there is no connection, and what to do."""
    match error:
        case ConnectionRefusedError():
            return Failed(f"nothing listens at {endpoint}", "start the control plane, or use --self")
        case TimeoutError():
            hint = "it may expect TLS: --ca FILE" if not endpoint.ca else "is it an xDS server, and may you reach it?"
            return Failed(f"{endpoint} does not answer", hint)
        case ssl.SSLError():
            hint = "it may speak plaintext (leave out --ca), or its certificate is not from this CA or for this name"
            return Failed(f"TLS with {endpoint} failed: {error}", hint)
        case Http2Error():
            hint = "it may expect TLS: --ca FILE" if not endpoint.ca else "is it an xDS server?"
            return Failed(f"{endpoint} does not speak gRPC to us: {error}", hint)
        case _:
            return Failed(f"cannot connect to {endpoint}: {error}", "check the address")
