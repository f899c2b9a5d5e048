"""Inbound listeners: the workload's own ports."""

import pytest
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    PLAIN_HTTP,
    UNCAPTURED,
    V6,
    address,
    chains,
    filter_names,
    istio,
    kube_service,
    listeners,
    manager,
    managers,
    matching,
    proxies,
    resources,
)
from tests.unit.translator.mesh_kit import IDENTIFIED, SIDECAR, Mesh, peers
from translator.listeners.inbound import InboundInputs, build_virtual_inbound
from translator.listeners.inbound_mode import inbound_forms
from translator.listeners.inbound_plan import InboundPort
from translator.listeners.settings import ListenerSettings
from translator.model.peer_authentication import MutualTLS
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, Proxy, Tuning
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.security.mesh_tls import MeshTLS
from xds.resource import Reference
from xds.types import CLUSTER

WEB = replace(SIDECAR, labels=(("app", "web"),))
ANY = "0.0.0.0"  # noqa: S104 - compared, not bound


def served(*ports: str, **mesh: object) -> Mesh:
    """A mesh whose service ``web`` has these ports."""
    return Mesh(kube_service("web", ", ".join(ports)), mesh=MeshConfig(**mesh))  # type: ignore[arg-type]


def test_case_01_a_workload_without_services() -> None:
    mesh = Mesh()
    found = listeners(mesh)
    assert list(found) == ["virtualOutbound", "virtualInbound"]
    assert [
        (each["name"], each["to"], each["transport"], each["alpn"]) for each in chains(found["virtualInbound"])
    ] == [
        ("virtualInbound-blackhole", "BlackHoleCluster", "", []),
        ("virtualInbound-catchall-http", "inline InboundPassthroughCluster", "raw_buffer", PLAIN_HTTP),
        ("virtualInbound", "InboundPassthroughCluster", "raw_buffer", []),
    ]
    assert found["virtualOutbound"].use_original_dst.value
    assert not found["virtualInbound"].HasField("use_original_dst")
    assert not found["virtualInbound"].HasField("default_filter_chain")


def test_case_01_a_workload_that_has_a_certificate_takes_mutual_tls_too() -> None:
    found = chains(listeners(Mesh(), WEB_POD)["virtualInbound"])
    assert [each["name"] for each in found if "http" in each["name"]] == ["virtualInbound-catchall-http"] * 2
    assert [(each["transport"], each["tls"]) for each in found if each["name"] == "virtualInbound"] == [
        ("tls", True),
        ("raw_buffer", False),
        ("tls", False),
    ]


def test_case_13_a_calls_to_the_virtual_ports_end_nowhere() -> None:
    found = listeners(Mesh())
    for name, port in (("virtualOutbound", 15001), ("virtualInbound", 15006)):
        guard = matching(chains(found[name]), port=port)
        assert [each["to"] for each in guard] == ["BlackHoleCluster"]
        assert address(found[name]) == (ANY, port)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("{name: http, port: 80, targetPort: 8080}", [("inline inbound|8080||", [])]),
        ("{name: tcp, port: 80, targetPort: 8080}", [("inbound|8080||", [])]),
        ("{name: tls, port: 80, targetPort: 8080}", [("inbound|8080||", [])]),
        ("{name: x, port: 80, targetPort: 8080}", [("inline inbound|8080||", PLAIN_HTTP), ("inbound|8080||", [])]),
    ],
)
def test_chains_of_a_declared_port(port: str, expected: list[tuple[str, list[str]]]) -> None:
    mesh = served(port)
    listener = listeners(mesh, WEB)["virtualInbound"]
    found = matching(chains(listener), port=8080)
    assert [(each["to"], each["alpn"]) for each in found] == expected
    assert {each["name"] for each in found} == {"0.0.0.0_8080"}
    assert Reference(CLUSTER, "inbound|8080||") in resources(mesh, WEB)["virtualInbound"].references


def test_inbound_connection_managers() -> None:
    mesh = served("{name: grpc, port: 80, targetPort: 8080}", "{name: http, port: 81, targetPort: 8081}")
    unknown, grpc, http = managers(listeners(mesh, WEB)["virtualInbound"])
    assert [each.stat_prefix for each in (unknown, grpc, http)] == [
        "InboundPassthroughCluster;",
        "inbound_0.0.0.0_8080;",
        "inbound_0.0.0.0_8081;",
    ]
    assert grpc.HasField("http2_protocol_options")
    assert not http.HasField("http2_protocol_options")
    assert http.server_name == "istio-envoy"
    assert http.forward_client_cert_details == http.APPEND_FORWARD
    details = http.set_current_client_cert_details
    assert (details.subject.value, details.uri, details.dns, details.cert, details.chain) == (
        True,
        True,
        True,
        False,
        False,
    )
    assert http.route_config.virtual_hosts[0].name == "inbound|http|81"
    assert not http.route_config.validate_clusters.value
    assert http.route_config.HasField("validate_clusters")


def test_case_20_of_two_services_on_one_port_the_oldest_says_what_it_is() -> None:
    older = kube_service(
        "old", "{name: http, port: 80, targetPort: 8080}", selector={"app": "web"}, created="2020-01-01T00:00:00Z"
    )
    newer = kube_service("new", "{name: tcp, port: 81, targetPort: 8080}", selector={"app": "web"})
    found = matching(chains(listeners(Mesh(newer, older), WEB)["virtualInbound"]), port=8080)
    assert [each["to"] for each in found] == ["inline inbound|8080||"]


INGRESS = "ingress: [{{port: {{number: 9080, protocol: HTTP, name: http}}, defaultEndpoint: '127.0.0.1:8080'{}}}]"


def test_case_18_a_the_sidecar_with_ingress_serves_nothing_else() -> None:
    mesh = served("{name: http, port: 80, targetPort: 8080}")
    mesh.add(istio("Sidecar", "default", INGRESS.format(", bind: 1.1.1.1")))
    found = chains(listeners(mesh, WEB)["virtualInbound"])
    assert [each["name"] for each in found if each["port"] not in (0, 15006)] == ["1.1.1.1_9080"]


def secured(protocol: str, mode: str = "SIMPLE") -> str:
    """A Sidecar whose only port has TLS of its own."""
    files = "serverCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem"
    port = f"{{number: 9080, protocol: {protocol}, name: port}}"
    return istio("Sidecar", "default", f"ingress: [{{port: {port}, tls: {{mode: {mode}, {files}}}}}]")


def ended_tls(chain: listener_components_pb2.FilterChain) -> tls_pb2.DownstreamTlsContext:
    """The TLS that ends at a chain."""
    return tls_pb2.DownstreamTlsContext.FromString(chain.transport_socket.typed_config.value)


@pytest.mark.parametrize(("protocol", "to"), [("HTTPS", "inline inbound|9080||"), ("TLS", "inbound|9080||")])
def test_case_18_b_ingress_with_tls_of_its_own_takes_nothing_else(protocol: str, to: str) -> None:
    mesh = Mesh(secured(protocol), peers("{mtls: {mode: DISABLE}}"))
    listener = listeners(mesh, WEB_POD)["virtualInbound"]
    (found,) = matching(chains(listener), port=9080)
    assert (found["to"], found["transport"], found["alpn"]) == (to, "tls", [])
    (chain,) = (each for each in listener.filter_chains if each.filter_chain_match.destination_port.value == 9080)
    certificates = ended_tls(chain).common_tls_context.tls_certificates
    assert [each.certificate_chain.filename for each in certificates] == ["/c.pem"]
    inspector = next(each for each in listener.listener_filters if each.name.endswith("tls_inspector"))
    assert inspector.filter_disabled.not_match.destination_port_range.start == 9080


def test_case_18_b_mutual_tls_of_the_mesh_takes_its_place() -> None:
    mesh = Mesh(secured("HTTPS", "MUTUAL"), peers("{mtls: {mode: STRICT}}"))
    listener = listeners(mesh, WEB_POD)["virtualInbound"]
    (chain,) = (each for each in listener.filter_chains if each.filter_chain_match.destination_port.value == 9080)
    secrets = ended_tls(chain).common_tls_context.tls_certificate_sds_secret_configs
    assert [each.name for each in secrets] == ["default"]


@pytest.mark.parametrize(("mode", "required"), [("MUTUAL", True), ("OPTIONAL_MUTUAL", False)])
def test_case_18_b_on_a_socket_of_its_own(mode: str, required: bool) -> None:  # noqa: FBT001
    listener = listeners(Mesh(secured("HTTPS", mode)), UNCAPTURED)["0.0.0.0_9080"]
    context = ended_tls(listener.filter_chains[0])
    assert context.require_client_certificate.value is required
    assert context.common_tls_context.validation_context.trusted_ca.filename == "/ca.pem"
    assert filter_names(listener) == ["tls_inspector"]


def test_tls_that_ends_at_the_application_passes_ingress() -> None:
    mesh = Mesh(secured("HTTPS", "PASSTHROUGH"))
    (found,) = matching(chains(listeners(mesh)["virtualInbound"]), port=9080)
    assert (found["to"], found["transport"]) == ("inbound|9080||", "raw_buffer")


def test_case_19_a_transparent_interception() -> None:
    proxy = replace(SIDECAR, capture=Capture.TPROXY)
    found = listeners(Mesh(), proxy)
    assert found["virtualOutbound"].transparent.value
    assert found["virtualInbound"].transparent.value
    assert filter_names(found["virtualInbound"]) == ["original_dst", "original_src", "http_inspector"]


def test_case_19_b_without_interception_only_ingress_is_served() -> None:
    mesh = served("{name: x, port: 80, targetPort: 8080}")
    proxy = replace(UNCAPTURED, labels=WEB.labels)
    assert list(listeners(mesh, proxy)) == ["127.0.0.1_80"]
    mesh.add(istio("Sidecar", "default", INGRESS.format("")))
    listener = listeners(mesh, proxy)["0.0.0.0_9080"]
    assert address(listener) == (ANY, 9080)
    assert [(each["to"], each["port"]) for each in chains(listener)] == [("inline inbound|9080||", 9080)]
    assert filter_names(listener) == []
    assert not listener.HasField("bind_to_port")
    assert "virtualInbound" not in listeners(mesh, proxy)


def test_ingress_of_a_pod_on_loopback_binds_its_own_address() -> None:
    mesh = Mesh(istio("Sidecar", "default", INGRESS.format("")))
    assert "127.5.0.1_9080" in listeners(mesh, replace(UNCAPTURED, addresses=("127.5.0.1",)))


def test_ingress_with_a_socket_of_its_own_beside_interception() -> None:
    mesh = Mesh(istio("Sidecar", "default", INGRESS.format(", captureMode: NONE")))
    found = listeners(mesh)
    assert "0.0.0.0_9080" in found
    assert not matching(chains(found["virtualInbound"]), port=9080)


def test_families_of_virtual_listeners() -> None:
    assert address(listeners(Mesh(), V6)["virtualInbound"]) == ("::", 15006)
    dual = listeners(Mesh(), DUAL)["virtualOutbound"]
    assert [each.address.socket_address.address for each in dual.additional_addresses] == ["::"]


def test_a_sidecar_without_an_outbound_port_has_no_listeners() -> None:
    assert listeners(Mesh(mesh=MeshConfig(proxy_listen_port=0))) == {}


def test_inbound_stat_names_follow_the_mesh_s_pattern() -> None:
    mesh = served("{name: tcp, port: 80, targetPort: 8080}", inbound_cluster_stat_name="%SERVICE_NAME%_%TARGET_PORT%")
    prefixes = [each.stat_prefix for each in proxies(listeners(mesh, WEB)["virtualInbound"])]
    assert prefixes == ["BlackHoleCluster", "InboundPassthroughCluster", "web_8080"]


def test_http10_is_detected_where_it_is_wanted() -> None:
    found = listeners(Mesh(), replace(SIDECAR, http10=True))["virtualInbound"]
    assert matching(chains(found), alpn=["http/1.0", *PLAIN_HTTP])
    assert manager(found).http_protocol_options.accept_http_10


def ports(modes: dict[int, MutualTLS]) -> InboundInputs:
    """Ports 80 HTTP, 81 undeclared and 82 TCP, with the mode of each and (0) of unknown ports."""
    protocols = {80: Protocol.HTTP, 81: Protocol.AUTO, 82: Protocol.TCP}
    return InboundInputs(
        families=IpFamilies.V4,
        transparent=False,
        tuning=Tuning(),
        ports=tuple(
            InboundPort(
                bind=ANY, port=number, service_port=number, hostname="web", protocol=protocol,
                mode=modes[number], stat_name=f"inbound|{number}||",
            )
            for number, protocol in protocols.items()
        ),
        unknown=modes[0],
        settings=ListenerSettings(mesh_tls=MeshTLS(trust_domains=("cluster.local", "old"))),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "exception", "tls", "http"),
    [
        (MutualTLS.PERMISSIVE, {}, [15006], [82, 15006]),
        (MutualTLS.STRICT, {}, [15006], None),
        (MutualTLS.DISABLE, {}, None, [82, 15006]),
        (MutualTLS.STRICT, {82: MutualTLS.DISABLE}, [82, 15006], None),
    ],
)
def test_case_13_b_inspectors_run_only_where_they_are_needed(
    mode: MutualTLS, exception: dict[int, MutualTLS], tls: list[int] | None, http: list[int] | None
) -> None:
    listener = build_virtual_inbound(ports({**dict.fromkeys((0, 80, 81, 82), mode), **exception}))
    disabled = {}
    for each in listener.listener_filters:
        predicate = each.filter_disabled
        rules = predicate.or_match.rules or [predicate]
        ranges = [rule.destination_port_range for rule in rules]
        assert all(found.end == found.start + 1 for found in ranges) or each.name.endswith("original_dst")
        disabled[each.name.rpartition(".")[2]] = [found.start for found in ranges]
    assert disabled == {
        "original_dst": [0],
        **({"tls_inspector": tls} if tls else {}),
        **({"http_inspector": http} if http else {}),
    }


NEEDING_A_LIST = {Protocol.TCP, Protocol.MYSQL, Protocol.MONGO}


@pytest.mark.parametrize("mode", MutualTLS)
@pytest.mark.parametrize("protocol", [each for each in Protocol if each is not Protocol.UDP])
def test_one_more_port_changes_nothing_but_chains(protocol: Protocol, mode: MutualTLS) -> None:
    """Envoy replaces a listener, and drains its connections, when anything else changes."""
    before = ports(dict.fromkeys((0, 80, 81, 82), mode))
    more = replace(before.ports[0], port=83, service_port=83, protocol=protocol)
    listener, other = (build_virtual_inbound(each) for each in (before, replace(before, ports=(*before.ports, more))))
    assert len(other.filter_chains) > len(listener.filter_chains)
    kept = {chain.SerializeToString(deterministic=True) for chain in other.filter_chains}
    assert {chain.SerializeToString(deterministic=True) for chain in listener.filter_chains} < kept
    for each in (listener, other):
        each.ClearField("filter_chains")
    assert (listener == other) is (mode is MutualTLS.STRICT or protocol not in NEEDING_A_LIST)


@pytest.mark.parametrize("mode", MutualTLS)
def test_chains_of_every_mode_are_distinct(mode: MutualTLS) -> None:
    found = chains(build_virtual_inbound(ports(dict.fromkeys((0, 80, 81, 82), mode))))
    matches = [(each["port"], each["transport"], tuple(each["alpn"])) for each in found]
    assert len(matches) == len(set(matches))


def test_case_14_a_strict_takes_no_plaintext() -> None:
    found = chains(build_virtual_inbound(ports(dict.fromkeys((0, 80, 81, 82), MutualTLS.STRICT))))
    assert {each["transport"] for each in found if each["port"] != 15006} == {"tls"}
    assert all(each["tls"] for each in found if each["port"] != 15006)


def test_case_14_b_permissive_passes_foreign_tls_to_tcp_but_not_to_http() -> None:
    found = chains(build_virtual_inbound(ports(dict.fromkeys((0, 80, 81, 82), MutualTLS.PERMISSIVE))))
    opaque = [each for each in found if each["transport"] == "tls" and not each["alpn"]]
    assert [(each["port"], each["to"], each["tls"]) for each in opaque] == [
        (0, "InboundPassthroughCluster", False),
        (81, "inbound|81||", False),
        (82, "inbound|82||", False),
    ]


def test_case_16_detected_ports_under_mutual_tls() -> None:
    found = chains(build_virtual_inbound(ports(dict.fromkeys((0, 80, 81, 82), MutualTLS.PERMISSIVE))))
    mutual = [each for each in found if each["port"] == 81 and each["tls"]]
    assert [(each["to"], each["alpn"]) for each in mutual] == [
        ("inline inbound|81||", ["istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        ("inbound|81||", ["istio-peer-exchange", "istio"]),
    ]


FOR_WEB = "{selector: {matchLabels: {app: web}}, %s}"
WEB_POD = replace(IDENTIFIED, labels=(("app", "web"),))


def accepted(mesh: Mesh, proxy: Proxy = WEB_POD) -> set[tuple[int, str]]:
    """By which ports (0: all others) and transports connections get in."""
    found = chains(listeners(mesh, proxy)["virtualInbound"])
    return {(each["port"], each["transport"]) for each in found if each["port"] != 15006}


@pytest.mark.parametrize(
    ("mode", "transports"), [("PERMISSIVE", {"tls", "raw_buffer"}), ("STRICT", {"tls"}), ("DISABLE", {"raw_buffer"})]
)
def test_case_14_the_policy_of_the_namespace_decides(mode: str, transports: set[str]) -> None:
    mesh = Mesh(kube_service("web", "{name: http, port: 80}"), peers(f"{{mtls: {{mode: {mode}}}}}"))
    assert accepted(mesh) == {(port, transport) for port in (0, 80) for transport in transports}


def test_without_rules_both_are_taken_and_without_identity_plain_text_alone() -> None:
    mesh = Mesh(kube_service("web", "{name: tcp, port: 80}"))
    assert (80, "tls") in accepted(mesh)
    mesh.add(peers("{mtls: {mode: STRICT}}"))
    assert accepted(mesh, replace(WEB_POD, has_identity=False)) == {(0, "raw_buffer"), (80, "raw_buffer")}


def test_case_15_tls_reaches_a_port_that_has_it_switched_off_as_bytes() -> None:
    policy = peers(FOR_WEB % "mtls: {mode: STRICT}, portLevelMtls: {90: {mode: DISABLE}}")
    mesh = Mesh(kube_service("web", "{name: tcp, port: 80}, {name: tcp-b, port: 90}"), policy)
    assert accepted(mesh) == {(0, "tls"), (80, "tls"), (90, "raw_buffer")}


def test_case_17_a_ports_that_no_service_declares_get_chains_of_their_own() -> None:
    policy = peers(FOR_WEB % "mtls: {mode: STRICT}, portLevelMtls: {9000: {mode: DISABLE}, 15006: {mode: DISABLE}}")
    mesh = Mesh(kube_service("web", "{name: http, port: 80}"), policy)
    found = chains(listeners(mesh, WEB_POD)["virtualInbound"])
    own = [each for each in found if each["port"] == 9000]
    assert [(each["to"], each["transport"], each["alpn"]) for each in own] == [
        ("inline InboundPassthroughCluster", "raw_buffer", PLAIN_HTTP),
        ("InboundPassthroughCluster", "raw_buffer", []),
    ]
    assert [each["to"] for each in found if each["port"] == 15006] == ["BlackHoleCluster"]
    assert accepted(mesh) == {(0, "tls"), (80, "tls"), (9000, "raw_buffer")}


def test_case_17_b_ports_of_services_get_no_second_set_of_chains() -> None:
    policy = peers(FOR_WEB % "mtls: {mode: DISABLE}, portLevelMtls: {80: {mode: STRICT}}")
    mesh = Mesh(kube_service("web", "{name: http, port: 80}"), policy)
    found = chains(listeners(mesh, WEB_POD)["virtualInbound"])
    assert [(each["to"], each["transport"]) for each in found if each["port"] == 80] == [("inline inbound|80||", "tls")]


ONLY_9080 = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec: {ingress: [{port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: 127.0.0.1:9080}]}
"""


def test_case_17_a_with_ingress_only_its_ports_are_declared() -> None:
    policy = peers(FOR_WEB % "mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}, 9080: {mode: PERMISSIVE}}")
    mesh = Mesh(kube_service("web", "{name: http, port: 80}"), ONLY_9080, policy)
    expected = {(0, "tls"), (80, "raw_buffer"), (9080, "tls"), (9080, "raw_buffer")}
    assert accepted(mesh) == expected


def test_policies_for_other_workloads_leave_a_view_alone() -> None:
    mesh = Mesh(kube_service("web", "{name: http, port: 80}"))
    before = resources(mesh, IDENTIFIED)["virtualInbound"].version
    mesh.add(peers(FOR_WEB % "mtls: {mode: STRICT}"))
    assert resources(mesh, IDENTIFIED)["virtualInbound"].version == before
    assert resources(mesh, WEB_POD)["virtualInbound"].version != before


def test_mutual_tls_demands_a_certificate_of_the_mesh() -> None:
    listener = build_virtual_inbound(ports(dict.fromkeys((0, 80, 81, 82), MutualTLS.STRICT)))
    socket = next(chain.transport_socket for chain in listener.filter_chains if chain.HasField("transport_socket"))
    context = tls_pb2.DownstreamTlsContext.FromString(socket.typed_config.value)
    common = context.common_tls_context
    assert context.require_client_certificate.value
    assert common.tls_certificate_sds_secret_configs[0].name == "default"
    combined = common.combined_validation_context
    assert combined.validation_context_sds_secret_config.name == "ROOTCA"
    names = combined.default_validation_context.match_typed_subject_alt_names
    assert [each.matcher.prefix for each in names] == ["spiffe://cluster.local/", "spiffe://old/"]


def test_every_protocol_has_forms_in_every_mode() -> None:
    for protocol in Protocol:
        for mode in MutualTLS:
            assert inbound_forms(protocol, mode)


def test_what_a_node_asks_of_its_inbound_listeners() -> None:
    mesh = served("{name: http, port: 80, targetPort: 8080}", "{name: tcp, port: 81, targetPort: 8081}")
    listener = listeners(mesh, replace(WEB, idle_timeout=Duration.of(seconds=7), balances_inbound=True))[
        "virtualInbound"
    ]
    assert {each.common_http_protocol_options.idle_timeout.seconds for each in managers(listener)} == {7}
    assert [each.idle_timeout.seconds for each in proxies(listener)] == [0, 7, 7]
    assert listener.connection_balance_config.HasField("exact_balance")
