"""Which servers a gateway proxy serves, and which of them share a socket."""

import pytest
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import gateway, istio, kube_service
from tests.unit.translator.mesh_kit import Mesh
from translator.model.gateway import (
    GatewayListener,
    GatewayProxy,
    GatewayServer,
    ServerHost,
    gateway_plan,
    gateway_servers,
)
from translator.model.protocol import Protocol
from translator.model.proxy import Proxy

PROXY = gateway(app="gw")
HTTP = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}"


def gw(
    name: str,
    *servers: str,
    selector: str = "{app: gw}",
    created: str = "2026-01-01T00:00:00Z",
    namespace: str = "default",
) -> str:
    """A Gateway."""
    return istio(
        "Gateway",
        name,
        f"{{selector: {selector}, servers: [{', '.join(servers)}]}}",
        created=created,
        namespace=namespace,
    )


def server(number: int, protocol: str, *hosts: str, name: str = "", bind: str = "", tls: str = "") -> str:
    """A server."""
    listed = ", ".join(f"'{host}'" for host in hosts or ("*",))
    extra = (f", bind: '{bind}'" if bind else "") + (f", tls: {{{tls}}}" if tls else "")
    port = f"{{number: {number}, name: {name or protocol.lower()}, protocol: {protocol}}}"
    return f"{{port: {port}, hosts: [{listed}]{extra}}}"


def https(*hosts: str, **fields: str) -> str:
    """An HTTPS server that ends TLS."""
    return server(443, "HTTPS", *hosts, **{"tls": "mode: SIMPLE, credentialName: c", **fields})


def served(mesh: Mesh, proxy: Proxy = PROXY) -> dict[tuple[str, int], list[str]]:
    """Per socket the hosts that are served."""
    found = gateway_servers(mesh.db, mesh.view(proxy))
    return {(each.bind, each.port): [host.host for one in each.servers for host in one.hosts] for each in found}


def only(mesh: Mesh) -> GatewayServer:
    """The only server of the only listener."""
    (listener,) = gateway_servers(mesh.db, mesh.view(PROXY))
    (found,) = listener.servers
    return found


@pytest.mark.parametrize(
    ("selector", "selected"),
    [("{}", True), ("{app: gw}", True), ("{app: gw, tier: x}", False), ("{app: other}", False)],
)
def test_gateways_select_proxies_by_label(selector: str, selected: bool) -> None:  # noqa: FBT001
    assert bool(served(Mesh(gw("a", HTTP, selector=selector)))) is selected


def test_case_21_a_the_port_of_the_workload() -> None:
    mesh = Mesh(
        gw("a", HTTP, server(81, "HTTP")),
        kube_service(
            "ingress",
            "{name: udp, port: 80, targetPort: 1, protocol: UDP}, {name: http, port: 80, targetPort: 8080}",
            selector={"app": "gw"},
        ),
    )
    found = gateway_servers(mesh.db, mesh.view(PROXY))
    assert [(each.port, each.servers[0].number, each.servers[0].route_name) for each in found] == [
        (8080, 80, "http.8080"),
        (81, 81, "http.81"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ServerHost("*", "*")),
        ("*/*", ServerHost("*", "*")),
        ("A.Example.com", ServerHost("*", "a.example.com")),
        ("./a.example.com", ServerHost("default", "a.example.com")),
        ("*/a.example.com", ServerHost("*", "a.example.com")),
        ("ns/*.example.com", ServerHost("ns", "*.example.com")),
    ],
)
def test_hosts_with_namespaces(text: str, expected: ServerHost) -> None:
    assert only(Mesh(gw("a", server(80, "HTTP", text)))).hosts == (expected,)


def test_hosts_for_a_namespace() -> None:
    found = only(Mesh(gw("a", server(80, "HTTP", "./own.example.com", "ns/theirs.example.com", "all.example.com"))))
    assert found.hosts_for("default") == ("own.example.com", "all.example.com")
    assert found.hosts_for("ns") == ("theirs.example.com", "all.example.com")
    assert found.sni_hosts == ("all.example.com", "own.example.com", "theirs.example.com")


@pytest.mark.parametrize(
    ("text", "route"),
    [
        (server(80, "HTTP"), "http.80"),
        (server(80, "GRPC", bind="10.0.0.1"), "http.80.10.0.0.1"),
        (https("a.example.com", name="web"), "https.443.web.a.default"),
        (https("a.example.com", name="web", bind="10.0.0.1"), "https.443.web.a.default.10.0.0.1"),
        (https("a.example.com", tls="mode: PASSTHROUGH"), ""),
        (server(443, "TLS", tls="mode: SIMPLE, credentialName: c"), ""),
        (server(5432, "TCP"), ""),
    ],
)
def test_route_names(text: str, route: str) -> None:
    assert only(Mesh(gw("a", text))).route_name == route


TCP = server(80, "TCP")
CASES = {
    "plain HTTP servers merge": ([HTTP, server(80, "HTTP2", "a.example.com")], {("", 80): ["*", "a.example.com"]}, 0),
    "HTTP does not join TCP": ([TCP, server(80, "HTTP", "a.example.com")], {("", 80): ["*"]}, 1),
    "TCP does not join HTTP": ([HTTP, TCP], {("", 80): ["*"]}, 1),
    "TCP does not join TCP": ([TCP, TCP], {("", 80): ["*"]}, 1),
    "HTTPS does not join HTTP": ([server(443, "HTTP"), https("a.example.com")], {("", 443): ["*"]}, 1),
    "another address, another socket": (
        [HTTP, server(80, "TCP", bind="10.0.0.1")],
        {("", 80): ["*"], ("10.0.0.1", 80): ["*"]},
        0,
    ),
    "HTTPS with other hosts": (
        [https("a.example.com"), https("b.example.com", name="b")],
        {("", 443): ["a.example.com", "b.example.com"]},
        0,
    ),
    "HTTPS with the same host": (
        [https("a.example.com"), https("a.example.com", name="b")],
        {("", 443): ["a.example.com"]},
        1,
    ),
    "the same host in other namespaces": (
        [https("x/a.example.com"), https("y/a.example.com", name="b")],
        {("", 443): ["a.example.com"]},
        1,
    ),
    "passed through in other namespaces": (
        [https("x/*", tls="mode: PASSTHROUGH"), https("y/*", name="b", tls="mode: PASSTHROUGH")],
        {("", 443): ["*", "*"]},
        0,
    ),
    "the same host at another address": (
        [https("a.example.com"), https("a.example.com", name="b", bind="10.0.0.1")],
        {("", 443): ["a.example.com"], ("10.0.0.1", 443): ["a.example.com"]},
        0,
    ),
    "the same port name twice": ([https("a.example.com"), https("b.example.com")], {("", 443): ["a.example.com"]}, 1),
    "ended and passed through": (
        [https("a.example.com"), server(443, "TLS", "b.example.com", tls="mode: PASSTHROUGH")],
        {("", 443): ["a.example.com", "b.example.com"]},
        0,
    ),
    "plaintext joins TLS": (
        [server(443, "TLS", "b.example.com", tls="mode: PASSTHROUGH"), server(443, "TCP", "c.example.com")],
        {("", 443): ["b.example.com", "c.example.com"]},
        0,
    ),
}


@pytest.mark.parametrize(("servers", "expected", "rejected"), CASES.values(), ids=CASES)
def test_case_22_servers_of_one_port(
    servers: list[str], expected: dict[tuple[str, int], list[str]], rejected: int
) -> None:
    mesh = Mesh(gw("a", *servers))
    assert served(mesh) == expected
    view = mesh.view(PROXY)
    proxy = GatewayProxy(namespace=view.namespace, labels=view.labels, targets=view.targets)
    plan = gateway_plan(mesh.db, proxy)
    assert len(plan.rejected) == rejected
    assert all(each.reason for each in plan.rejected)


def test_case_24_b_the_oldest_gateway_wins() -> None:
    mesh = Mesh(
        gw("new", https("a.example.com")),
        gw("old", https("a.example.com"), created="2020-01-01T00:00:00Z", namespace="z"),
    )
    assert only(mesh).gateway_name == "z/old"


def test_case_29_a_an_unprivileged_workload_gets_no_low_port() -> None:
    mesh = Mesh(gw("a", HTTP, server(8080, "HTTP")))
    assert list(served(mesh, replace(PROXY, unprivileged=True))) == [("", 8080)]


def test_redirects_and_plain_servers_share_a_route_table() -> None:
    mesh = Mesh(gw("a", server(80, "HTTP", "a.example.com", tls="httpsRedirect: true"), HTTP))
    (listener,) = gateway_servers(mesh.db, mesh.view(PROXY))
    assert isinstance(listener, GatewayListener)
    assert [each.redirects_to_https for each in listener.servers] == [True, False]
    assert {each.protocol for each in listener.servers} == {Protocol.HTTP}
    assert all(each.is_plaintext and each.is_http for each in listener.servers)


def test_a_gateway_that_is_of_no_concern_changes_nothing() -> None:
    mesh = Mesh(gw("a", HTTP))
    view = mesh.view(PROXY)
    before = gateway_servers(mesh.db, view)
    mesh.add(gw("b", HTTP, selector="{app: other}"))
    runs = mesh.db.runs["translator.model.gateway.gateway_plan"]
    assert gateway_servers(mesh.db, view) is before
    assert mesh.db.runs["translator.model.gateway.gateway_plan"] == runs
