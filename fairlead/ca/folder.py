"""An authority in a folder: files that somebody put there, or a root of one's own that is made once and kept."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from fairlead.ca.authority import Authority, SigningKey, create_root, encode_key
from fairlead.ca.error import AuthorityError


class _Files(NamedTuple):
    """The names of the files; without ``chain`` the authority's own certificate is all that leads to the root."""

    certificate: str
    key: str
    roots: str
    chain: str


# Istio: the names of the Secret "cacerts", or those that cert-manager gives.
_LAYOUTS: Final = (
    _Files("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"),
    _Files("tls.crt", "tls.key", "ca.crt", ""),
)
_OWN: Final = _LAYOUTS[0]


def open_authority(folder: Path, organization: str) -> Authority:
    """The authority in a folder; one is made if the folder is empty or missing. Raises AuthorityError."""
    if not folder.exists() or not any(folder.iterdir()):
        _create(folder, organization)
    return load_authority(folder)


def is_vacant(folder: Path) -> bool:
    """Whether nobody has put anything there. Kubernetes: an optional Secret that is missing is an empty folder.

    What it keeps in there for itself begins with a dot.
    """
    return not folder.exists() or all(entry.name.startswith(".") for entry in folder.iterdir())


def load_authority(folder: Path) -> Authority:
    """The authority in a folder, checked: key and certificate fit, and lead to one of the roots.

    Raises AuthorityError.
    """
    files = next((each for each in _LAYOUTS if (folder / each.certificate).exists()), None)
    if files is None:
        known = " or ".join(each.certificate for each in _LAYOUTS)
        raise AuthorityError(f"{folder} holds no certificate of a CA ({known})")
    certificates = _read_certificates(folder / files.certificate)
    key = _read_key(folder / files.key)
    if _public_bytes(key.public_key()) != _public_bytes(certificates[0].public_key()):
        raise AuthorityError(f"{folder / files.key} is not the key of {folder / files.certificate}")
    if not _is_authority(certificates[0]):
        raise AuthorityError(f"{folder / files.certificate} may not sign certificates")
    roots = _read_certificates(folder / files.roots)
    chain = certificates
    if files.chain and (folder / files.chain).exists():
        chain = [
            certificates[0],
            *(each for each in _read_certificates(folder / files.chain) if each != certificates[0]),
        ]
    if not _leads_to(chain, roots):
        raise AuthorityError(
            f"{folder / files.certificate} leads to none of the certificates in {folder / files.roots}"
        )
    return Authority(
        key=key,
        certificate=certificates[0],
        chain=_pem(each for each in chain if each not in roots),
        roots=_pem(roots),
    )


def _create(folder: Path, organization: str) -> None:
    """Make a root. The folder appears complete or not at all; of several who try at once, one wins."""
    root = create_root(organization)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in (
            (_OWN.certificate, root.roots),
            (_OWN.roots, root.roots),
            (_OWN.key, encode_key(root.key)),
        ):
            mode = 0o600 if name == _OWN.key else 0o644
            handle = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        # Proxies of other users need the root.
        draft.chmod(0o755)
        # POSIX: replaces an empty folder, and fails if somebody else was faster.
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not (folder / _OWN.certificate).exists():
            raise AuthorityError(f"{folder} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _read_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise AuthorityError(f"{path} is something else than certificates in PEM form") from None


def _read_key(path: Path) -> SigningKey:
    content = _read(path)
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: what a library says of a key that it cannot read is nobody's business.
        raise AuthorityError(f"{path} is something else than an unencrypted private key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise AuthorityError(f"{path} is neither an EC nor an RSA key")
    return key


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _leads_to(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> bool:
    """Whether each of a chain is signed by the next, and the last is a root or signed by one."""
    signed = all(_is_signed_by(one, issuer) for one, issuer in itertools.pairwise(chain))
    return signed and any(chain[-1] == root or _is_signed_by(chain[-1], root) for root in roots)


def _is_signed_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
