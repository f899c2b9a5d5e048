"""What stands outside of the mesh: servers behind a PROXY protocol, or known to DNS alone."""

import asyncio
import ipaddress
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Self

import pytest

from fairlead.mesh import envoy


class ProxyProtocolServer:
    """Answers every HTTP request with the PROXY header that came before it; an async context manager."""

    def __init__(self, host: str, port: int) -> None:
        """Prepare; nothing listens yet."""
        self._host, self._port = host, port
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._answer, self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.close()
        await self._server.wait_closed()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Version 2 starts with a signature, then version, family, and the length of the addresses."""
        start = await reader.readexactly(12)
        if start == b"\r\n\r\n\x00\r\nQUIT\n":
            _, _, length = struct.unpack("!BBH", await reader.readexactly(4))
            await reader.readexactly(length)
            header = b"PROXY v2"
        else:
            header = (start + await reader.readline()).strip()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(header), header))
        await writer.drain()
        writer.close()


@dataclass(slots=True)
class DnsServer:
    """Knows the addresses of some names for a second at a time; an async context manager on UDP port 53.

    ``bound`` is a socket that is bound already, in a namespace for instance. While it ``fails`` it says so.
    """

    host: str
    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bound: socket | None = None
    fails: bool = False
    _transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"sock": self.bound} if self.bound else {"local_addr": (self.host, 53)}
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _DnsProtocol(self), **where)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        if self._transport is not None:
            self._transport.close()

    def answer(self, question: bytes) -> bytes:
        """The answer to a message with one question. DNS: other types than A and AAAA have no records here."""
        labels, end = [], 12
        while length := question[end]:
            labels.append(question[end + 1 : end + 1 + length].decode())
            end += 1 + length
        kind = struct.unpack("!H", question[end + 1 : end + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append(name)
        known = map(ipaddress.ip_address, self.records.get(name, ()))
        found = [each.packed for each in known if {4: 1, 6: 28}[each.version] == kind]
        answers = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(each)) + each for each in found]
        flags = 0x8582 if self.fails else 0x8580 if name in self.records else 0x8583
        header = question[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0)
        return header + question[12 : end + 5] + b"".join(answers)


class _DnsProtocol(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self._transport.sendto(self._server.answer(data), addr)


@contextmanager
def asking(server: str, folder: Path) -> Iterator[None]:
    """Let Envoys that are started within the block ask a DNS server at an address: they see another resolv.conf."""
    settings = folder / "resolv.conf"
    settings.write_text(f"nameserver {server}\noptions timeout:1\n")
    mount = f"mount --bind {settings} /etc/resolv.conf"
    with _starting(f'unshare --mount sh -c \'{mount} && exec {envoy.envoy_executable()} "$@"\' envoy "$@"', folder):
        yield


@contextmanager
def logging_at_once(folder: Path) -> Iterator[None]:
    """Let Envoys that are started within the block write their access logs without the usual ten seconds of delay."""
    with _starting(f'{envoy.envoy_executable()} --file-flush-interval-msec 20 "$@"', folder):
        yield


@contextmanager
def _starting(command: str, folder: Path) -> Iterator[None]:
    wrapper = folder / "envoy"
    wrapper.write_text(f"#!/bin/sh\nexec {command}\n")
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envoy, "envoy_executable", lambda: str(wrapper))
        yield
