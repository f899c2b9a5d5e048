"""What is in a Secret: the keys under which certificates, keys and roots are kept, and whether they are usable.

Messages name keys, never values.
"""

from typing import Final

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
                from translator.secrets.pem import check_pair  # noqa: PLC0415 - see there

                check_pair(chain_key, chain, private_key, key)
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
                from translator.secrets.pem import load_certificates  # noqa: PLC0415 - see there

                load_certificates(key, found)
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
