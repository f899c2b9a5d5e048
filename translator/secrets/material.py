"""What is in a Secret: the keys under which certificates, keys and roots are kept, and whether they are usable.

Messages name keys, never values.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from translator.objects.core import ConfigMap, Secret

# Istio: the keys of generic Secrets come first, then those of the type kubernetes.io/tls.
CERTIFICATE_KEYS: Final = (("cert", "key"), ("tls.crt", "tls.key"))
ROOT_KEYS: Final = ("cacert", "ca.crt")
REVOCATION_KEYS: Final = ("crl", "ca.crl")
STAPLE_KEY: Final = "tls.ocsp-staple"


class MaterialError(Exception):
    """A Secret does not hold what it is needed for; the text says what is wrong, without its content."""


class KeyMaterial:
    """The values of a Secret or ConfigMap; it never prints them."""

    __slots__ = ("_source",)

    def __init__(self, source: Secret | ConfigMap) -> None:
        self._source = source

    def certificate(self) -> tuple[bytes, bytes]:
        """The certificate chain and its private key. Raises MaterialError."""
        for chain_key, private_key in CERTIFICATE_KEYS:
            chain, key = self.value(chain_key), self.value(private_key)
            if chain and key:
                _check_pair(chain_key, chain, private_key, key)
                return chain, key
            if chain or key:
                message = f"has no value under {private_key if chain else chain_key}"
                raise MaterialError(message)
        message = "holds no certificate: neither tls.crt and tls.key nor cert and key"
        raise MaterialError(message)

    def roots(self) -> bytes:
        """The certificates that others are verified by. Raises MaterialError."""
        for key in ROOT_KEYS:
            found = self.value(key)
            if found:
                _load_certificates(key, found)
                return found
        message = f"holds no roots of trust under {' or '.join(ROOT_KEYS)}"
        raise MaterialError(message)

    def value(self, key: str) -> bytes:
        """The value under a key, empty without one."""
        if isinstance(self._source, Secret):
            return self._source.value(key) or b""
        text = self._source.data.get(key)
        return self._source.binary_data.get(key, b"") if text is None else text.encode()

    def revocations(self) -> bytes:
        """The list of revoked certificates, empty without one."""
        return next((found for key in REVOCATION_KEYS if (found := self.value(key))), b"")


def _check_pair(chain_key: str, chain: bytes, private_key: str, key: bytes) -> None:
    """Envoy refuses a pair that does not fit, and the listener would wait for another one."""
    leaf = _load_certificates(chain_key, chain)[0]
    try:
        private = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: what a library says of a key that it cannot read is nobody's business.
        message = f"has something else than an unencrypted private key in PEM form under {private_key}"
        raise MaterialError(message) from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        message = f"has a private key under {private_key} that is not the one of the certificate under {chain_key}"
        raise MaterialError(message)


def _load_certificates(key: str, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except (ValueError, UnsupportedAlgorithm):
        message = f"has something else than certificates in PEM form under {key}"
        raise MaterialError(message) from None
