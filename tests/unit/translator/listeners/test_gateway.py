"""Listeners of gateways."""

import pytest
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    address,
    chains,
    filter_names,
    gateway,
    host,
    istio,
    kube_service,
    listeners,
    manager,
    managers,
    proxies,
    resources,
    route_tables,
)
from tests.unit.translator.mesh_kit import Mesh, endpoint, endpoint_slice, entry, pod, rule
from tests.unit.translator.model.test_gateway import HTTP, gw, https, server
from translator.model.proxy import Proxy, Role
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig, MeshTLSConfig, MeshTLSProtocol
from xds.resource import Reference
from xds.types import CLUSTER, ROUTE

PROXY = gateway(app="gw")


def routed(name: str, spec: str, **extra: str) -> str:
    """A VirtualService bound to the Gateway ``a``."""
    return istio("VirtualService", name, f"{{gateways: [a], {spec}}}", **extra)


def context(mesh: Mesh, position: int = 0, proxy: Proxy = PROXY) -> tls_pb2.DownstreamTlsContext:
    """The TLS of a chain of the only listener."""
    (listener,) = listeners(mesh, proxy).values()
    socket = listener.filter_chains[position].transport_socket
    return tls_pb2.DownstreamTlsContext.FromString(socket.typed_config.value)


def test_case_21_a_the_port_of_the_workload() -> None:
    mesh = Mesh(
        gw("a", HTTP), kube_service("ingress", "{name: http, port: 80, targetPort: 8080}", selector={"app": "gw"})
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert listener.name == "0.0.0.0_8080"
    (chain,) = chains(listener)
    assert (chain["to"], chain["tls"], chain["alpn"]) == ("rds http.8080", False, [])
    assert filter_names(listener) == []
    assert not listener.HasField("listener_filters_timeout")
    assert not listener.continue_on_listener_filters_timeout
    assert listener.filter_chains[0].transport_socket_connect_timeout.seconds == 15
    assert resources(mesh, PROXY)["0.0.0.0_8080"].references == (Reference(ROUTE, "http.8080"),)


def test_gateway_connection_managers_believe_nobody() -> None:
    (listener,) = listeners(Mesh(gw("a", HTTP, server(80, "GRPC-Web", "a.example.com"))), PROXY).values()
    (found,) = managers(listener)
    assert found.use_remote_address.value
    assert found.forward_client_cert_details == found.SANITIZE_SET
    assert found.set_current_client_cert_details.cert
    assert found.HasField("http_protocol_options")
    assert found.stat_prefix == "outbound_0.0.0.0_80;"
    assert [each.name.rpartition(".")[2] for each in found.http_filters] == [
        "grpc_web",
        "grpc_stats",
        "fault",
        "cors",
        "router",
    ]


def test_case_22_tcp_gateway_with_and_without_routes() -> None:
    mesh = Mesh(gw("a", server(5432, "TCP", "db.example.com")))
    assert resources(mesh, PROXY) == {}
    mesh.add(
        routed("b", "hosts: [other.example.com], tcp: [{route: [{destination: {host: wrong}}]}]"),
        routed(
            "c",
            "hosts: ['*.example.com'], "
            "tcp: [{match: [{port: 1}], route: [{destination: {host: wrong}}]}, {route: [{destination: {host: db}}]}]",
        ),
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert [each["to"] for each in chains(listener)] == [f"outbound|5432||{host('db')}"]
    assert resources(mesh, PROXY)["0.0.0.0_5432"].references == (Reference(CLUSTER, f"outbound|5432||{host('db')}"),)


def test_tcp_weights() -> None:
    mesh = Mesh(
        gw("a", server(5432, "TCP")),
        routed(
            "vs",
            "hosts: ['*'], "
            "tcp: [{route: [{destination: {host: x}, weight: 20}, {destination: {host: y}, weight: 80}]}]",
        ),
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert chains(listener)[0]["to"] == {f"outbound|5432||{host('x')}": 20, f"outbound|5432||{host('y')}": 80}
    assert proxies(listener)[0].stat_prefix == "vs.default"


def test_hosts_restrict_the_namespaces_of_rules() -> None:
    mesh = Mesh(
        gw("a", server(5432, "TCP", "./*")),
        istio(
            "VirtualService",
            "vs",
            "{gateways: [default/a], hosts: ['*'], tcp: [{route: [{destination: {host: x}}]}]}",
            namespace="other",
        ),
    )
    assert resources(mesh, PROXY) == {}


def test_case_23_an_address_of_its_own() -> None:
    found = listeners(Mesh(gw("a", server(8080, "HTTP"), server(8080, "HTTP", bind="127.0.0.1"))), PROXY)
    assert {name: chains(each)[0]["to"] for name, each in found.items()} == {
        "0.0.0.0_8080": "rds http.8080",
        "127.0.0.1_8080": "rds http.8080.127.0.0.1",
    }
    assert address(found["127.0.0.1_8080"]) == ("127.0.0.1", 8080)


def test_case_24_a_https_servers_are_told_apart_by_sni() -> None:
    mesh = Mesh(gw("a", https("b.example.com", "a.example.com"), https("*.example.org", name="org")))
    (listener,) = listeners(mesh, PROXY).values()
    assert [(each["sni"], each["to"], each["tls"]) for each in chains(listener)] == [
        (["a.example.com", "b.example.com"], "rds https.443.https.a.default", True),
        (["*.example.org"], "rds https.443.org.a.default", True),
    ]
    assert filter_names(listener) == ["tls_inspector"]


def test_a_server_for_every_host_asks_for_no_sni() -> None:
    (listener,) = listeners(Mesh(gw("a", https("*", "a.example.com"))), PROXY).values()
    assert chains(listener)[0]["sni"] == []
    assert filter_names(listener) == ["tls_inspector"]


def test_case_25_passed_through_by_sni() -> None:
    match = "match: [{{sniHosts: [a.example.com]}}], route: [{{destination: {{host: {}}}}}]"
    mesh = Mesh(
        gw("a", server(443, "TLS", "*.example.com", tls="mode: PASSTHROUGH")),
        routed("first", f"hosts: [a.example.com], tls: [{{{match.format('x')}}}]", created="2020-01-01T00:00:00Z"),
        routed("second", f"hosts: [a.example.com], tls: [{{{match.format('y')}}}]"),
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert [(each["sni"], each["to"], each["tls"]) for each in chains(listener)] == [
        (["a.example.com"], f"outbound|443||{host('x')}", False)
    ]


def test_conditions_on_the_gateway_s_labels() -> None:
    match = "match: [{sniHosts: [a.example.com], sourceLabels: {app: LABEL}}], route: [{destination: {host: x}}]"
    for label, count in (("gw", 1), ("other", 0)):
        mesh = Mesh(
            gw("a", server(443, "TLS", tls="mode: PASSTHROUGH")),
            routed("vs", f"hosts: [a.example.com], tls: [{{{match.replace('LABEL', label)}}}]"),
        )
        assert len(resources(mesh, PROXY)) == count


@pytest.mark.parametrize(
    ("tls", "certificates", "roots", "demands"),
    [
        ("mode: SIMPLE, credentialName: c", ["kubernetes://c"], "", False),
        ("mode: SIMPLE, credentialName: ns/c", ["kubernetes://ns/c"], "", False),
        ("mode: SIMPLE, credentialNames: [rsa, ecdsa]", ["kubernetes://rsa", "kubernetes://ecdsa"], "", False),
        ("mode: MUTUAL, credentialName: c", ["kubernetes://c"], "kubernetes://c-cacert", True),
        ("mode: OPTIONAL_MUTUAL, credentialName: c", ["kubernetes://c"], "kubernetes://c-cacert", False),
        ("mode: MUTUAL, credentialName: c, caCertCredentialName: r", ["kubernetes://c"], "kubernetes://r", True),
        ("mode: ISTIO_MUTUAL", ["default"], "ROOTCA", True),
        ("mode: SIMPLE, credentialName: 'builtin://'", ["default"], "", False),
        ("mode: SIMPLE, credentialName: 'sds://c'", ["kubernetes://c"], "", False),
    ],
)
def test_case_27_credentials(tls: str, certificates: list[str], roots: str, demands: bool) -> None:  # noqa: FBT001
    found = context(Mesh(gw("a", https("a.example.com", tls=tls))))
    common = found.common_tls_context
    assert [each.name for each in common.tls_certificate_sds_secret_configs] == certificates
    assert common.combined_validation_context.validation_context_sds_secret_config.name == roots
    assert found.require_client_certificate.value is demands
    assert list(common.alpn_protocols) == ["h2", "http/1.1"]
    assert all(each.sds_config.HasField("ads") for each in common.tls_certificate_sds_secret_configs)
    assert not any(
        each.sds_config.HasField("initial_fetch_timeout") for each in common.tls_certificate_sds_secret_configs
    )


def test_certificates_of_the_mesh_are_asked_for_as_clusters_do() -> None:
    """Envoy subscribes once more for another way of asking, and is not answered a second time."""
    tls = https("a.example.com", tls="mode: ISTIO_MUTUAL")
    common = context(Mesh(gw("a", tls)), proxy=replace(PROXY, has_identity=True)).common_tls_context
    asked = [
        *common.tls_certificate_sds_secret_configs,
        common.combined_validation_context.validation_context_sds_secret_config,
    ]
    assert [each.name for each in asked] == ["default", "ROOTCA"]
    assert all(not each.sds_config.initial_fetch_timeout.ToSeconds() for each in asked)
    assert all(each.sds_config.HasField("initial_fetch_timeout") for each in asked)


def test_certificates_in_files() -> None:
    files = "serverCertificate: /etc/a/tls.crt, privateKey: /etc/a/tls.key, caCertificates: /etc/b/ca.crt"
    common = context(Mesh(gw("a", https("a.example.com", tls=f"mode: MUTUAL, {files}")))).common_tls_context
    (certificate,) = common.tls_certificates
    assert certificate.certificate_chain.filename == "/etc/a/tls.crt"
    assert certificate.private_key.filename == "/etc/a/tls.key"
    assert certificate.watched_directory.path == "/etc/a"
    assert common.validation_context.trusted_ca.filename == "/etc/b/ca.crt"


def test_what_clients_are_verified_by() -> None:
    names_wanted = "['spiffe://td/x', a.example.com, 10.0.0.1]"
    tls = f"mode: MUTUAL, credentialName: c, insecureSkipVerify: true, subjectAltNames: {names_wanted}"
    validation = context(
        Mesh(gw("a", https("a.example.com", tls=tls)))
    ).common_tls_context.combined_validation_context.default_validation_context
    names = validation.match_typed_subject_alt_names
    assert [(each.san_type, each.matcher.exact) for each in names] == [
        (3, "spiffe://td/x"),
        (2, "a.example.com"),
        (4, "10.0.0.1"),
    ]
    assert validation.trust_chain_verification == validation.ACCEPT_UNTRUSTED


@pytest.mark.parametrize(
    ("defaults", "tls", "lowest", "ciphers"),
    [
        (MeshTLSConfig(), "", 0, []),
        (MeshTLSConfig(min_protocol_version=MeshTLSProtocol.TLSV1_3), "", 4, []),
        (MeshTLSConfig(min_protocol_version=MeshTLSProtocol.TLSV1_3), "minProtocolVersion: TLSV1_2", 3, []),
        (MeshTLSConfig(cipher_suites=("AES128-SHA",)), "", 0, ["AES128-SHA"]),
        (
            MeshTLSConfig(cipher_suites=("AES128-SHA",)),
            "cipherSuites: [AES256-SHA, NONSENSE, AES256-SHA]",
            0,
            ["AES256-SHA"],
        ),
    ],
)
def test_parameters_of_tls(defaults: MeshTLSConfig, tls: str, lowest: int, ciphers: list[str]) -> None:
    mesh = Mesh(
        gw("a", https("a.example.com", tls=f"mode: SIMPLE, credentialName: c, {tls}")),
        mesh=MeshConfig(tls_defaults=defaults),
    )
    parameters = context(mesh).common_tls_context.tls_params
    assert parameters.tls_minimum_protocol_version == lowest
    assert list(parameters.cipher_suites) == ciphers


def test_case_28_tls_of_the_mesh_in_front_of_tcp() -> None:
    mesh = Mesh(
        gw("a", server(15443, "TLS", "db.example.com", tls="mode: ISTIO_MUTUAL")),
        routed(
            "vs",
            "hosts: [db.example.com], "
            "tcp: [{match: [{port: 15443}], route: [{destination: {host: db, port: {number: 5432}}}]}]",
        ),
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert [(each["to"], each["sni"], each["tls"]) for each in chains(listener)] == [
        (f"outbound|5432||{host('db')}", ["db.example.com"], True)
    ]
    found = context(mesh)
    common = found.common_tls_context
    assert found.require_client_certificate.value
    assert [each.name for each in common.tls_certificate_sds_secret_configs] == ["default"]
    assert common.combined_validation_context.validation_context_sds_secret_config.name == "ROOTCA"
    assert not common.HasField("tls_params")


def test_the_name_of_an_https_server_is_its_stat_prefix() -> None:
    text = https("a.example.com").replace("{port", "{name: mine, port", 1)
    (listener,) = listeners(Mesh(gw("a", text)), PROXY).values()
    assert managers(listener)[0].stat_prefix == "mine"


def test_families_of_gateways() -> None:
    proxy = replace(DUAL, role=Role.GATEWAY, labels=PROXY.labels)
    listener = listeners(Mesh(gw("a", HTTP)), proxy)["0.0.0.0_80"]
    assert [each.address.socket_address.address for each in listener.additional_addresses] == ["::"]
    bound = listeners(Mesh(gw("a", server(80, "HTTP", bind="10.0.0.1"))), proxy)["10.0.0.1_80"]
    assert not bound.additional_addresses


def test_case_29_b_load_balancers_that_put_the_client_s_address_in_front() -> None:
    config = MeshConfig(default_config={"gatewayTopology": {"proxyProtocol": {}, "numTrustedProxies": 2}})
    (listener,) = listeners(Mesh(gw("a", https("a.example.com")), mesh=config), PROXY).values()
    assert filter_names(listener) == ["proxy_protocol", "tls_inspector"]
    assert managers(listener)[0].xff_num_trusted_hops == 2


MESH_ALPN = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]


def test_case_26_mesh_tls_goes_unopened_where_its_sni_says() -> None:
    mesh = Mesh(
        gw("a", server(15443, "TLS", "*.local", tls="mode: AUTO_PASSTHROUGH")),
        kube_service("h", "{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}"),
        entry("hosts: [out.local]\nports: [{number: 80, name: http, protocol: HTTP}]\nresolution: DNS"),
        rule(
            f"{{host: {host('h')}, trafficPolicy: {{tls: {{mode: SIMPLE}}}}, "
            "subsets: [{name: v1, labels: {version: v1}}]}"
        ),
        pod("h-1", "10.9.0.1", labels={"security.istio.io/tlsMode": "istio"}),
        # What does not speak the mesh's TLS is of no use here.
        endpoint_slice("h", endpoint("10.9.0.1", "h-1"), endpoint("10.9.0.2"), service="h"),
    )
    (listener,) = listeners(mesh, PROXY).values()
    names = [f"outbound_.80_._.{host('h')}", f"outbound_.80_.v1_.{host('h')}"]
    assert [(each["sni"], each["to"], each["alpn"], each["tls"]) for each in chains(listener)] == [
        ([name], name, MESH_ALPN, False) for name in names
    ]
    assert filter_names(listener) == ["tls_inspector"]
    assert not proxies(listener)[0].HasField("tunneling_config")
    for name in names:
        cluster = mesh.cluster(name, PROXY)
        assert cluster.eds_cluster_config.service_name == name
        assert not cluster.HasField("transport_socket"), "what is encrypted already is not encrypted again"
    assert mesh.addresses(names[0], PROXY) == ["10.9.0.1"]
    assert resources(mesh, PROXY)["0.0.0.0_15443"].references == tuple(Reference(CLUSTER, name) for name in names)
    assert not [name for name in mesh.clusters() if name.startswith("outbound_.")], "sidecars need none of them"


def test_case_21_b_without_routes_every_request_is_answered_with_404() -> None:
    mesh = Mesh(gw("a", HTTP))
    (listener,) = listeners(mesh, PROXY).values()
    assert managers(listener)[0].rds.route_config_name == "http.80"
    routes = route_tables(mesh, PROXY)["http.80"]
    assert [route for each in routes.virtual_hosts for route in each.routes] == []


@pytest.mark.parametrize(
    ("protocols", "expected"),
    [(("HTTP", "TCP"), ["rds http.80"]), (("TCP", "HTTP"), []), (("TCP", "TCP"), [])],
)
def test_case_22_of_servers_that_cannot_share_a_port_the_first_counts(
    protocols: tuple[str, str], expected: list[str]
) -> None:
    servers = (server(80, protocol, name=f"p{index}") for index, protocol in enumerate(protocols))
    found = listeners(Mesh(gw("a", *servers)), PROXY)
    assert [each["to"] for listener in found.values() for each in chains(listener)] == expected


def test_case_24_b_gateways_that_want_the_same_host() -> None:
    first = gw("a", https("a.example.com"), created="2020-01-01T00:00:00Z")
    (listener,) = listeners(Mesh(first, gw("b", https("a.example.com"))), PROXY).values()
    assert [each["to"] for each in chains(listener)] == ["rds https.443.https.a.default"]
    found = listeners(Mesh(first, gw("b", https("a.example.com", bind="127.0.0.1"))), PROXY)
    assert {name: chains(each)[0]["to"] for name, each in found.items()} == {
        "0.0.0.0_443": "rds https.443.https.a.default",
        "127.0.0.1_443": "rds https.443.https.b.default.127.0.0.1",
    }


def test_case_29_a_an_unprivileged_workload_gets_no_low_port() -> None:
    proxy = replace(PROXY, unprivileged=True)
    assert listeners(Mesh(gw("a", HTTP)), proxy) == {}
    translated = kube_service("ingress", "{name: http, port: 80, targetPort: 8080}", selector={"app": "gw"})
    assert list(listeners(Mesh(gw("a", HTTP), translated), proxy)) == ["0.0.0.0_8080"]


def test_case_30_a_profile_for_proxies_that_strangers_reach() -> None:
    edge = MeshConfig(default_config={"connectionSettings": {"profile": "EDGE", "httpMaxConcurrentStreams": 7}})
    mesh = Mesh(gw("a", HTTP), kube_service("web", "{name: http, port: 80}"), mesh=edge)
    (listener,) = listeners(mesh, PROXY).values()
    assert listener.per_connection_buffer_limit_bytes.value == 32768
    (found,) = managers(listener)
    common, http2 = found.common_http_protocol_options, found.http2_protocol_options
    assert common.idle_timeout.seconds == 3600
    assert common.headers_with_underscores_action == common.REJECT_REQUEST
    assert (found.stream_idle_timeout.seconds, found.request_timeout.seconds) == (300, 300)
    assert found.request_headers_timeout.seconds == 60
    assert http2.max_concurrent_streams.value == 7, "what is set stays"
    assert http2.initial_stream_window_size.value == 65536
    assert http2.initial_connection_window_size.value == 1048576
    assert found.merge_slashes
    assert found.path_with_escaped_slashes_action == found.UNESCAPE_AND_REDIRECT
    # Sidecars have what is set and nothing of the profile.
    plain = MeshConfig(default_config={"connectionSettings": {"httpMaxConcurrentStreams": 7}})
    sidecar = listeners(mesh)
    assert sidecar == listeners(Mesh(kube_service("web", "{name: http, port: 80}"), mesh=plain))
    assert manager(sidecar["0.0.0.0_80"]).http2_protocol_options.max_concurrent_streams.value == 7


def test_case_31_of_servers_for_one_host_the_redirect_wins() -> None:
    mesh = Mesh(
        gw("a", server(80, "HTTP", "a.example.com", name="plain")),
        gw("b", server(80, "HTTP", "a.example.com", name="redirect", tls="httpsRedirect: true")),
        istio(
            "VirtualService",
            "vs",
            "{gateways: [a, b], hosts: [a.example.com], http: [{route: [{destination: {host: x}}]}]}",
        ),
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert [each["to"] for each in chains(listener)] == ["rds http.80"]
    (host,) = route_tables(mesh, PROXY)["http.80"].virtual_hosts
    assert host.require_tls == host.ALL


def test_what_a_node_asks_of_gateways() -> None:
    proxy = replace(PROXY, idle_timeout=Duration.of(seconds=7), balances_outbound=True)
    (listener,) = listeners(Mesh(gw("a", HTTP)), proxy).values()
    assert listener.connection_balance_config.HasField("exact_balance")
    assert managers(listener)[0].common_http_protocol_options.idle_timeout.seconds == 7
