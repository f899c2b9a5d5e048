"""Where access control stands: in front of everything at sidecars and gateways, and nowhere else."""

import pytest
from envoy.config.listener.v3 import listener_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    HCM,
    TCP_PROXY,
    UNCAPTURED,
    gateway,
    istio,
    kube_service,
    listeners,
    managers,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, authorization, endpoint, endpoint_slice, pod
from tests.unit.translator.model.test_gateway import HTTP, gw, server
from translator.listeners.selection import listener_references
from translator.model.proxy import Proxy

HTTP_RBAC, TCP_RBAC = "envoy.filters.http.rbac", "envoy.filters.network.rbac"
POLICIES = (authorization("{}"), authorization("{action: DENY, rules: [{}]}", name="deny"))
PROXY = gateway(app="gw")
SERVING = replace(SIDECAR, labels=(("app", "web"),))


def heads(listener: listener_pb2.Listener) -> list[list[str]]:
    """The filters of a listener's chains, brief: those of a connection manager are the HTTP filters."""
    requests = iter([[each.name for each in manager.http_filters] for manager in managers(listener)])
    found = []
    for chain in listener.filter_chains:
        names = [each.name for each in chain.filters]
        found.append([*names[:-1], *next(requests)] if names[-1] == HCM else names)
    return found


def test_at_sidecars_every_chain_but_the_guard_against_loops_has_it() -> None:
    mesh = Mesh(
        kube_service("web", "{name: http, port: 80}, {name: tcp, port: 90}, {name: mongo, port: 91}"), *POLICIES
    )
    guard, *others = heads(listeners(mesh, SERVING)["virtualInbound"])
    assert guard == [TCP_PROXY]
    assert len(others) == 5
    for names in others:
        kind = TCP_RBAC if TCP_PROXY in names else HTTP_RBAC
        assert names[:2] == [kind, kind]
        assert kind not in names[2:]
        assert len({HTTP_RBAC, TCP_RBAC} & set(names)) == 1


def test_what_a_sidecar_calls_is_not_judged_by_it() -> None:
    mesh = Mesh(kube_service("web", "{name: http, port: 80}, {name: tcp, port: 90}"), *POLICIES)
    for name, listener in listeners(mesh, SIDECAR).items():
        if name != "virtualInbound":
            assert not [names for names in heads(listener) if {HTTP_RBAC, TCP_RBAC} & set(names)], name


def test_a_port_with_a_listener_of_its_own_has_it() -> None:
    ingress = "{ingress: [{port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:80'}]}"
    mesh = Mesh(istio("Sidecar", "default", ingress), *POLICIES)
    (found,) = (each for each in listeners(mesh, UNCAPTURED).values() if each.name.endswith("_9080"))
    assert [names[:2] for names in heads(found)] == [[HTTP_RBAC, HTTP_RBAC]]


ROUTED = istio("VirtualService", "v", "{gateways: [a], hosts: ['*'], tcp: [{route: [{destination: {host: web}}]}]}")
BY_NAME = istio(
    "VirtualService",
    "v",
    "{gateways: [a], hosts: [x.com], tls: [{match: [{sniHosts: [x.com]}], route: [{destination: {host: web}}]}]}",
)


@pytest.mark.parametrize(
    ("servers", "rule", "expected"),
    [
        (HTTP, "", HTTP_RBAC),
        (server(9000, "TCP"), ROUTED, TCP_RBAC),
        (server(443, "TLS", "x.com", tls="mode: PASSTHROUGH"), BY_NAME, TCP_RBAC),
    ],
)
def test_at_gateways_every_server_has_it(servers: str, rule: str, expected: str) -> None:
    mesh = Mesh(gw("a", servers), kube_service("web", "{name: http, port: 80}"), *POLICIES, *filter(None, [rule]))
    (listener,) = listeners(mesh, PROXY).values()
    assert [names[:2] for names in heads(listener)] == [[expected, expected]]


def test_mesh_tls_that_is_passed_on_is_judged_by_those_behind() -> None:
    mesh = Mesh(
        gw("a", server(15443, "TLS", "*.local", tls="mode: AUTO_PASSTHROUGH")),
        kube_service("web", "{name: http, port: 80}"),
        pod("web-1", "10.9.0.1", labels={"security.istio.io/tlsMode": "istio"}),
        endpoint_slice("web", endpoint("10.9.0.1", "web-1")),
        *POLICIES,
    )
    (listener,) = listeners(mesh, PROXY).values()
    assert heads(listener) == [[TCP_PROXY]]


def test_listeners_of_workloads_with_the_same_policies_are_the_same() -> None:
    mesh = Mesh(authorization("{selector: {matchLabels: {app: web}}}"))

    def arguments(proxy: Proxy) -> object:
        references = listener_references(mesh.db, mesh.view(proxy))
        return next(each.args for each in references if each.name == "virtualInbound")

    def labelled(app: str) -> Proxy:
        return replace(SIDECAR, labels=(("app", app),))

    assert arguments(labelled("a")) == arguments(labelled("b")) != arguments(labelled("web"))
