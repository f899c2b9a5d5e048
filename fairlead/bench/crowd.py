"""The simulated proxies of one process, their connections, and when each acknowledged what."""

import asyncio
import ssl
from array import array
from collections import Counter
from collections.abc import Callable
from random import random
from time import monotonic, process_time
from typing import Final

from fairlead.bench.content import Reader, Reply, split
from fairlead.bench.envoy import SimulatedEnvoy
from fairlead.bench.http2 import GrpcStream, Http2Connection, Http2Error
from fairlead.bench.messages import Configured, Connect, Endpoint, Expect, Failed, Prepare, Progress, Report, Totals
from fairlead.bench.request import DELTA_METHOD, SOTW_METHOD
from fairlead.bench.watch import Watch
from xds.types import CLUSTER, LISTENER, TypeUrl, short_name

_ESTABLISH: Final = 20.0
_PROGRESS: Final = 0.1
# Envoy: attempts to reach the control plane again begin within this time, spread at random.
_RECONNECT: Final = 0.5
_ATTEMPTS: Final = 20
_FOLLOWED: Final = frozenset({CLUSTER, LISTENER})


class Member:
    """One simulated proxy and its stream."""

    __slots__ = ("complete", "connection", "envoy", "first", "started", "stream", "touched")

    def __init__(self, envoy: SimulatedEnvoy, connection: int) -> None:
        self.envoy = envoy
        self.connection = connection
        self.stream: GrpcStream | None = None
        self.started = self.first = self.complete = 0.0
        self.touched = False


class Crowd:
    """All proxies of this process. Reports go to the ``tell`` that it is given."""

    def __init__(self, prepare: Prepare, tell: Callable[[Report], None]) -> None:
        self._endpoint = prepare.endpoint
        self._tell = tell
        self._reader = Reader()
        connections = min(prepare.connections or len(prepare.nodes), len(prepare.nodes))
        self._members = [
            Member(SimulatedEnvoy(node, prepare.endpoint.delta), place % connections)
            for place, node in enumerate(prepare.nodes)
        ]
        self._connections: list[Http2Connection | None] = [None] * connections
        self._watch = Watch(tell)
        self._later: list[tuple[int, Reply, float]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._configured = 0
        self._told = 0.0
        self._started = 0.0
        self._responses: Counter[TypeUrl] = Counter()
        self._bytes = self._reconnections = 0
        self._closing = False

    async def connect(self, command: Connect) -> None:
        """Open all connections, evenly over some seconds, and a stream for every proxy."""
        self._closing = False
        self._started = monotonic()
        pace = command.seconds / len(self._connections)
        for number in range(len(self._connections)):
            ahead = self._started + number * pace - monotonic()
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
        self._configured = 0
        for member in self._members:
            member.stream, member.complete, member.first, member.started = None, 0.0, 0.0, 0.0

    def expect(self, change: Expect) -> None:
        """A change is going to be made."""
        concerned = {
            place
            for place, member in enumerate(self._members)
            if member.envoy.knows(change.sibling, routed=change.routed)
        }
        self._watch.expect(change.number, concerned, (change.host, change.routed))

    def totals(self, *, mark: bool) -> Totals:
        """What was received until now; with ``mark``, whom something reaches is counted anew."""
        touched = sum(member.touched for member in self._members)
        for member in self._members:
            member.touched = member.touched and not mark
        return Totals(
            responses=self._responses.total(),
            bytes=self._bytes,
            touched=touched,
            cpu=process_time(),
            reconnections=self._reconnections,
            by_type={short_name(type_url): count for type_url, count in self._responses.items()},
        )

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

    def _start(self, place: int, member: Member, connection: Http2Connection) -> None:
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
        member.touched = True
        member.first = member.first or now
        self._bytes += len(raw)
        self._responses[reply.stamp.type_url] += 1
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
        for request in member.envoy.take(reply.stamp, content):
            if member.stream is not None:
                member.stream.send(request)
        if content.markers:
            self._watch.see(place, content.markers, at)
        if not member.complete and member.envoy.is_configured:
            member.complete = at
            self._configured += 1
            self._report_progress()

    def _report_progress(self) -> None:
        now = monotonic()
        if self._configured == len(self._members):
            first = array("d", (member.first - member.started for member in self._members))
            complete = array("d", (member.complete - member.started for member in self._members))
            self._tell(Configured(self._started, first.tobytes(), complete.tobytes()))
        elif now - self._told >= _PROGRESS:
            self._told = now
            self._tell(Progress(self._configured))

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
        self._reconnections += 1
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
