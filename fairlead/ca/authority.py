"""Signs certificates: what an authority is made of, and the certificates that it gives.

Private keys are never part of a representation or of a message.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fairlead.ca.error import AuthorityError
from fairlead.trust_settings import MAX_LIFETIME

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

DEFAULT_LIFETIME: Final = dt.timedelta(hours=24)
_ROOT_LIFETIME: Final = dt.timedelta(days=3650)
# Clocks of a mesh differ a little.
_BACKDATE: Final = dt.timedelta(minutes=2)
_PLAIN: Final = serialization.NoEncryption()


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate with its chain, leaf first, and its key, in PEM. ``renew_at`` is half way through its life."""

    chain: bytes
    key: bytes = field(repr=False)
    serial: int
    not_before: dt.datetime
    not_after: dt.datetime

    @property
    def renew_at(self) -> dt.datetime:
        """When there should be another one."""
        return self.not_before + (self.not_after - self.not_before) / 2


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority. ``chain`` is what leads from its certificates to a root, in PEM; empty for a root.

    ``roots`` are the certificates that everybody in the mesh trusts, in PEM.
    """

    key: SigningKey = field(repr=False)
    certificate: x509.Certificate
    chain: bytes
    roots: bytes

    def issue(self, names: Iterable[str], lifetime: dt.timedelta = DEFAULT_LIFETIME) -> Credential:
        """A new key and a certificate for it, for clients and servers, with these names: URIs, addresses, DNS names.

        It ends with the authority's own certificate at the latest. Raises AuthorityError.
        """
        now = _now()
        if not dt.timedelta() < lifetime <= MAX_LIFETIME:
            raise AuthorityError(f"a certificate cannot be valid for {lifetime}: at most {MAX_LIFETIME.days} days")
        until = min(now + lifetime, self.certificate.not_valid_after_utc)
        if until <= now:
            raise AuthorityError(f"the certificate of the CA has expired at {until:%Y-%m-%d %H:%M:%S} UTC")
        key = ec.generate_private_key(ec.SECP256R1())
        # Half of the life counts from now on: what was before nobody could use.
        certificate = self._sign(key.public_key(), names, (now - _BACKDATE, until))
        return Credential(
            chain=certificate.public_bytes(serialization.Encoding.PEM) + self.chain,
            key=encode_key(key),
            serial=certificate.serial_number,
            not_before=now,
            not_after=until,
        )

    def _sign(
        self, key: ec.EllipticCurvePublicKey, names: Iterable[str], validity: tuple[dt.datetime, dt.datetime]
    ) -> x509.Certificate:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(validity[0])
            .not_valid_after(validity[1])
            # Without a subject the names are what counts, and must not be overlooked.
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        return builder.sign(self.key, hashes.SHA256())


def create_root(organization: str) -> Authority:
    """A new authority that is its own root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    now = _now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate, b"", certificate.public_bytes(serialization.Encoding.PEM))


def encode_key(key: SigningKey) -> bytes:
    """A private key in PEM, unencrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _PLAIN)


def merge_roots(*bundles: bytes) -> bytes:
    """Every certificate of these bundles once, in order."""
    certificates = dict.fromkeys(each for bundle in bundles for each in x509.load_pem_x509_certificates(bundle))
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_encipherment=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> dt.datetime:
    # Certificates know whole seconds.
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
