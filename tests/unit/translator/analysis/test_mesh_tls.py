"""Rules that ask for mesh TLS where nobody has certificates for it, and policies that hide each other."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import Mesh, peers, rule
from translator.analysis.findings import object_findings
from translator.objects.registry import Kind, ObjectKey

PEERS = ObjectKey(Kind.PEER_AUTHENTICATION, "default", "peers")
RULE = ObjectKey(Kind.DESTINATION_RULE, "default", "rule")
EDGE = ObjectKey(Kind.ISTIO_GATEWAY, "default", "edge")
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
  - {port: {number: 443, name: tls, protocol: HTTPS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL}}
"""
CLIENTS = rule("""
trafficPolicy:
  tls: {mode: ISTIO_MUTUAL}
  portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}, {port: {number: 81}, tls: {mode: DISABLE}}]
subsets: [{name: v1, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}, {name: v2}]
""")
STRICT = peers("{selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: STRICT}, 81: {}}}")


def said(text: str, key: ObjectKey, *, issues: bool, code: str = "FL0102") -> list[str]:
    """The fields about which a finding of this code says something."""
    mesh = Mesh(text)
    mesh.db.replace_settings(msgspec.structs.replace(mesh.db.settings, issues_certificates=issues))
    return [each.path for each in object_findings(mesh.db, key) if each.code == code]


@pytest.mark.parametrize(
    ("text", "key", "fields"),
    [
        (
            CLIENTS,
            RULE,
            [
                "spec.trafficPolicy.tls.mode",
                "spec.trafficPolicy.portLevelSettings[0].tls.mode",
                "spec.subsets[0].trafficPolicy.tls.mode",
            ],
        ),
        (GATEWAY, EDGE, ["spec.servers[1].tls.mode"]),
        (STRICT, PEERS, ["spec.mtls.mode", "spec.portLevelMtls[80].mode"]),
        (peers("{mtls: {mode: PERMISSIVE}}"), PEERS, []),
    ],
)
def test_what_needs_certificates_is_told_where_there_are_none(text: str, key: ObjectKey, fields: list[str]) -> None:
    assert said(text, key, issues=False) == fields
    assert said(text, key, issues=True) == []


ENDING = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
  workloadSelector: {labels: {a: b}}
  ingress:
  - {port: {number: 80, protocol: HTTPS, name: a}, tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}
  - {port: {number: 81, protocol: TLS, name: b}, tls: {mode: PASSTHROUGH}}
"""
OWN = ObjectKey(Kind.SIDECAR, "default", "own")


def test_tls_of_a_sidecar_s_ingress_that_the_mesh_s_takes_the_place_of() -> None:
    assert said(ENDING, OWN, issues=True, code="FL0105") == ["spec.ingress[0].tls"]
    assert said(ENDING, OWN, issues=False, code="FL0105") == []
    without = peers("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}")
    assert said(f"{ENDING}---\n{without}", OWN, issues=True, code="FL0105") == []


def test_a_policy_that_an_older_one_hides() -> None:
    older = peers("{}", name="older", created="2025-01-01T00:00:00Z")
    assert said(f"{older}---\n{peers('{}')}", PEERS, issues=True, code="FL0103") == ["spec"]
    assert said(f"{older}---\n{STRICT}", PEERS, issues=True, code="FL0103") == []
