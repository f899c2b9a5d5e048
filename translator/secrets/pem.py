"""Whether certificates and keys in PEM are what they should be.

What this imports takes 8 MB and tens of milliseconds: it is imported only where there is something to look at, and
by whoever serves Secrets from an event loop before anybody looks.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from translator.secrets.material import MaterialError


def check_pair(chain_key: str, chain: bytes, private_key: str, key: bytes) -> None:
    """Raise MaterialError for a pair that does not fit: Envoy refuses it, and the listener would wait for another."""
    leaf = load_certificates(chain_key, chain)[0]
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


def load_certificates(key: str, content: bytes) -> list[x509.Certificate]:
    """The certificates under a key of a Secret. Raises MaterialError."""
    try:
        return x509.load_pem_x509_certificates(content)
    except (ValueError, UnsupportedAlgorithm):
        message = f"has something else than certificates in PEM form under {key}"
        raise MaterialError(message) from None
