"""What stands outside of the mesh: servers with certificates, behind a PROXY protocol, or known to DNS alone."""

import asyncio
import ipaddress
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Final, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.mesh import envoy

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that nobody knows unless he is told; ``roots`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        """Make a key and a root certificate in a folder."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        root = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)  # noqa: FBT003
        self.roots = folder / "roots.pem"
        self._certificate = root.sign(self._key, hashes.SHA256())
        self.roots.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, expired: bool = False) -> KeyPair:
        """A certificate for a DNS name, perhaps one whose time is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, -_DAY / 2 if expired else _DAY).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        pair = KeyPair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = builder.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def revoke(self, *pairs: KeyPair) -> Path:
        """A list of revoked certificates, in a file."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - _DAY).next_update(now + _DAY)
        for pair in pairs:
            serial = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _DAY).build()
            builder = builder.add_revoked_certificate(revoked)
        path = self._folder / "revocations.crl"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def server(self, name: str, *, mutual: bool = False) -> ssl.SSLContext:
        """The TLS of a server of that name, which demands a certificate of this authority if it is mutual."""
        pair = self.issue(name)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.certificate, pair.key)
        if mutual:
            context.load_verify_locations(self.roots)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta = _DAY
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + lasts)
        )


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
