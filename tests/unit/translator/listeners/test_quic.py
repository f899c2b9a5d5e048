"""HTTP/3 at gateways."""

import pytest
from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.quic.v3 import quic_transport_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    address,
    chains,
    gateway,
    kube_service,
    listeners,
    managers,
    resources,
    route_tables,
)
from tests.unit.translator.mesh_kit import Mesh
from tests.unit.translator.model.test_gateway import HTTP, gw, https, server
from translator.model.proxy import Role
from translator.provenance import planned_from
from xds.resource import Reference
from xds.types import LISTENER, ROUTE

PROXY = gateway(app="gw")
SERVICE = kube_service(
    "ingress",
    "{name: https, port: 443, targetPort: 8443}, {name: http3, port: 443, targetPort: 9443, protocol: UDP}",
    selector={"app": "gw"},
)
TABLE = "https.443.https.a.default"


def quic_context(listener: listener_pb2.Listener) -> tls_pb2.DownstreamTlsContext:
    """The TLS of the first chain."""
    socket = listener.filter_chains[0].transport_socket
    assert socket.name == "envoy.transport_sockets.quic"
    return quic_transport_pb2.QuicDownstreamTransport.FromString(socket.typed_config.value).downstream_tls_context


def test_a_udp_port_of_the_same_number_takes_http3() -> None:
    mesh = Mesh(SERVICE, gw("a", HTTP, https("b.example.com", "a.example.com")))
    found = listeners(mesh, PROXY)
    assert list(found) == ["0.0.0.0_80", "0.0.0.0_8443", "udp_0.0.0.0_9443"]
    listener = found["udp_0.0.0.0_9443"]
    assert address(listener) == ("0.0.0.0", 9443)  # noqa: S104 - compared, not bound
    assert listener.address.socket_address.protocol == address_pb2.SocketAddress.UDP
    assert listener.udp_listener_config.HasField("quic_options")
    assert listener.udp_listener_config.HasField("downstream_socket_config")
    assert not listener.listener_filters
    assert not listener.HasField("max_connections_to_accept_per_socket_event")
    assert [(each["sni"], each["to"], each["tls"]) for each in chains(listener)] == [
        (["a.example.com", "b.example.com"], f"rds {TABLE}", True)
    ]
    (manager,) = managers(listener)
    assert manager.codec_type == manager.HTTP3
    assert manager.HasField("http3_protocol_options")
    context = quic_context(listener)
    assert not context.require_client_certificate.value
    assert list(context.common_tls_context.alpn_protocols) == ["h3"]
    assert [each.name for each in context.common_tls_context.tls_certificate_sds_secret_configs] == ["kubernetes://c"]
    assert resources(mesh, PROXY)["udp_0.0.0.0_9443"].references == (Reference(ROUTE, TABLE),)


def test_clients_are_told_of_it() -> None:
    mesh = Mesh(SERVICE, gw("a", HTTP, https("a.example.com")))
    tables = route_tables(mesh, PROXY)
    (told,) = tables[TABLE].response_headers_to_add
    assert (told.header.key, told.header.value) == ("alt-svc", 'h3=":443"; ma=86400')
    assert not tables["http.80"].response_headers_to_add


@pytest.mark.parametrize(("mode", "required"), [("MUTUAL", True), ("OPTIONAL_MUTUAL", False)])
def test_servers_that_ask_clients_for_certificates_do_so_there_too(mode: str, required: bool) -> None:  # noqa: FBT001
    mesh = Mesh(SERVICE, gw("a", https("a.example.com", tls=f"mode: {mode}, credentialName: c")))
    context = quic_context(listeners(mesh, PROXY)["udp_0.0.0.0_9443"])
    assert context.require_client_certificate.value is required
    validation = context.common_tls_context.combined_validation_context
    assert validation.validation_context_sds_secret_config.name == "kubernetes://c-cacert"
    assert route_tables(mesh, PROXY)[TABLE].response_headers_to_add


def test_servers_for_proxies_stay_away_from_it() -> None:
    mesh = Mesh(SERVICE, gw("a", https("a.example.com"), https("b.example.com", name="b", tls="mode: ISTIO_MUTUAL")))
    found = listeners(mesh, PROXY)
    assert [each["sni"] for each in chains(found["udp_0.0.0.0_9443"])] == [["a.example.com"]]
    assert not route_tables(mesh, PROXY)["https.443.b.a.default"].response_headers_to_add


def test_without_a_udp_port_there_is_none() -> None:
    for ports in ("", ", {name: http3, port: 444, protocol: UDP}"):
        service = kube_service("in", f"{{name: https, port: 443, targetPort: 8443}}{ports}", selector={"app": "gw"})
        assert list(listeners(Mesh(service, gw("a", https("a.example.com"))), PROXY)) == ["0.0.0.0_8443"]
    mesh = Mesh(SERVICE, gw("a", HTTP, server(443, "TLS", tls="mode: PASSTHROUGH")))
    assert list(listeners(mesh, PROXY)) == ["0.0.0.0_80"]


def test_every_family_has_it() -> None:
    proxy = replace(DUAL, role=Role.GATEWAY, labels=PROXY.labels)
    listener = listeners(Mesh(SERVICE, gw("a", https("a.example.com"))), proxy)["udp_0.0.0.0_9443"]
    (other,) = (each.address.socket_address for each in listener.additional_addresses)
    assert (other.address, other.protocol) == ("::", address_pb2.SocketAddress.UDP)


def test_the_gateway_is_behind_both_listeners() -> None:
    mesh = Mesh(SERVICE, gw("a", https("a.example.com")))
    view = mesh.view(PROXY)
    for name in ("0.0.0.0_8443", "udp_0.0.0.0_9443"):
        assert {key.name for key in planned_from(mesh.db, view, LISTENER, name)} == {"a"}
