"""Certificates of a cluster: the server's own, and those by which clients say who they are."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority, which signs for servers and for clients."""

    def __init__(self, name: str = "kubernetes") -> None:
        """Make a key and a root certificate."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key)
        root = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.roots = root.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue_server(self, host: str) -> KeyPair:
        """A certificate for a server at an IP address."""
        names = [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("kubernetes.default.svc")]
        return self._issue([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")], names)

    def issue_client(self, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A certificate for a user: Kubernetes reads the name from CN and the groups from O."""
        organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        return self._issue([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)], [])

    def _issue(self, subject: list[x509.NameAttribute[str]], names: list[x509.GeneralName]) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name(subject), key)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), private)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


class ServerTls:
    """The TLS of a server: its certificate can be replaced, also by one of another authority, while it listens."""

    def __init__(self, host: str, folder: Path) -> None:
        self.authority = Authority()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self._host = host
        self._folder = folder
        self.rotate(self.authority)

    def rotate(self, authority: Authority | None = None) -> None:
        """Serve new connections with a new certificate; certificates of clients are accepted from every authority."""
        self.authority = authority or self.authority
        self.context.load_verify_locations(cadata=self.authority.roots.decode())
        pair = self.authority.issue_server(self._host)
        path = self._folder / "server.pem"
        path.write_bytes(pair.certificate + pair.key)
        self.context.load_cert_chain(path)
