"""TLS origination, as DestinationRules ask for it."""

from typing import Any

import msgspec
import pytest

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, entry, rule, service
from translator.model.proxy import Proxy
from translator.settings import Settings

WEB = "outbound|80||web.default.svc.cluster.local"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def shown(tls: str, *, protocol: str = "http", proxy: Proxy = SIDECAR) -> dict[str, Any]:
    """The cluster of a service port whose rule has these TLS settings."""
    texts = (service(ports=f"{{name: {protocol}, port: 80}}"), rule(f"trafficPolicy: {{tls: {tls}}}"))
    return Mesh(*texts).shown(WEB, proxy)


def context(cluster: dict[str, Any]) -> dict[str, Any]:
    """The TLS context of a cluster."""
    assert cluster["transport_socket"]["name"] == "envoy.transport_sockets.tls"
    found: dict[str, Any] = {**cluster["transport_socket"]["typed_config"]}
    del found["@type"]
    return found


def upstream_options(cluster: dict[str, Any]) -> dict[str, Any]:
    """What the cluster derives from the requests themselves."""
    options: dict[str, Any] = cluster["typed_extension_protocol_options"][HTTP_OPTIONS]
    found: dict[str, Any] = options["upstream_http_protocol_options"]
    return found


@pytest.mark.parametrize("mode", ["DISABLE", "ISTIO_MUTUAL"])
def test_modes_without_origination(mode: str) -> None:
    assert "transport_socket" not in shown(f"{{mode: {mode}}}")


def test_case_30_simple_verifies_the_requested_host_against_the_roots_of_the_system() -> None:
    cluster = shown("{mode: SIMPLE}")
    assert context(cluster) == {
        "common_tls_context": {"validation_context": {"trusted_ca": {"filename": Settings().system_roots}}}
    }
    assert upstream_options(cluster) == {"auto_sni": True, "auto_san_validation": True}


def test_case_30_simple_with_sni_and_names() -> None:
    cluster = shown(
        "{mode: SIMPLE, sni: a.com, subjectAltNames: [a.com, 'spiffe://td/x'], caCertificates: /ca, caCrl: /crl}"
    )
    assert context(cluster) == {
        "sni": "a.com",
        "common_tls_context": {
            "validation_context": {
                "trusted_ca": {"filename": "/ca"},
                "crl": {"filename": "/crl"},
                "match_typed_subject_alt_names": [
                    {"san_type": "DNS", "matcher": {"exact": "a.com"}},
                    {"san_type": "URI", "matcher": {"exact": "spiffe://td/x"}},
                ],
            }
        },
    }
    assert "typed_extension_protocol_options" not in cluster


def test_names_replace_the_requested_host() -> None:
    assert upstream_options(shown("{mode: SIMPLE, subjectAltNames: [a.com]}")) == {"auto_sni": True}


def test_unverified_servers() -> None:
    cluster = shown("{mode: SIMPLE, insecureSkipVerify: true}")
    assert context(cluster) == {"common_tls_context": {}}
    assert upstream_options(cluster) == {"auto_sni": True}


def test_case_30_the_names_of_a_service_entry_are_allowed() -> None:
    text = (
        "{hosts: [a.com], subjectAltNames: [b.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}"
    )
    mesh = Mesh(entry(text), rule("{host: a.com, trafficPolicy: {tls: {mode: SIMPLE}}}"))
    cluster = mesh.shown("outbound|443||a.com")
    validation = context(cluster)["common_tls_context"]["validation_context"]
    assert validation["match_typed_subject_alt_names"] == [{"san_type": "DNS", "matcher": {"exact": "b.com"}}]
    assert upstream_options(cluster) == {"auto_sni": True, "auto_san_validation": True}


def test_mutual_presents_a_certificate() -> None:
    cluster = shown("{mode: MUTUAL, clientCertificate: /cert, privateKey: /key, caCertificates: /ca, sni: a.com}")
    assert context(cluster)["common_tls_context"] == {
        "tls_certificates": [{"certificate_chain": {"filename": "/cert"}, "private_key": {"filename": "/key"}}],
        "validation_context": {"trusted_ca": {"filename": "/ca"}},
    }


def test_http2_is_announced() -> None:
    assert context(shown("{mode: SIMPLE}", protocol="grpc"))["common_tls_context"]["alpn_protocols"] == ["h2"]


ADS = {"ads": {}, "resource_api_version": "V3"}


@pytest.mark.parametrize(
    ("proxy", "credential", "secret"),
    [
        (SIDECAR, "cred", None),
        (SIDECAR, "configmap://roots", "configmap://roots"),
        (GATEWAY, "cred", "kubernetes://cred-cacert"),
    ],
)
def test_case_31_credentials_by_name(proxy: Proxy, credential: str, secret: str | None) -> None:
    cluster = shown(f"{{mode: SIMPLE, credentialName: '{credential}'}}", proxy=proxy)
    if secret is None:
        assert "transport_socket" not in cluster
        return
    validation = context(cluster)["common_tls_context"]["combined_validation_context"]
    assert validation["validation_context_sds_secret_config"] == {"name": secret, "sds_config": ADS}


def test_case_31_a_selected_sidecar_may_read_credentials() -> None:
    mesh = Mesh(
        service(),
        rule("""
trafficPolicy: {tls: {mode: MUTUAL, credentialName: cred}}
workloadSelector: {matchLabels: {app: client}}
"""),
    )
    selected = msgspec.structs.replace(SIDECAR, labels=(("app", "client"),))
    common = context(mesh.shown(WEB, selected))["common_tls_context"]
    assert common["tls_certificate_sds_secret_configs"] == [{"name": "kubernetes://cred", "sds_config": ADS}]
    secret = common["combined_validation_context"]["validation_context_sds_secret_config"]
    assert secret["name"] == "kubernetes://cred-cacert"
    assert "transport_socket" not in mesh.shown(WEB, SIDECAR)
