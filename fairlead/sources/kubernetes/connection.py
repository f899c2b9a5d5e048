"""Requests to one API server: credentials that rotate, time limits, and failures that say what they are.

Built on the official client's configuration and its HTTP pool; bodies come back as bytes.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from fairlead.sources.kubernetes.access import ClusterAccess
from fairlead.sources.kubernetes.credentials import credential_files, load_configuration
from fairlead.sources.kubernetes.wire import Status, read_status

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

_REQUEST_TIMEOUT: Final = 60.0
_CONNECT_TIMEOUT: Final = 10.0
# A peer that is gone without a word is noticed within about half a minute, also while nothing is sent.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
# How often credentials' files are looked at (seconds).
_STAT_INTERVAL: Final = 1.0

Query = Mapping[str, str | int]
Body = Mapping[str, Any] | None
_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
_Stamp = tuple[tuple[str, int, int], ...]


class ApiError(Exception):
    """A request did not succeed."""


class ApiUnreachable(ApiError):
    """There was no answer, or not all of it."""

    def __init__(self, reason: str, request: str) -> None:
        super().__init__(f"{request}: {reason}")
        self.reason = reason


class ApiRefused(ApiError):
    """The API server answered with a refusal; ``retry_after`` (seconds) is its own wish."""

    def __init__(self, status: Status, request: str, retry_after: float = 0.0) -> None:
        words = f"{status.code} {status.reason}".rstrip()
        super().__init__(f"{request}: {words}{f': {status.message}' if status.message else ''}")
        self.code = status.code
        self.reason = status.reason
        self.message = status.message
        self.retry_after = retry_after


class _Pool(RESTClientObject):
    """The client's connections: as many as there are watches, each with keepalive."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self.ssl_context, socket_factory=_open_socket)


class _Session:
    """One set of credentials and the connections that were made with it; closed when the last request ends."""

    def __init__(self, configuration: Configuration, pool: _Pool, files: tuple[Any, ...]) -> None:
        self.configuration = configuration
        self.pool = pool
        self.files = files
        self.stamp = _stamp(files)
        self.users = 0
        self.retired = False

    @asynccontextmanager
    async def use(self) -> AsyncIterator[None]:
        """Keep the connections open meanwhile."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            await self._close_if_unused()

    async def retire(self) -> None:
        """Close, unless somebody still reads: then when that ends."""
        self.retired = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self.retired and not self.users:
            await self.pool.close()


class _Call(NamedTuple):
    """One request. Headers by their names, with underscores."""

    method: str
    path: str
    query: Query | None
    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    body: Body = None

    @property
    def url(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class ApiConnection:
    """One API server. ``close`` it in the end."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._session: _Session | None = None
        self._opening = asyncio.Lock()
        self._looked = 0.0

    async def open(self) -> None:
        """Load the credentials. Raises AccessError."""
        await self._current()

    @property
    def host(self) -> str:
        """The URL of the server, once it is known."""
        return str(self._session.configuration.host) if self._session else ""

    async def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> bytes:
        """The body of an answer. Raises ApiError."""
        return await self.send("GET", path, query=query, accept=accept)

    async def send(
        self, method: str, path: str, *, query: Query | None = None, body: Body = None, **headers: str
    ) -> bytes:
        """Make a request; returns the body of the answer. Headers by their names: ``content_type``. Raises ApiError."""
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT, sock_connect=_CONNECT_TIMEOUT)
        async with self._request(_Call(method, path, query, headers, timeout, body)) as response:
            return await response.read()

    @asynccontextmanager
    async def stream(
        self, path: str, query: Query, *, silence: float, accept: str = JSON
    ) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """An answer that goes on: its lines as they arrive, those that came together in one list.

        ``silence`` is how long the server may say nothing (seconds). Raises ApiError, also while it is read.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=silence)
        async with self._request(_Call("GET", path, query, {"accept": accept}, timeout)) as response:
            yield _iter_lines(response)

    async def renew(self) -> None:
        """Load the credentials again: these are not accepted any more."""
        session, self._session = self._session, None
        if session is not None:
            await session.retire()

    async def close(self) -> None:
        """Close all connections, whoever uses them."""
        session, self._session = self._session, None
        if session is not None:
            await session.pool.close()

    @asynccontextmanager
    async def _request(self, call: _Call) -> AsyncIterator[aiohttp.ClientResponse]:
        session = await self._current()
        async with session.use():
            try:
                async with await self._answer(session, call) as response:
                    yield response
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise ApiUnreachable(str(error) or type(error).__name__, str(call)) from error

    async def _answer(self, session: _Session, call: _Call) -> aiohttp.ClientResponse:
        headers = {"User-Agent": _user_agent(), "Accept-Encoding": "identity"}
        headers |= {name.replace("_", "-").title(): value for name, value in call.headers.items()}
        settings = await session.configuration.auth_settings()
        if "BearerToken" in settings:
            headers["Authorization"] = str(settings["BearerToken"]["value"])
        url = f"{session.configuration.host}{call.url}"
        answer = await session.pool.request(  # type: ignore[no-untyped-call]
            call.method, url, headers=headers, body=call.body, _request_timeout=call.timeout
        )
        response: aiohttp.ClientResponse = answer.response
        if response.status < 300:
            return response
        async with response:
            refusal = _refusal(call, response, read_status(await response.read()))
        if refusal.code == 401:
            await self.renew()
        raise refusal

    async def _current(self) -> _Session:
        """The session for the credentials as they are now."""
        async with self._opening:
            session = self._session
            if session is not None and not self._is_outdated(session):
                return session
            configuration = await load_configuration(self._access)
            # Reading the system's roots of trust takes a while.
            pool = await asyncio.to_thread(_Pool, configuration)
            if session is not None:
                await session.retire()
            self._looked = monotonic()
            self._session = _Session(configuration, pool, credential_files(self._access, configuration))
            return self._session

    def _is_outdated(self, session: _Session) -> bool:
        now = monotonic()
        if now - self._looked < _STAT_INTERVAL:
            return False
        self._looked = now
        return _stamp(session.files) != session.stamp


async def _iter_lines(response: aiohttp.ClientResponse) -> AsyncIterator[list[bytes]]:
    rest = b""
    while chunk := await response.content.readany():
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [line for line in lines if line]


def _open_socket(address: _AddressInfo) -> socket.socket:
    """A socket that notices when its peer is gone."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


def _stamp(files: tuple[Any, ...]) -> _Stamp:
    found = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found.append((str(file), status.st_mtime_ns, status.st_ino))
    return tuple(found)


def _refusal(call: _Call, response: aiohttp.ClientResponse, status: Status) -> ApiRefused:
    text = response.headers.get("Retry-After", "")
    # A date is as good as nothing: API servers do not send any.
    retry_after = float(text) if text.isdigit() else status.details.retry_after_seconds if status.details else 0.0
    reason = status.reason or response.reason or ""
    return ApiRefused(msgspec.structs.replace(status, code=response.status, reason=reason), str(call), retry_after)


@cache
def _user_agent() -> str:
    """Found out once: it takes several milliseconds."""
    return f"fairlead/{version('fairlead')}"
