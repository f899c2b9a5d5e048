"""Connections that are kept open while something changes; a use of one that was closed, or will be, is an error."""

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from fairlead.address import Address
from fairlead.mesh.netns import NetworkNamespace

_PATIENCE = 10


class HeldConnection:
    """One connection to ``ip:port``, from a namespace if one is given; an async context manager."""

    def __init__(
        self,
        address: str,
        namespace: NetworkNamespace | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        """Prepare."""
        self._address = Address.parse(address)
        self._namespace = namespace
        self._tls = tls
        self._server_name = server_name
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def say(self, line: bytes = b"again\n") -> None:
        """Exchange a line with a server that sends lines back behind a word. OSError if it does not."""
        self._writer.write(line)
        answer = await asyncio.wait_for(self._reader.readline(), _PATIENCE)
        if not answer.endswith(b" " + line):
            raise ConnectionResetError(f"closed after {answer!r}")

    async def request(self, host: str, path: str = "/ip") -> None:
        """Send an HTTP/1.1 request. OSError unless it is answered with 200 and the connection stays."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        try:
            head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), _PATIENCE)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(f"closed after {error.partial!r}") from error
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length"))
        await self._reader.readexactly(length)
        if not lines[0].startswith(b"http/1.1 200"):
            raise ConnectionResetError(f"answered {lines[0]!r}")
        if b"connection: close" in lines:
            raise ConnectionResetError("told to close the connection")

    async def __aenter__(self) -> Self:
        """Connect."""
        host, port = self._address
        name = self._server_name if self._tls else None
        if self._namespace is None:
            self._reader, self._writer = await asyncio.open_connection(host, port, ssl=self._tls, server_hostname=name)
        else:
            connected = await self._namespace.connect(host, port)
            self._reader, self._writer = await asyncio.open_connection(
                sock=connected, ssl=self._tls, server_hostname=name
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
