"""A service that tells what it got, and a client that sends requests byte for byte as they are written."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from fairlead.mesh.services.backend import Backend, Instance

DEADLINE = 10.0


def build_echo(instance: Instance) -> Backend:
    """A backend that answers every request with its own name and with what arrived."""

    async def answer(request: web.Request) -> web.Response:
        facts = {
            "service": instance.service,
            "method": request.method,
            "host": request.host,
            "path": request.raw_path,
            "headers": [[name.lower(), value] for name, value in request.headers.items()],
        }
        return web.json_response(facts)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    return Backend(instance, application)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: names of headers in lower case; ``every`` has those that occur several times, too."""

    status: int
    every: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name; of several the last."""
        return dict(self.every)

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def echoed(self) -> dict[str, Any] | None:
        """What the service says that it got; None when the proxy answered itself."""
        return dict(self.json) if "x-service" in self.headers else None


class RawClient:
    """One kept connection to an address, on which requests go out without any normalisation."""

    def __init__(self, address: str, source: str = "") -> None:
        """Prepare for ``host:port``; ``source`` is the client's own address."""
        self._host, _, self._port = address.rpartition(":")
        self._source = (source, 0) if source else None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def send(self, method: str, path: str, headers: Iterable[tuple[str, str]]) -> Reply:
        """Send a request and read its response. The connection is opened anew if the server closed it."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        async with asyncio.timeout(DEADLINE):
            self._writer.write("\r\n".join(lines).encode())
            reply = await self._read(method)
        if reply.headers.get("connection") == "close":
            await self._close()
            await self._open()
        return reply

    async def _read(self, method: str) -> Reply:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        length = 0 if method == "HEAD" else int(dict(headers).get("content-length", "0"))
        return Reply(int(first.split(" ")[1]), headers, await self._reader.readexactly(length))

    async def _open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, int(self._port), local_addr=self._source)

    async def _close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._close()
