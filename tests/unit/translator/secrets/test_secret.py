"""Secrets by name: which object, which key, for whom, and why not."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from fairlead.proto_json import render_resource
from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, rule
from translator.analysis.findings import object_findings
from translator.objects.registry import Kind, ObjectKey
from translator.secrets.secret import secret, secret_fault
from translator.secrets.selection import secret_references
from translator.settings import Settings

NAMESPACE = "default"


@cache
def pair(name: str) -> tuple[bytes, bytes]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)


CHAIN, KEY = pair("one")
OTHER_CHAIN, OTHER_KEY = pair("two")


def kube_secret(name: str, namespace: str = NAMESPACE, /, **values: bytes) -> str:
    """A Secret; underscores in keys stand for dots, two of them for a hyphen."""
    data = {key.replace("__", "-").replace("_", "."): base64.b64encode(value).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def built(mesh: Mesh, name: str) -> Secret | None:
    resource = secret(mesh.db, NAMESPACE, name)
    return Secret.FromString(resource.body) if resource else None


@pytest.mark.parametrize("values", [{"tls_crt": CHAIN, "tls_key": KEY}, {"cert": CHAIN, "key": KEY}])
def test_a_certificate(values: dict[str, bytes]) -> None:
    mesh = Mesh(kube_secret("web", **values))
    found = built(mesh, "kubernetes://web")
    assert found is not None
    assert found.name == "kubernetes://web"
    assert found.tls_certificate.certificate_chain.inline_bytes == CHAIN
    assert found.tls_certificate.private_key.inline_bytes == KEY
    assert not found.tls_certificate.HasField("ocsp_staple")
    assert built(mesh, "kubernetes-gateway://default/web") is not None
    assert secret_fault(mesh.db, NAMESPACE, "kubernetes://web") == ""


def test_generic_keys_come_first_and_staples_go_along() -> None:
    values = {"cert": CHAIN, "key": KEY, "tls_crt": OTHER_CHAIN, "tls_key": OTHER_KEY, "tls_ocsp__staple": b"staple"}
    found = built(Mesh(kube_secret("web", **values)), "kubernetes://web")
    assert found is not None
    assert found.tls_certificate.certificate_chain.inline_bytes == CHAIN
    assert found.tls_certificate.ocsp_staple.inline_bytes == b"staple"


@pytest.mark.parametrize(
    ("secrets", "roots"),
    [
        ([kube_secret("web-cacert", cacert=CHAIN)], CHAIN),
        ([kube_secret("web-cacert", ca_crt=CHAIN)], CHAIN),
        ([kube_secret("web", tls_crt=CHAIN, tls_key=KEY, ca_crt=OTHER_CHAIN)], OTHER_CHAIN),
        ([kube_secret("web-cacert", cacert=CHAIN), kube_secret("web", ca_crt=OTHER_CHAIN)], CHAIN),
    ],
)
def test_roots_have_a_secret_of_their_own_or_are_beside_the_certificate(secrets: list[str], roots: bytes) -> None:
    found = built(Mesh(*secrets), "kubernetes://web-cacert")
    assert found is not None
    assert found.validation_context.trusted_ca.inline_bytes == roots
    assert not found.HasField("tls_certificate")


def test_revoked_certificates_and_roots_in_a_config_map() -> None:
    found = built(Mesh(kube_secret("web-cacert", ca_crt=CHAIN, ca_crl=b"list")), "kubernetes://web-cacert")
    assert found is not None
    assert found.validation_context.crl.inline_bytes == b"list"
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "roots", "namespace": "other"},
        "data": {"ca.crt": CHAIN.decode()},
    }
    found = built(Mesh(yaml.safe_dump(document)), "configmap://other/roots")
    assert found is not None
    assert found.validation_context.trusted_ca.inline_bytes == CHAIN


@pytest.mark.parametrize(
    ("text", "name", "fault"),
    [
        (kube_secret("x", a=b"b"), "kubernetes://web", "Secret default/web does not exist"),
        (
            kube_secret("x", a=b"b"),
            "kubernetes://web-cacert",
            "Secret default/web-cacert and Secret default/web do not exist",
        ),
        (kube_secret("web", tls_crt=CHAIN), "kubernetes://web", "Secret default/web has no value under tls.key"),
        (kube_secret("web", cert=CHAIN), "kubernetes://web", "Secret default/web has no value under key"),
        (
            kube_secret("web", tls_crt=CHAIN, tls_key=OTHER_KEY),
            "kubernetes://web",
            "Secret default/web has a private key under tls.key that is not the one of the certificate under tls.crt",
        ),
        (
            kube_secret("web", tls_crt=b"x", tls_key=KEY),
            "kubernetes://web",
            "Secret default/web has something else than certificates in PEM form under tls.crt",
        ),
        (
            kube_secret("web", tls_crt=CHAIN, tls_key=b"not a key"),
            "kubernetes://web",
            "Secret default/web has something else than an unencrypted private key in PEM form under tls.key",
        ),
        (
            kube_secret("web", password=b"x"),
            "kubernetes://web",
            "Secret default/web holds no certificate: neither tls.crt and tls.key nor cert and key",
        ),
        (
            kube_secret("web", tls_crt=CHAIN, tls_key=KEY),
            "kubernetes://web-cacert",
            "Secret default/web holds no roots of trust under cacert or ca.crt",
        ),
        (
            kube_secret("web", "other", tls_crt=CHAIN, tls_key=KEY),
            "kubernetes://other/web",
            "Secret other/web is in another namespace: proxies of default get Secrets of their own only",
        ),
        (
            kube_secret("web", "other", tls_crt=CHAIN, tls_key=KEY),
            "kubernetes-gateway://other/web",
            "Secret other/web is in another namespace: proxies of default get Secrets of their own only",
        ),
        (kube_secret("web", a=b"b"), "invalid://web", "invalid://web leads to no Secret"),
    ],
)
def test_what_is_not_given_out_says_why(text: str, name: str, fault: str) -> None:
    mesh = Mesh(text)
    assert secret_fault(mesh.db, NAMESPACE, name) == fault
    assert built(mesh, name) is None


GATEWAY_TEXT = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, credentialName: a}}
  - {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b], tls: {mode: MUTUAL, credentialName: b}}
  - {port: {number: 443, name: c, protocol: TLS}, hosts: [c], tls: {mode: PASSTHROUGH}}
  - {port: {number: 443, name: d, protocol: HTTPS}, hosts: [d], tls: {mode: ISTIO_MUTUAL}}
"""
LABELLED = msgspec.structs.replace(GATEWAY, labels=(("istio", "ingressgateway"),))


def test_a_gateway_may_ask_for_what_its_servers_name() -> None:
    mesh = Mesh(GATEWAY_TEXT)
    names = [each.name for each in secret_references(mesh.db, mesh.view(LABELLED))]
    assert names == ["kubernetes://a", "kubernetes://b", "kubernetes://b-cacert"]
    assert secret_references(mesh.db, mesh.view(SIDECAR)) == ()
    assert secret_references(mesh.db, mesh.view(GATEWAY)) == ()


def test_nobody_may_ask_where_proxies_are_not_to_be_trusted() -> None:
    mesh = Mesh(GATEWAY_TEXT)
    assert secret_references(mesh.db, mesh.view(LABELLED)) != ()
    mesh.db.replace_settings(Settings(discloses_secrets=False))
    assert secret_references(mesh.db, mesh.view(LABELLED)) == ()


def test_everybody_may_ask_for_what_rules_name_in_his_own_namespace() -> None:
    mesh = Mesh(
        rule("{host: a.example.com, trafficPolicy: {tls: {mode: SIMPLE, credentialName: client}}}", name="a"),
        rule("{host: b.example.com, trafficPolicy: {tls: {mode: SIMPLE, credentialName: 'configmap://ca'}}}", name="b"),
    )
    names = [each.name for each in secret_references(mesh.db, mesh.view(SIDECAR))]
    assert names == ["configmap://ca", "kubernetes://client", "kubernetes://client-cacert"]


POD = """
apiVersion: v1
kind: Pod
metadata: {name: gw-1, namespace: edge, labels: {istio: ingressgateway}}
status: {podIP: 10.0.0.1}
"""


def faults(mesh: Mesh) -> list[str]:
    found = object_findings(mesh.db, ObjectKey(Kind.ISTIO_GATEWAY, "default", "gw"))
    return [f"{each.severity}: {each.path}: {each.message}" for each in found if "Secret" in each.message]


def test_findings_name_the_secret_in_the_namespace_of_the_proxies() -> None:
    mesh = Mesh(GATEWAY_TEXT, POD, kube_secret("a", tls_crt=CHAIN, tls_key=KEY))
    assert faults(mesh) == [
        "error: spec.servers[0].tls: Secret edge/a does not exist: connections to a fail",
        "error: spec.servers[1].tls: Secret edge/b does not exist: connections to b fail",
        "error: spec.servers[1].tls: Secret edge/b-cacert and Secret edge/b do not exist: connections to b fail",
    ]
    mesh.add(kube_secret("a", "edge", tls_crt=CHAIN, tls_key=KEY))
    mesh.add(kube_secret("b", "edge", tls_crt=CHAIN, tls_key=KEY, ca_crt=CHAIN))
    assert faults(mesh) == []


def test_without_any_proxy_only_what_is_nowhere_is_missing() -> None:
    mesh = Mesh(GATEWAY_TEXT, kube_secret("a", "somewhere", tls_crt=CHAIN, tls_key=KEY))
    assert faults(mesh) == [
        "warning: spec.servers[1].tls: there is no Secret b in any namespace: connections to b fail",
        "warning: spec.servers[1].tls: there is no Secret b-cacert or b in any namespace: connections to b fail",
    ]


def test_private_keys_are_not_shown() -> None:
    mesh = Mesh(kube_secret("web", tls_crt=CHAIN, tls_key=KEY))
    resource = secret(mesh.db, NAMESPACE, "kubernetes://web")
    assert resource is not None
    shown = render_resource(resource)
    assert shown["tlsCertificate"]["privateKey"] == {"inlineString": "[redacted]"}
    assert "PRIVATE" not in repr(resource) + repr(mesh.db.store.get(ObjectKey(Kind.SECRET, NAMESPACE, "web")))
