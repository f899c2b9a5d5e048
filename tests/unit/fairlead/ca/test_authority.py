"""What an authority signs, and where it is kept."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fairlead.ca.authority import Authority, create_root, encode_key, merge_roots
from fairlead.ca.error import AuthorityError
from fairlead.ca.folder import load_authority, open_authority

WEB = "spiffe://cluster.local/ns/shop/sa/web"
PEM = serialization.Encoding.PEM


def leaf(chain: bytes) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificates(chain)[0]


def below(root: Authority, *, ca: bool = True, hours: int = 24) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """A certificate of another authority that the root vouches for, with its key."""
    key = rsa.generate_private_key(65537, 2048)
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "below")]))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(root.key, hashes.SHA256())
    )
    return certificate, key


def plug_in(folder: Path, certificate: x509.Certificate, key: rsa.RSAPrivateKey, roots: bytes, **files: bytes) -> Path:
    """A folder with the files of an authority."""
    folder.mkdir()
    (folder / "ca-cert.pem").write_bytes(certificate.public_bytes(PEM))
    (folder / "ca-key.pem").write_bytes(encode_key(key))
    (folder / "root-cert.pem").write_bytes(roots)
    for name, content in files.items():
        (folder / f"{name}.pem").write_bytes(content)
    return folder


def test_a_certificate_says_who_it_is_for_and_nothing_else() -> None:
    root = create_root("mesh")
    credential = root.issue([WEB], dt.timedelta(hours=2))
    found = leaf(credential.chain)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert [each.value for each in names.value] == [WEB]
    assert list(found.subject) == []
    usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert found.not_valid_after_utc - found.not_valid_before_utc == dt.timedelta(hours=2, minutes=2)
    assert credential.renew_at == credential.not_after - dt.timedelta(hours=1)
    key = serialization.load_pem_private_key(credential.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == found.public_key()
    assert found.serial_number == credential.serial


def test_it_verifies_by_the_root() -> None:
    root = create_root("mesh")
    found = leaf(root.issue(["control-plane.example.com", "127.0.0.1"]).chain)
    found.verify_directly_issued_by(root.certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["control-plane.example.com"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_two_certificates_have_nothing_in_common() -> None:
    root = create_root("mesh")
    one, other = root.issue([WEB]), root.issue([WEB])
    assert one.serial != other.serial
    assert one.key != other.key


@pytest.mark.parametrize("lifetime", [dt.timedelta(0), dt.timedelta(days=91)])
def test_case_65_lifetimes_have_limits(lifetime: dt.timedelta) -> None:
    with pytest.raises(AuthorityError, match="cannot be valid for"):
        create_root("mesh").issue([WEB], lifetime)


def test_a_certificate_ends_with_that_of_the_authority(tmp_path: Path) -> None:
    root = create_root("mesh")
    certificate, key = below(root, hours=1)
    authority = load_authority(plug_in(tmp_path / "ca", certificate, key, root.roots))
    assert authority.issue([WEB]).not_after == certificate.not_valid_after_utc
    expired, key = below(root, hours=-1)
    authority = load_authority(plug_in(tmp_path / "old", expired, key, root.roots))
    with pytest.raises(AuthorityError, match="has expired"):
        authority.issue([WEB])


def test_keys_are_in_no_representation() -> None:
    root = create_root("mesh")
    assert "PRIVATE" not in repr(root.issue([WEB]))
    assert "key=" not in repr(root)


def test_case_66_an_empty_folder_gets_one_root(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ca"
    one, again = open_authority(folder, "mesh"), open_authority(folder, "other")
    assert one.certificate == again.certificate
    assert one.chain == b""
    assert (folder / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert (folder / "root-cert.pem").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.parent.iterdir()] == ["ca"]
    (tmp_path / "empty").mkdir()
    assert open_authority(tmp_path / "empty", "mesh").roots


def test_an_authority_below_a_root_shows_the_way_to_it(tmp_path: Path) -> None:
    root = create_root("mesh")
    certificate, key = below(root)
    own = certificate.public_bytes(PEM)
    plain = load_authority(plug_in(tmp_path / "plain", certificate, key, root.roots))
    chained = load_authority(
        plug_in(tmp_path / "chained", certificate, key, root.roots, **{"cert-chain": own + root.roots})
    )
    assert plain.chain == chained.chain == own
    assert plain.issue([WEB]).chain.count(b"BEGIN CERTIFICATE") == 2
    assert load_authority(tmp_path / "plain").roots == root.roots


def test_the_names_of_cert_manager_are_known(tmp_path: Path) -> None:
    root = create_root("mesh")
    (tmp_path / "tls.crt").write_bytes(root.roots)
    (tmp_path / "tls.key").write_bytes(encode_key(root.key))
    (tmp_path / "ca.crt").write_bytes(root.roots)
    assert load_authority(tmp_path).certificate == root.certificate


def test_what_does_not_fit_is_refused_and_told_without_keys(tmp_path: Path) -> None:
    root, stranger = create_root("mesh"), create_root("stranger")
    certificate, key = below(root)
    no_authority, its_key = below(root, ca=False)
    faults = {
        "is not the key of": plug_in(tmp_path / "a", certificate, its_key, root.roots),
        "may not sign": plug_in(tmp_path / "b", no_authority, its_key, root.roots),
        "leads to none of": plug_in(tmp_path / "c", certificate, key, stranger.roots),
        "something else than certificates": plug_in(tmp_path / "d", certificate, key, b"x"),
    }
    for text, folder in faults.items():
        with pytest.raises(AuthorityError, match=text):
            load_authority(folder)
    (tmp_path / "a" / "ca-key.pem").write_text("secret")
    with pytest.raises(AuthorityError, match="unencrypted private key") as raised:
        load_authority(tmp_path / "a")
    assert "secret" not in str(raised.value)
    (plug_in(tmp_path / "e", certificate, key, root.roots) / "root-cert.pem").unlink()
    with pytest.raises(AuthorityError, match="cannot be read: no such file"):
        load_authority(tmp_path / "e")
    with pytest.raises(AuthorityError, match="holds no certificate of a CA"):
        load_authority(tmp_path)


def test_roots_are_merged_once_each() -> None:
    one, other = create_root("one").roots, create_root("other").roots
    assert merge_roots(one, other + one) == one + other
