"""One HTTP instance on one address: what every HTTP sample service shares.

Whoever calls learns from the response headers which instance answered (``x-service``, ``x-version``,
``x-instance``), whatever the body is.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from socket import socket
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from fairlead.address import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICE_HEADER: Final = "x-service"
VERSION_HEADER: Final = "x-version"
INSTANCE_HEADER: Final = "x-instance"


@dataclass(frozen=True, slots=True)
class Instance:
    """Who answers: a version of a service, on one address; on a socket that listens there, if it is given one."""

    service: str
    version: str
    host: str
    port: int
    listening: socket | None = field(default=None, compare=False)

    @property
    def address(self) -> str:
        """The address as ``host:port``."""
        return str(Address(self.host, self.port))


class Backend:
    """Serves one aiohttp application on the address of one instance.

    An async context manager: it listens when the block is entered, and no socket is left when it ends.
    """

    def __init__(self, instance: Instance, application: web.Application, tls: SSLContext | None = None) -> None:
        """Prepare; nothing listens yet. The application must not be shared with another backend."""
        self.instance = instance
        self._tls = tls
        self.requests = 0
        application.middlewares.append(self._sign)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)

    async def start(self) -> None:
        """Listen. OSError when the address is taken or not local."""
        await self._runner.setup()
        try:
            await self._site().start()
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Stop listening, let requests under way finish within a second, close every connection."""
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def _site(self) -> web.BaseSite:
        instance = self.instance
        if instance.listening is not None:
            return web.SockSite(self._runner, instance.listening, ssl_context=self._tls)
        return web.TCPSite(self._runner, instance.host, instance.port, ssl_context=self._tls)

    @web.middleware
    async def _sign(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._add_headers(error)
            raise
        self._add_headers(response)
        return response

    def _add_headers(self, response: web.StreamResponse) -> None:
        response.headers[SERVICE_HEADER] = self.instance.service
        response.headers[VERSION_HEADER] = self.instance.version
        response.headers[INSTANCE_HEADER] = self.instance.address
