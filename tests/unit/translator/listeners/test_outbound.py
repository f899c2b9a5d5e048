"""Outbound listeners: which there are, what shares one, and where connections go."""

import itertools

import pytest
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import sni_dynamic_forward_proxy_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    PLAIN_HTTP,
    UNCAPTURED,
    UNMATCHED,
    V6,
    address,
    chains,
    external,
    filter_names,
    host,
    istio,
    kube_service,
    listeners,
    manager,
    matching,
    outbound_names,
    proxies,
    resources,
)
from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, rule
from translator.model.proxy import Proxy
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig, MeshOutboundTrafficPolicy
from translator.objects.sidecar import OutboundTrafficMode
from translator.routes.selection import route_references
from xds.resource import Reference
from xds.types import CLUSTER, ROUTE

REGISTRY_ONLY = MeshConfig(outbound_traffic_policy=MeshOutboundTrafficPolicy(mode=OutboundTrafficMode.REGISTRY_ONLY))
HTTP = "{name: http, port: 80}"
EVERYTHING = {"port": 0, "prefixes": [], "sni": [], "transport": "", "alpn": []}


@pytest.mark.parametrize(
    ("mesh", "unmatched"),
    [(MeshConfig(), "PassthroughCluster"), (REGISTRY_ONLY, "BlackHoleCluster")],
    ids=["a", "b"],
)
def test_case_02_http_service_shares_the_wildcard_address(mesh: MeshConfig, unmatched: str) -> None:
    found = listeners(Mesh(kube_service("web", HTTP), mesh=mesh))
    assert outbound_names(Mesh(kube_service("web", HTTP), mesh=mesh)) == ["0.0.0.0_80"]
    listener = found["0.0.0.0_80"]
    http, default = chains(listener)
    assert (http["to"], http["alpn"], http["transport"]) == ("rds 80", PLAIN_HTTP, "raw_buffer")
    assert default == {"default": True, "name": UNMATCHED, "to": unmatched, "tls": False, **EVERYTHING}
    assert filter_names(listener) == ["http_inspector"]
    assert not listener.bind_to_port.value
    assert listener.HasField("bind_to_port")
    assert listener.continue_on_listener_filters_timeout


def test_case_03_a_tcp_service_has_a_listener_on_its_address() -> None:
    mesh = Mesh(kube_service("redis", "{name: tcp-redis, port: 6379}", ip="10.0.0.2"))
    listener = listeners(mesh)["10.0.0.2_6379"]
    assert chains(listener) == [{"to": f"outbound|6379||{host('redis')}", "tls": False, **EVERYTHING}]
    assert filter_names(listener) == []
    assert listener.HasField("listener_filters_timeout")
    assert not listener.listener_filters_timeout.ByteSize()
    assert resources(mesh)["10.0.0.2_6379"].references == (Reference(CLUSTER, f"outbound|6379||{host('redis')}"),)


def test_case_03_b_undeclared_protocol_is_detected_on_the_service_s_address() -> None:
    mesh = Mesh(kube_service("auto", "{name: foo, port: 9000}", ip="10.0.0.3"))
    listener = listeners(mesh)["10.0.0.3_9000"]
    http, default = chains(listener)
    assert (http["to"], http["alpn"]) == (f"rds {host('auto')}:9000", PLAIN_HTTP)
    assert (default["default"], default["to"]) == (True, f"outbound|9000||{host('auto')}")
    assert filter_names(listener) == ["http_inspector"]
    assert resources(mesh)["10.0.0.3_9000"].references == (
        Reference(CLUSTER, f"outbound|9000||{host('auto')}"),
        Reference(ROUTE, f"{host('auto')}:9000"),
    )


KINDS = {"TCP": "TCP", "TLS": "TLS", "HTTP": "HTTP", "AUTO": "something"}
PAIRS = list(itertools.product(KINDS, KINDS))
EXPECTED = {
    # What connections get that are neither HTTP nor carry a known SNI, and which SNI are known.
    ("TCP", "TCP"): (False, "older", []),
    ("TCP", "TLS"): (False, "older", ["newer"]),
    ("TCP", "HTTP"): (True, "older", []),
    ("TCP", "AUTO"): (True, "older", []),
    ("TLS", "TCP"): (False, "newer", ["older"]),
    ("TLS", "TLS"): (False, None, ["older", "newer"]),
    ("TLS", "HTTP"): (True, None, ["older"]),
    ("TLS", "AUTO"): (True, "newer", ["older"]),
    ("HTTP", "TCP"): (True, "newer", []),
    ("HTTP", "TLS"): (True, None, ["newer"]),
    ("HTTP", "HTTP"): (True, None, []),
    ("HTTP", "AUTO"): (True, "newer", []),
    ("AUTO", "TCP"): (True, "older", []),
    ("AUTO", "TLS"): (True, "older", ["newer"]),
    ("AUTO", "HTTP"): (True, "older", []),
    ("AUTO", "AUTO"): (True, "older", []),
}


@pytest.mark.parametrize(("older", "newer"), PAIRS)
def test_case_04_any_two_protocols_share_a_port(older: str, newer: str) -> None:
    mesh = Mesh(
        external("older", f"7000/{KINDS[older]}", created="2025-01-01T00:00:00Z"),
        external("newer", f"7000/{KINDS[newer]}", created="2026-01-01T00:00:00Z"),
    )
    assert outbound_names(mesh) == ["0.0.0.0_7000"]
    listener = listeners(mesh)["0.0.0.0_7000"]
    found = chains(listener)
    has_http, rest, names = EXPECTED[older, newer]
    assert bool(matching(found, to="rds 7000")) is has_http
    default = f"outbound|7000||{rest}" if rest else "PassthroughCluster"
    assert [each["to"] for each in matching(found, **EVERYTHING)] == [default]
    assert sorted(name for each in found for name in each["sni"]) == sorted(names)
    inspectors = ["tls_inspector"] * bool(names) + ["http_inspector"] * has_http
    assert filter_names(listener) == inspectors


@pytest.mark.parametrize(("older", "newer"), PAIRS)
def test_any_two_protocols_share_a_port_without_interception(older: str, newer: str) -> None:
    mesh = Mesh(
        external("older", f"7000/{KINDS[older]}", created="2025-01-01T00:00:00Z"),
        external("newer", f"7000/{KINDS[newer]}", created="2026-01-01T00:00:00Z"),
    )
    assert outbound_names(mesh, UNCAPTURED) == ["127.0.0.1_7000"]
    found = chains(listeners(mesh, UNCAPTURED)["127.0.0.1_7000"])
    kinds = {older, newer}
    http = matching(found, to="rds 7000")
    assert bool(http) is bool(kinds & {"HTTP", "AUTO"})
    if kinds == {"HTTP"}:
        assert http == found
        assert not http[0]["alpn"]
        return
    # The oldest that needs no SNI, else the oldest that has one.
    plain = [name for name, kind in (("older", older), ("newer", newer)) if kind in ("TCP", "AUTO")]
    rest = (plain or [name for name, kind in (("older", older), ("newer", newer)) if kind == "TLS"])[0]
    assert [each["to"] for each in matching(found, **EVERYTHING)] == [f"outbound|7000||{rest}"]
    assert all(each["alpn"] == PLAIN_HTTP for each in http)


def test_case_05_a_of_three_tcp_services_at_one_address_the_oldest_is_served() -> None:
    mesh = Mesh(
        *(
            external(f"db{year}", "5432/TCP", created=f"{year}-01-01T00:00:00Z", addresses="[10.1.1.1]")
            for year in (2026, 2024, 2025)
        )
    )
    assert outbound_names(mesh) == ["10.1.1.1_5432"]
    assert [each["to"] for each in chains(listeners(mesh)["10.1.1.1_5432"])] == ["outbound|5432||db2024"]


@pytest.mark.parametrize("first", ["MySQL", "Mongo"])
def test_case_05_b_nothing_is_detected_where_the_server_speaks_first(first: str) -> None:
    mesh = Mesh(
        external("db", f"3306/{first}", created="2025-01-01T00:00:00Z"),
        external("web", "3306/HTTP", created="2026-01-01T00:00:00Z"),
    )
    listener = listeners(mesh)["0.0.0.0_3306"]
    assert [each["to"] for each in chains(listener)] == ["outbound|3306||db"]
    assert filter_names(listener) == []


def test_a_server_that_speaks_first_does_not_join_http() -> None:
    mesh = Mesh(
        external("web", "3306/HTTP", created="2025-01-01T00:00:00Z"),
        external("db", "3306/MySQL", created="2026-01-01T00:00:00Z"),
    )
    assert [each["to"] for each in chains(listeners(mesh)["0.0.0.0_3306"])] == ["rds 3306", "PassthroughCluster"]


def test_case_06_https_without_address_is_told_apart_by_sni() -> None:
    listener = listeners(Mesh(external("a.example.com", "443/HTTPS"), external("*.b.example.com", "443/TLS")))[
        "0.0.0.0_443"
    ]
    assert {(each["to"], *each["sni"]) for each in chains(listener)} == {
        ("outbound|443||*.b.example.com", "*.b.example.com"),
        ("outbound|443||a.example.com", "a.example.com"),
        ("PassthroughCluster",),
    }
    assert filter_names(listener) == ["tls_inspector"]


def test_tls_at_an_address_of_its_own_needs_no_sni() -> None:
    listener = listeners(Mesh(kube_service("db", "{name: tls, port: 443}", ip="10.0.0.9")))["10.0.0.9_443"]
    assert chains(listener) == [{"to": f"outbound|443||{host('db')}", "tls": False, **EVERYTHING}]


def test_case_10_reserved_ports_of_the_wildcard_address() -> None:
    named = {"http-a": 15021, "tcp-b": 15090, "http-c": 15001, "tcp-d": 15006}
    ports = ", ".join(f"{{name: {name}, port: {number}}}" for name, number in named.items())
    proxy = replace(SIDECAR, reserved_ports=(15021, 15090))
    assert outbound_names(Mesh(kube_service("web", ports)), proxy) == ["10.0.0.1_15006", "10.0.0.1_15090"]


def test_case_11_a_the_catch_all_leaves_listeners_with_a_port_alone() -> None:
    mesh = Mesh(
        kube_service("grpc", "{name: grpc, port: 9000}", ip="10.0.0.1"),
        external("tcp.example.com", "9000/TCP"),
        istio(
            "Sidecar",
            "default",
            "egress: [{port: {number: 9000, protocol: GRPC, name: grpc}, hosts: ['./*.local']}, {hosts: ['*/*']}]",
        ),
    )
    listener = listeners(mesh)["0.0.0.0_9000"]
    assert [each["to"] for each in chains(listener)] == ["rds 9000", "PassthroughCluster"]


def test_case_11_b_egress_on_a_unix_socket() -> None:
    mesh = Mesh(
        kube_service("web", HTTP),
        istio(
            "Sidecar",
            "default",
            "egress: [{port: {number: 0, protocol: HTTP, name: http}, bind: 'unix:///var/run/s', hosts: ['*/*']}]",
        ),
    )
    (name,) = outbound_names(mesh)
    listener = listeners(mesh)[name]
    assert name == "unix:///var/run/s_0"
    assert listener.address.pipe.path == "/var/run/s"
    assert [each["to"] for each in chains(listener)] == ["rds unix:///var/run/s"]
    assert not listener.HasField("bind_to_port")


def test_case_12_addresses_by_family() -> None:
    mesh = Mesh(external("db", "5432/TCP"))
    assert outbound_names(mesh, V6) == ["::_5432"]
    listener = listeners(mesh, DUAL)["0.0.0.0_5432"]
    assert [each.address.socket_address.address for each in listener.additional_addresses] == ["::"]


def test_addresses_of_families_that_the_proxy_lacks_are_left_out() -> None:
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 5432}", ip="10.0.0.1", clusterIPs=["10.0.0.1", "fd00::1"]),
        external("six", "5433/TCP", addresses="['fd00::2', 'fd00:1::/64']"),
    )
    assert outbound_names(mesh) == ["10.0.0.1_5432"]
    assert outbound_names(mesh, V6) == ["::_5433", "fd00::1_5432", "fd00::2_5433"]
    assert [
        each.address.socket_address.address for each in listeners(mesh, DUAL)["10.0.0.1_5432"].additional_addresses
    ] == ["fd00::1"]


def test_networks_become_prefixes_of_a_listener_on_every_address() -> None:
    listener = listeners(Mesh(external("net", "5432/TCP", addresses="[10.1.0.5/16, 10.2.3.4/32]")))
    assert [(each["to"], each["prefixes"]) for each in chains(listener["0.0.0.0_5432"])] == [
        ("outbound|5432||net", ["10.1.0.0/16"]),
        ("PassthroughCluster", []),
    ]
    assert chains(listener["10.2.3.4_5432"])[0]["prefixes"] == []


def test_case_19_b_without_interception_listeners_are_real() -> None:
    mesh = Mesh(kube_service("web", HTTP), kube_service("auto", "{name: x, port: 9000}"))
    found = listeners(mesh, UNCAPTURED)
    assert list(found) == ["127.0.0.1_80", "127.0.0.1_9000"]
    for listener in found.values():
        assert address(listener)[0] == "127.0.0.1"
        assert not listener.HasField("bind_to_port")
        assert listener.max_connections_to_accept_per_socket_event.value == 1
    assert chains(found["127.0.0.1_80"]) == [{"to": "rds 80", "tls": False, **EVERYTHING}]
    assert [each["to"] for each in chains(found["127.0.0.1_9000"])] == ["rds 9000", f"outbound|9000||{host('auto')}"]


def test_without_interception_a_pod_on_loopback_uses_its_own_address() -> None:
    proxy = replace(UNCAPTURED, addresses=("127.3.0.1",))
    assert outbound_names(Mesh(kube_service("web", HTTP)), proxy) == ["127.3.0.1_80"]


def test_without_interception_tls_services_are_told_apart_by_sni_and_the_oldest_gets_the_rest() -> None:
    mesh = Mesh(
        external("new.example.com", "443/TLS", created="2026-01-01T00:00:00Z"),
        external("old.example.com", "443/TLS", created="2025-01-01T00:00:00Z"),
    )
    found = chains(listeners(mesh, UNCAPTURED)["127.0.0.1_443"])
    assert [(each["sni"], each["to"]) for each in found] == [
        (["old.example.com"], "outbound|443||old.example.com"),
        (["new.example.com"], "outbound|443||new.example.com"),
        ([], "outbound|443||old.example.com"),
    ]


def test_an_unprivileged_workload_binds_no_low_ports() -> None:
    mesh = Mesh(kube_service("web", f"{HTTP}, {{name: http-alt, port: 8080}}"))
    proxy = replace(UNCAPTURED, unprivileged=True)
    assert outbound_names(mesh, proxy) == ["127.0.0.1_8080"]
    captured = replace(SIDECAR, unprivileged=True)
    assert outbound_names(mesh, captured) == ["0.0.0.0_80", "0.0.0.0_8080"]


def test_sidecar_egress_on_an_address_of_its_own() -> None:
    mesh = Mesh(
        kube_service("web", HTTP),
        istio(
            "Sidecar",
            "default",
            "egress: [{port: {number: 80, protocol: HTTP}, bind: 127.0.0.1, captureMode: NONE, hosts: ['*/*']}]",
        ),
    )
    listener = listeners(mesh)["127.0.0.1_80"]
    assert chains(listener) == [{"to": "rds 80", "tls": False, **EVERYTHING}]
    assert not listener.HasField("bind_to_port")


@pytest.mark.parametrize(
    ("config", "proxy"),
    [
        (MeshConfig(proxy_http_port=15080), SIDECAR),
        (MeshConfig(), replace(SIDECAR, http_proxy_port=15080)),
        (MeshConfig(proxy_http_port=15081), replace(SIDECAR, http_proxy_port=15080)),
    ],
    ids=["mesh", "node", "node-over-mesh"],
)
def test_http_proxy_listener(config: MeshConfig, proxy: Proxy) -> None:
    mesh = Mesh(mesh=config)
    assert outbound_names(mesh, proxy) == ["127.0.0.1_15080"]
    assert "http_proxy" in {each.name for each in route_references(mesh.db, mesh.view(proxy))}
    listener = listeners(mesh, proxy)["127.0.0.1_15080"]
    assert manager(listener).http_protocol_options.allow_absolute_url.value
    assert manager(listener).rds.route_config_name == "http_proxy"


def test_aliases_and_udp_have_no_listeners() -> None:
    mesh = Mesh(
        kube_service("alias", HTTP, ip="", type="ExternalName", externalName="web.example.com"),
        kube_service("dns", "{name: dns, port: 53, protocol: UDP}"),
    )
    assert outbound_names(mesh) == []


def test_unknown_destinations_follow_the_sidecar_s_policy() -> None:
    mesh = Mesh(
        kube_service("web", HTTP),
        istio(
            "Sidecar",
            "default",
            "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: out.test, subset: a, port: {number: 99}}}",
        ),
    )
    found = listeners(mesh)
    cluster = "outbound|99|a|out.test"
    assert chains(found["0.0.0.0_80"])[-1]["to"] == cluster
    assert [each["to"] for each in chains(found["virtualOutbound"])] == ["BlackHoleCluster", cluster]
    assert Reference(CLUSTER, cluster) in resources(mesh)["virtualOutbound"].references


def test_mongo_is_counted() -> None:
    listener = listeners(Mesh(kube_service("db", "{name: mongo, port: 27017}")))["10.0.0.1_27017"]
    assert [each.name for each in listener.filter_chains[0].filters] == [
        "envoy.filters.network.mongo_proxy",
        "envoy.filters.network.tcp_proxy",
    ]


def test_stat_names_follow_the_mesh_s_pattern() -> None:
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 5432}"),
        mesh=MeshConfig(outbound_cluster_stat_name="%SERVICE%:%SERVICE_PORT%"),
    )
    (proxy,) = proxies(listeners(mesh)["10.0.0.1_5432"])
    assert proxy.stat_prefix == "db.default:5432"
    assert proxy.cluster == f"outbound|5432||{host('db')}"


def test_case_32_names_below_a_suffix_are_resolved_as_they_are_dialled() -> None:
    mesh = Mesh(external("*.example.com", "80/HTTP", "443/TLS", resolution="DYNAMIC_DNS"), kube_service("web", HTTP))
    found = listeners(mesh)
    assert [each.name.rpartition(".")[2] for each in manager(found["0.0.0.0_80"]).http_filters[-2:]] == [
        "dynamic_forward_proxy",
        "router",
    ]
    tls = found["0.0.0.0_443"]
    assert filter_names(tls) == ["tls_inspector"]
    (chain,) = matching(chains(tls), sni=["*.example.com"])
    assert chain["to"] == "outbound|443||*.example.com"
    resolver = sni_dynamic_forward_proxy_pb2.FilterConfig.FromString(tls.filter_chains[0].filters[0].typed_config.value)
    assert resolver.dns_cache_config.name == "*.example.com_dfp_dns_cache"
    assert resolver.port_value == 443


def test_what_a_node_asks_of_its_outbound_listeners() -> None:
    mesh = Mesh(
        kube_service("web", HTTP),
        kube_service("db", "{name: tcp, port: 5432}", ip="10.0.0.2"),
        kube_service("own", "{name: tcp, port: 5433}", ip="10.0.0.3"),
        rule(f"{{host: {host('own')}, trafficPolicy: {{connectionPool: {{tcp: {{idleTimeout: 9s}}}}}}}}"),
    )
    asking = replace(SIDECAR, idle_timeout=Duration.of(seconds=7), balances_outbound=True)
    found = listeners(mesh, asking)
    assert manager(found["0.0.0.0_80"]).common_http_protocol_options.idle_timeout.seconds == 7
    times = {name: [each.idle_timeout.seconds for each in proxies(listener)] for name, listener in found.items()}
    assert times["10.0.0.2_5432"] == [7]
    assert times["10.0.0.3_5433"] == [9], "the rule of the service says otherwise"
    assert times["virtualOutbound"] == [0, 7]
    balanced = {name for name, each in found.items() if each.connection_balance_config.HasField("exact_balance")}
    assert balanced == {"0.0.0.0_80", "10.0.0.2_5432", "10.0.0.3_5433"}


def test_what_concerns_inbound_listeners_alone_does_not_tell_outbound_ones_apart() -> None:
    mesh = Mesh(kube_service("web", HTTP))
    one, two = resources(mesh), resources(mesh, replace(SIDECAR, balances_inbound=True))
    assert {name for name in one if one[name] is not two[name]} == {"virtualInbound"}
    assert mesh.view(replace(GATEWAY, balances_inbound=True, http_proxy_port=15080)) == mesh.view(GATEWAY)


def test_requests_to_unknown_hosts_can_go_where_dns_says() -> None:
    policy = MeshOutboundTrafficPolicy(mode=OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS)
    found = listeners(Mesh(kube_service("web", HTTP), mesh=MeshConfig(outbound_traffic_policy=policy)))
    unknown = found["virtualOutbound"]
    assert [(each["name"], each["to"], each["alpn"]) for each in chains(unknown)] == [
        ("virtualOutbound-blackhole", "BlackHoleCluster", []),
        ("virtualOutbound-catchall-tcp-http", "inline allow_any_dynamic_dns", PLAIN_HTTP),
        ("virtualOutbound-catchall-tcp", "PassthroughCluster", []),
    ]
    assert filter_names(unknown) == ["original_dst", "http_inspector"]
    assert unknown.continue_on_listener_filters_timeout
    assert unknown.listener_filters_timeout.nanos, "who lets the server speak first must not wait for ever"
    for listener in (unknown, found["0.0.0.0_80"]):
        assert manager(listener).http_filters[-2].name == "envoy.filters.http.dynamic_forward_proxy"
