"""Clients that send one request at a time and turn whatever happens into an Answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp

from fairlead.address import Address
from fairlead.mesh.connector import build_connector
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.services.backend import INSTANCE_HEADER, SERVICE_HEADER, VERSION_HEADER
from fairlead.mesh.traffic import Answer
from fairlead.mesh.waiting import DEADLINE, NotYetError, wait_until

_TIMEOUT: Final = 10.0
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: to a path, or to a whole URL, with the Host header of a service."""

    path: str = "/"
    host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


class HttpClient:
    """Sends HTTP/1.1 requests to one address; an async context manager.

    Connections are kept alive like those of any client, unless ``keep_alive`` is off. A reset on a kept
    connection counts as a failure, although the library repeats the request: a mesh must not cause it.
    """

    def __init__(
        self,
        address: str,
        namespace: NetworkNamespace | None = None,
        *,
        keep_alive: bool = True,
        timeout: float = _TIMEOUT,
    ) -> None:
        """Prepare for ``host:port``, called from inside a namespace if one is given. Needs a running event loop."""
        self._base = f"http://{address}"
        self._namespace = namespace
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession

    async def send(self, request: Request) -> Answer:
        """Send a request; never raises, a failure is in the answer. Redirects are not followed."""
        headers = dict(request.headers)
        if request.host is not None:
            headers["host"] = request.host
        attempts = SimpleNamespace(count=0)
        clock = asyncio.get_running_loop().time
        sent = clock()
        try:
            async with self._session.request(
                request.method, request.path, headers=headers, allow_redirects=False, trace_request_ctx=attempts
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(sent, clock() - sent, error=f"{type(error).__name__}: {error}".rstrip(": "))
        return Answer(
            sent=sent,
            latency=clock() - sent,
            status=response.status,
            service=response.headers.get(SERVICE_HEADER, ""),
            version=response.headers.get(VERSION_HEADER, ""),
            instance=response.headers.get(INSTANCE_HEADER, ""),
            body=body,
            error="reset on a kept connection" if attempts.count > 1 else "",
        )

    async def get(self, path: str, host: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GET."""
        return await self.send(Request(path, host, headers or {}))

    async def wait_for(
        self,
        request: Request,
        check: Callable[[Answer], object],
        *,
        deadline: float = DEADLINE,
        context: Callable[[], str] | None = None,
    ) -> Answer:
        """Repeat a request until a check of its answer neither raises AssertionError nor returns False."""

        async def probe() -> Answer:
            answer = await self.send(request)
            if check(answer) is False:
                raise NotYetError(f"{request.method} {request.path} (host {request.host}): {answer}")
            return answer

        return await wait_until(probe, deadline=deadline, context=context)

    async def wait_ok(self, request: Request, service: str = "", *, context: Callable[[], str] | None = None) -> Answer:
        """Repeat a request until it is answered with status 200, by a service if one is named."""
        return await self.wait_for(
            request, lambda answer: answer.status == _OK and service in {"", answer.service}, context=context
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_count_attempt)
        # Without a limit: an open load must not queue here while the mesh is slow.
        connector = build_connector(self._namespace, limit=0, force_close=not self._keep_alive)
        self._session = aiohttp.ClientSession(
            self._base, connector=connector, timeout=self._timeout, trace_configs=[trace]
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()


class TcpClient:
    """Opens a connection per exchange, sends a line and reads a line, as the TCP echo service expects."""

    def __init__(self, address: str, namespace: NetworkNamespace | None = None, *, timeout: float = _TIMEOUT) -> None:
        """Prepare for ``host:port``, called from inside a namespace if one is given."""
        self._namespace = namespace
        self._host, self._port = Address.parse(address)
        self._timeout = timeout

    async def send(self, line: str = "hello") -> Answer:
        """Do one exchange; never raises. The answer's version is the prefix that the service put before the line."""
        clock = asyncio.get_running_loop().time
        sent = clock()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._exchange(line)
        except (TimeoutError, OSError) as error:
            return Answer(sent, clock() - sent, error=f"{type(error).__name__}: {error}".rstrip(": "))
        if not reply.endswith(b"\n"):
            return Answer(sent, clock() - sent, body=reply, error="closed without an answer")
        return Answer(sent, clock() - sent, version=reply.partition(b" ")[0].decode(), body=reply)

    async def _exchange(self, line: str) -> bytes:
        reader, writer = await self._connect()
        try:
            writer.write(line.encode() + b"\n")
            return await reader.readline()
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._namespace is None:
            return await asyncio.open_connection(self._host, self._port)
        return await asyncio.open_connection(sock=await self._namespace.connect(self._host, self._port))


async def _count_attempt(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.count += 1
