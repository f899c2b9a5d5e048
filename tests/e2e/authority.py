"""A certificate authority outside of the mesh, whose certificates and lists are files."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests import certificates

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


class Authority:
    """Nobody knows it unless he is told; ``roots`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        """Make a key and a root certificate in a folder."""
        self._folder = folder
        self._root = certificates.issue("test authority")
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(self._root.pem)

    def issue(self, name: str, *, expired: bool = False) -> KeyPair:
        """A certificate for a DNS name, perhaps one whose time is over."""
        lasts = -_HOUR / 2 if expired else _HOUR
        issued = certificates.issue(name, [x509.DNSName(name)], self._root, lasts=lasts)
        pair = KeyPair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(issued.pem)
        pair.key.write_bytes(issued.key_pem)
        return pair

    def revoke(self, *pairs: KeyPair) -> Path:
        """A list of revoked certificates, in a file."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._root.certificate.subject)
        builder = builder.last_update(now - _HOUR).next_update(now + _HOUR)
        for pair in pairs:
            serial = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _HOUR).build()
            builder = builder.add_revoked_certificate(revoked)
        path = self._folder / "revocations.crl"
        signed = builder.sign(self._root.key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
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
