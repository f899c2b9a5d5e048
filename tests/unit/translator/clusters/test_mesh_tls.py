"""Mesh TLS of clusters: by itself where both ends can, or by a DestinationRule's word."""

from typing import Any

import msgspec
import pytest

from tests.unit.translator.mesh_kit import (
    GATEWAY,
    IDENTIFIED,
    SIDECAR,
    Mesh,
    endpoint,
    endpoint_slice,
    entry,
    peers,
    pod,
    rule,
    service,
)
from translator.model.proxy import Proxy
from translator.objects.mesh_config import MeshConfig

WEB = "outbound|80||web.default.svc.cluster.local"
SECURED = {"app": "web", "security.istio.io/tlsMode": "istio"}
PODS = (pod("web-1", "10.1.0.1", labels=SECURED), pod("web-2", "10.1.0.2"))
SLICE = endpoint_slice("web", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2", "web-2"))
BASE = (service(), *PODS, SLICE)
HEADLESS = (service(clusterIP="None"), *PODS, SLICE)
STATIC = "{hosts: [static.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, location: %s}"
IDENTITY = "spiffe://cluster.local/ns/default/sa/default"


def told(mesh: Mesh, proxy: Proxy = IDENTIFIED, name: str = WEB) -> dict[str, str]:
    """What an assignment says of the TLS of each address."""
    found = {}
    for group in mesh.assignment(name, proxy).endpoints:
        for each in group.lb_endpoints:
            known = each.metadata.filter_metadata
            mode = known["envoy.transport_socket_match"].fields["tlsMode"].string_value if known else ""
            found[each.endpoint.address.socket_address.address] = mode
    return found


def context(mesh: Mesh, proxy: Proxy = IDENTIFIED, name: str = WEB) -> dict[str, Any]:
    """The mesh TLS context of a cluster."""
    cluster = mesh.shown(name, proxy)
    socket = cluster.get("transport_socket") or cluster["transport_socket_matches"][0]["transport_socket"]
    assert socket["name"] == "envoy.transport_sockets.tls"
    found: dict[str, Any] = socket["typed_config"]
    return found


def identities(mesh: Mesh, name: str = WEB) -> list[str]:
    """The names that servers may have."""
    validation = context(mesh, name=name)["common_tls_context"]["combined_validation_context"]
    matchers = validation["default_validation_context"]["match_typed_subject_alt_names"]
    assert {each["san_type"] for each in matchers} == {"URI"}
    return [each["matcher"].get("exact") or each["matcher"]["prefix"] + "*" for each in matchers]


def is_secured(mesh: Mesh, name: str = WEB) -> bool:
    """Whether a cluster knows mesh TLS at all."""
    return any(field in mesh.shown(name, IDENTIFIED) for field in ("transport_socket", "transport_socket_matches"))


def test_case_27_endpoints_tell_which_socket_is_theirs() -> None:
    mesh = Mesh(*BASE)
    cluster = mesh.shown(WEB, IDENTIFIED)
    assert "transport_socket" not in cluster
    istio, disabled = cluster["transport_socket_matches"]
    assert (istio["name"], istio["match"]) == ("tlsMode-istio", {"tlsMode": "istio"})
    assert (disabled["name"], disabled["match"]) == ("tlsMode-disabled", {})
    assert disabled["transport_socket"]["name"] == "envoy.transport_sockets.raw_buffer"
    assert context(mesh)["sni"] == "outbound_.80_._.web.default.svc.cluster.local"
    assert identities(mesh) == [IDENTITY]
    assert told(mesh) == {"10.1.0.1": "istio", "10.1.0.2": ""}


@pytest.mark.parametrize("proxy", [SIDECAR, GATEWAY])
def test_proxies_without_identity_hear_nothing_of_it(proxy: Proxy) -> None:
    mesh = Mesh(*BASE, rule("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"))
    assert not {"transport_socket", "transport_socket_matches"} & mesh.shown(WEB, proxy).keys()
    assert told(mesh, proxy) == {"10.1.0.1": "", "10.1.0.2": ""}


def test_gateways_with_identity_speak_it_too() -> None:
    gateway = msgspec.structs.replace(GATEWAY, has_identity=True)
    mesh = Mesh(*HEADLESS)
    assert "transport_socket_matches" in mesh.shown(WEB, gateway)
    assert told(mesh, gateway) == {"10.1.0.1": "istio", "10.1.0.2": ""}


def test_case_28_a_namespace_that_has_it_switched_off_is_called_in_plain_text() -> None:
    mesh = Mesh(*BASE, peers("{mtls: {mode: DISABLE}}"))
    assert not is_secured(mesh)
    assert told(mesh)["10.1.0.1"] == ""
    mesh.add(peers("{mtls: {mode: STRICT}}"))
    assert is_secured(mesh)
    assert told(mesh)["10.1.0.1"] == "istio"


def test_case_28_a_workload_that_has_it_switched_off_is_told_apart() -> None:
    off = "{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"
    mesh = Mesh(*BASE, peers(off))
    assert is_secured(mesh)
    assert told(mesh)["10.1.0.1"] == ""
    # By the port of the workload, which is 8080, and not by that of the service.
    mesh.add(peers("{selector: {matchLabels: {app: web}}, portLevelMtls: {80: {mode: DISABLE}}}"))
    assert told(mesh)["10.1.0.1"] == "istio"
    mesh.add(peers("{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}"))
    assert told(mesh)["10.1.0.1"] == ""


def test_case_28_a_rule_for_mesh_tls_goes_for_every_endpoint() -> None:
    mesh = Mesh(*BASE, peers("{mtls: {mode: DISABLE}}"), rule("trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: x}}"))
    assert "transport_socket_matches" not in mesh.shown(WEB, IDENTIFIED)
    assert context(mesh)["sni"] == "x"
    assert told(mesh) == {"10.1.0.1": "istio", "10.1.0.2": ""}


@pytest.mark.parametrize("mode", ["DISABLE", "SIMPLE"])
def test_case_28_a_rule_for_something_else_ends_it(mode: str) -> None:
    mesh = Mesh(*BASE, rule(f"trafficPolicy: {{tls: {{mode: {mode}}}}}"))
    assert "transport_socket_matches" not in mesh.shown(WEB, IDENTIFIED)
    assert ("transport_socket" in mesh.shown(WEB, IDENTIFIED)) == (mode == "SIMPLE")
    assert told(mesh)["10.1.0.1"] == ""


def test_case_28_a_rule_for_a_subset_alone() -> None:
    subsets = "subsets: [{name: v1, trafficPolicy: {tls: {mode: DISABLE}}}]"
    mesh = Mesh(*BASE, rule(subsets))
    v1 = "outbound|80|v1|web.default.svc.cluster.local"
    assert not is_secured(mesh, v1)
    assert told(mesh, name=v1) == {"10.1.0.1": "", "10.1.0.2": ""}
    assert told(mesh)["10.1.0.1"] == "istio"


def test_case_29_endpoints_that_envoy_cannot_tell_apart_all_have_to_speak_it() -> None:
    mesh = Mesh(*HEADLESS)
    assert not is_secured(mesh)
    mesh.add(pod("web-2", "10.1.0.2", labels=SECURED))
    assert "transport_socket_matches" not in mesh.shown(WEB, IDENTIFIED)
    assert context(mesh)["sni"] == "outbound_.80_._.web.default.svc.cluster.local"
    mesh.add(endpoint_slice("web"))
    assert not is_secured(mesh)


def test_case_12_b_another_service_account_is_another_name() -> None:
    mesh = Mesh(*BASE)
    before = mesh.clusters(IDENTIFIED)[WEB].version
    mesh.add(pod("web-2", "10.1.0.2", labels=SECURED))
    assert mesh.clusters(IDENTIFIED)[WEB].version == before
    mesh.add(pod("web-2", "10.1.0.2", labels=SECURED, serviceAccountName="other"))
    assert identities(mesh) == [IDENTITY, "spiffe://cluster.local/ns/default/sa/other"]
    assert mesh.clusters(IDENTIFIED)[WEB].version != before


def test_without_endpoints_an_identity_of_the_mesh_is_demanded_still() -> None:
    mesh = Mesh(service(), mesh=MeshConfig(trust_domain_aliases=("old",)))
    assert identities(mesh) == ["spiffe://cluster.local/*", "spiffe://old/*"]


def test_identities_hold_under_every_name_of_the_trust_domain() -> None:
    mesh = Mesh(*BASE, mesh=MeshConfig(trust_domain_aliases=("old",)))
    assert identities(mesh) == [IDENTITY, IDENTITY.replace("cluster.local", "old")]


def test_names_of_a_rule_replace_identities() -> None:
    names = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://x/y']}}"
    assert identities(Mesh(*BASE, rule(names))) == ["spiffe://x/y"]


def test_case_26_proxy_protocol_wraps_both_sockets() -> None:
    cluster = Mesh(*BASE, rule("trafficPolicy: {proxyProtocol: {version: V1}}")).shown(WEB, IDENTIFIED)
    inner = []
    for each in cluster["transport_socket_matches"]:
        assert each["transport_socket"]["name"] == "envoy.transport_sockets.upstream_proxy_protocol"
        inner.append(each["transport_socket"]["typed_config"]["transport_socket"]["name"])
    assert inner == ["envoy.transport_sockets.tls", "envoy.transport_sockets.raw_buffer"]


@pytest.mark.parametrize(
    ("protocol", "alpn"),
    [
        ("http", ["istio-http/1.1", "istio", "http/1.1"]),
        ("grpc", ["istio-h2", "istio", "h2"]),
        ("tcp", ["istio"]),
        ("web", ["istio"]),
    ],
)
def test_declared_protocols_are_offered(protocol: str, alpn: list[str]) -> None:
    mesh = Mesh(service(ports=f"{{name: {protocol}, port: 80}}"), *PODS)
    assert context(mesh)["common_tls_context"]["alpn_protocols"] == alpn


@pytest.mark.parametrize(("location", "secured"), [("MESH_INTERNAL", True), ("MESH_EXTERNAL", False)])
def test_services_outside_of_the_mesh_are_not_expected_to_speak_it(location: str, secured: bool) -> None:  # noqa: FBT001
    mesh = Mesh(entry(STATIC % location))
    assert is_secured(mesh, "outbound|80||static.com") == secured


def test_the_mesh_can_do_without() -> None:
    assert not is_secured(Mesh(*BASE, mesh=MeshConfig(enable_auto_mtls=False)))


def test_case_06_endpoints_without_pod_are_told_nothing_of() -> None:
    mesh = Mesh(service(), endpoint_slice("web", endpoint("10.8.0.1")))
    assert told(mesh) == {"10.8.0.1": ""}
