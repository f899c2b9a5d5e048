"""The TLS contexts of both ends of mesh TLS."""

from typing import Any

import pytest
from envoy.config.core.v3.base_pb2 import TransportSocket
from google.protobuf.json_format import MessageToDict

from translator.database import Database
from translator.objects.mesh_config import CertificateData, MeshConfig, MeshTLSConfig, MeshTLSProtocol
from translator.security.mesh_tls import (
    HTTP2_ALPN,
    SERVER_ALPN,
    MeshClientTLS,
    MeshTLS,
    build_mesh_client,
    build_mesh_server,
    build_secret_reference,
    mesh_tls,
)
from translator.settings import Settings

OVER_ADS = {"ads": {}, "resource_api_version": "V3"}


def common(socket: TransportSocket) -> dict[str, Any]:
    """The part of a context that both ends have."""
    found: dict[str, Any] = shown(socket)["common_tls_context"]
    return found


def shown(socket: TransportSocket) -> dict[str, Any]:
    """The context of a socket."""
    return MessageToDict(socket.typed_config, preserving_proto_field_name=True)


def names(socket: TransportSocket) -> list[dict[str, Any]]:
    """The names that a context demands."""
    found: list[dict[str, Any]] = common(socket)["combined_validation_context"]["default_validation_context"][
        "match_typed_subject_alt_names"
    ]
    return found


def test_servers_demand_a_certificate_of_the_trust_domains() -> None:
    socket = build_mesh_server(MeshTLS(trust_domains=("a", "b")))
    assert shown(socket)["require_client_certificate"]
    assert names(socket) == [
        {"san_type": "URI", "matcher": {"prefix": "spiffe://a/"}},
        {"san_type": "URI", "matcher": {"prefix": "spiffe://b/"}},
    ]
    assert common(socket)["alpn_protocols"] == list(SERVER_ALPN)
    assert "istio" not in SERVER_ALPN


def test_servers_keep_the_limits_of_the_mesh() -> None:
    usual = common(build_mesh_server(MeshTLS()))["tls_params"]
    assert (usual["tls_minimum_protocol_version"], usual["tls_maximum_protocol_version"]) == ("TLSv1_2", "TLSv1_3")
    assert len(usual["cipher_suites"]) == 6
    limits = MeshTLSConfig(
        min_protocol_version=MeshTLSProtocol.TLSV1_3, cipher_suites=("AES128-GCM-SHA256",), ecdh_curves=("P-256",)
    )
    assert common(build_mesh_server(MeshTLS(limits=limits)))["tls_params"] == {
        "tls_minimum_protocol_version": "TLSv1_3",
        "tls_maximum_protocol_version": "TLSv1_3",
        "cipher_suites": ["AES128-GCM-SHA256"],
        "ecdh_curves": ["P-256"],
    }


def test_clients_say_whom_they_call_and_demand_its_identity() -> None:
    socket = build_mesh_client(
        MeshClientTLS(sni="outbound_.80_._.web", names=("spiffe://a/ns/x/sa/web",), alpn=HTTP2_ALPN)
    )
    assert shown(socket)["sni"] == "outbound_.80_._.web"
    assert common(socket)["alpn_protocols"] == ["istio-h2", "istio", "h2"]
    assert names(socket) == [{"san_type": "URI", "matcher": {"exact": "spiffe://a/ns/x/sa/web"}}]


def test_clients_that_know_no_identity_demand_one_of_the_mesh() -> None:
    assert names(build_mesh_client(MeshClientTLS(sni="x", trust_domains=("a",)))) == [
        {"san_type": "URI", "matcher": {"prefix": "spiffe://a/"}}
    ]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("spiffe://a/b", ["URI"]), ("10.0.0.1", ["IP_ADDRESS"]), ("fd00::1", ["IP_ADDRESS"]), ("web.com", ["DNS", "URI"])],
)
def test_names_that_rules_demand(name: str, kinds: list[str]) -> None:
    found = names(build_mesh_client(MeshClientTLS(sni="x", names=(name,))))
    assert [(each["san_type"], each["matcher"]) for each in found] == [(kind, {"exact": name}) for kind in kinds]


@pytest.mark.parametrize("socket", [build_mesh_server(MeshTLS()), build_mesh_client(MeshClientTLS(sni="x"))])
def test_both_ends_wait_for_certificate_and_roots(socket: TransportSocket) -> None:
    source = {**OVER_ADS, "initial_fetch_timeout": "0s"}
    assert common(socket)["tls_certificate_sds_secret_configs"] == [{"name": "default", "sds_config": source}]
    assert common(socket)["combined_validation_context"]["validation_context_sds_secret_config"] == {
        "name": "ROOTCA",
        "sds_config": source,
    }


def test_other_secrets_hold_nothing_up() -> None:
    reference = build_secret_reference("kubernetes://web")
    assert MessageToDict(reference, preserving_proto_field_name=True)["sds_config"] == OVER_ADS


def test_trust_domains_are_those_of_the_mesh_its_aliases_and_its_roots() -> None:
    mesh = MeshConfig(
        trust_domain="a",
        trust_domain_aliases=("b", "a", ""),
        ca_certificates=(CertificateData(trust_domains=("c", "b")),),
    )
    assert mesh_tls(Database(Settings(mesh=mesh))).trust_domains == ("a", "b", "c")
