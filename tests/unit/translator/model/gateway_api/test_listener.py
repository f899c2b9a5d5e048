"""Which listeners of a gateway are served, as what, and by which proxies."""

import pytest

from tests.simulation.test_gateway_api import gateway, kubernetes
from tests.unit.translator.mesh_kit import Mesh
from translator.model.gateway import GatewayListener, GatewayProxy, gateway_plan
from translator.model.gateway_api.listener import listener_faults
from translator.model.protocol import Protocol
from translator.model.proxy import Labels, ServiceTarget
from translator.model.service import ServicePort
from translator.objects.gateway import ServerTLSMode
from translator.objects.registry import Kind, ObjectKey

KEY = ObjectKey(Kind.GATEWAY, "edge", "front")
LABELS: Labels = (("gateway.networking.k8s.io/gateway-name", "front"),)
TLS = "protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: %s}]}"


def listeners(
    mesh: Mesh, namespace: str, labels: Labels, targets: tuple[ServiceTarget, ...] = ()
) -> tuple[GatewayListener, ...]:
    return gateway_plan(mesh.db, GatewayProxy(namespace=namespace, labels=labels, targets=targets)).listeners


def faults(*texts: str) -> dict[str, str]:
    mesh = Mesh(gateway(*(f"{{name: l{index}, {text}}}" for index, text in enumerate(texts))))
    return {name: fault.reason for name, fault in listener_faults(mesh.db, KEY).items()}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("port: 80", "port: 81", ""),
        ("port: 80, hostname: a.com", "port: 80, hostname: b.com", ""),
        ("port: 80, hostname: a.com", "port: 80, hostname: A.com", "HostnameConflict"),
        ("port: 80", "port: 80", "HostnameConflict"),
        ("port: 80, protocol: TCP", "port: 80", "ProtocolConflict"),
        ("port: 80, protocol: TCP", "port: 80, protocol: TCP", "ProtocolConflict"),
        ("port: 80", "port: 90, protocol: UDP", "UnsupportedProtocol"),
        ("port: 80", "port: 90, protocol: http", "UnsupportedProtocol"),
        ("port: 80", "port: 443, protocol: HTTPS", "Invalid"),
        ("port: 80", "port: 443, protocol: HTTPS, tls: {}", "InvalidCertificateRef"),
        ("port: 80", f"port: 443, {TLS % 'edge'}", ""),
        ("port: 80", f"port: 443, {TLS % 'vault'}", "RefNotPermitted"),
        ("port: 80", "port: 443, protocol: TLS, tls: {mode: Passthrough}", ""),
    ],
)
def test_of_listeners_that_cannot_be_told_apart_the_first_is_served(first: str, second: str, reason: str) -> None:
    assert faults(first, second) == ({"l1": reason} if reason else {})


def test_certificates_of_other_namespaces_need_permission() -> None:
    mesh = Mesh(gateway(f"{{name: tls, port: 443, {TLS % 'vault'}}}"))
    assert listener_faults(mesh.db, KEY)["tls"].reason == "RefNotPermitted"
    grant = "{from: [{group: gateway.networking.k8s.io, kind: %s, namespace: edge}], to: [{group: '', kind: Secret}]}"
    mesh.add(kubernetes("ReferenceGrant", "g", grant % "HTTPRoute", "vault", "v1beta1"))
    assert listener_faults(mesh.db, KEY)["tls"].reason == "RefNotPermitted"
    mesh.add(kubernetes("ReferenceGrant", "g", grant % "Gateway", "vault", "v1beta1"))
    assert listener_faults(mesh.db, KEY) == {}
    (listener,) = listeners(mesh, "edge", LABELS, ())
    (server,) = listener.servers
    assert server.tls is not None
    assert server.tls.mode is ServerTLSMode.SIMPLE
    assert server.tls.credential_names == ("kubernetes-gateway://vault/cert",)
    assert server.route_name == "https.443.tls.front~tls.edge"


def test_a_gateway_is_served_by_the_proxies_that_have_its_name_in_its_namespace() -> None:
    mesh = Mesh(gateway("{name: http}"))
    assert [each.port for each in listeners(mesh, "edge", LABELS, ())] == [80]
    assert listeners(mesh, "other", LABELS, ()) == ()
    assert listeners(mesh, "edge", (), ()) == ()


def test_a_gateway_with_the_name_of_a_service_is_served_by_the_proxies_behind_it() -> None:
    spec = (
        "{gatewayClassName: istio, addresses: [{type: Hostname, value: ingress}], "
        "listeners: [{name: http, port: 80, protocol: HTTP}]}"
    )
    mesh = Mesh(kubernetes("Gateway", "front", spec, "edge"))
    port = ServicePort(80, "http", Protocol.HTTP)
    target = ServiceTarget("ingress.edge.svc.cluster.local", "edge", port, 8080)
    assert [each.port for each in listeners(mesh, "edge", (), (target,))] == [8080]
    assert listeners(mesh, "edge", LABELS, ()) == ()
