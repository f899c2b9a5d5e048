"""Answers to the DNS questions of workloads."""

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.udp.dns_filter.v3 import dns_filter_pb2
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    UNCAPTURED,
    V6,
    address,
    chains,
    external,
    filter_names,
    host,
    istio,
    kube_service,
    listeners,
    outbound_names,
    resources,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice
from translator.model.proxy import Proxy

ANSWERING = replace(SIDECAR, answers_dns=True)
WEB = kube_service("web", "{name: http, port: 80}", ip="10.0.0.1", clusterIPs=["10.0.0.1", "fd00::1"])
NAME = "udp_127.0.0.1_15053"


def config(listener: listener_pb2.Listener) -> dns_filter_pb2.DnsFilterConfig:
    """What a listener answers with."""
    (found,) = listener.listener_filters
    return dns_filter_pb2.DnsFilterConfig.FromString(found.typed_config.value)


def table(mesh: Mesh, proxy: Proxy = ANSWERING, name: str = NAME) -> dict[str, list[str]]:
    """The names that a proxy knows, with their addresses."""
    domains = config(listeners(mesh, proxy)[name]).server_config.inline_dns_table.virtual_domains
    assert all(each.answer_ttl.seconds == 30 for each in domains)
    found = {each.name: list(each.endpoint.address_list.address) for each in domains}
    assert list(found) == sorted(found)
    return found


def test_only_proxies_that_are_asked_answer() -> None:
    assert not [name for name in outbound_names(Mesh(WEB)) if name.endswith("_15053")]
    listener = listeners(Mesh(WEB), ANSWERING)[NAME]
    assert address(listener) == ("127.0.0.1", 15053)
    assert listener.address.socket_address.protocol == address_pb2.SocketAddress.UDP
    assert listener.HasField("udp_listener_config")
    assert not listener.filter_chains
    resolver = config(listener).client_config.typed_dns_resolver_config
    assert resolver.name == "envoy.network.dns_resolver.cares"


def test_virtual_addresses_by_name() -> None:
    mesh = Mesh(
        WEB,
        external("fixed.example.com", "5432/TCP", addresses="[10.1.0.1, 10.2.0.0/16]"),
        external("net.example.com", "5432/TCP", addresses="[10.3.0.0/16]"),
        external("*.wild.example.com", "5432/TCP", resolution="NONE", addresses="[10.4.0.1]"),
        kube_service("headless", "{name: tcp, port: 80}", ip="None"),
        kube_service("alias", "{name: http, port: 80}", ip="", type="ExternalName", externalName="a.example.com"),
    )
    assert table(mesh) == {
        "*.wild.example.com": ["10.4.0.1"],
        "fixed.example.com": ["10.1.0.1"],
        host("web"): ["10.0.0.1"],
    }
    assert table(mesh, replace(V6, answers_dns=True), "udp_::1_15053") == {host("web"): ["fd00::1"]}


def test_services_without_addresses_are_known_by_those_that_they_are_given() -> None:
    (addresses,) = table(Mesh(external("db.example.com", "5432/TCP"))).values()
    assert len(addresses) == 1
    assert addresses[0].startswith("240.240.")


def test_every_family_has_a_listener() -> None:
    mesh = Mesh(WEB)
    proxy = replace(DUAL, answers_dns=True)
    for name in (NAME, "udp_::1_15053"):
        assert table(mesh, proxy, name) == {host("web"): ["10.0.0.1", "fd00::1"]}


def test_a_sidecar_knows_what_it_may_reach() -> None:
    scope = istio("Sidecar", "default", "egress: [{hosts: ['./*.example.com']}]")
    mesh = Mesh(WEB, external("db.example.com", "5432/TCP", addresses="[10.1.0.1]"), scope)
    assert table(mesh) == {"db.example.com": ["10.1.0.1"]}


def test_connections_go_on_to_the_server_that_was_dialled() -> None:
    listener = listeners(Mesh(), ANSWERING)["127.0.0.1_15053"]
    assert filter_names(listener) == ["original_dst"]
    assert [each["to"] for each in chains(listener)] == ["PassthroughCluster"]
    # Nothing but interception tells which server that was.
    alone = replace(UNCAPTURED, answers_dns=True)
    assert [name for name in outbound_names(Mesh(), alone) if name.endswith("_15053")] == [NAME]


def test_endpoints_do_not_change_the_answers() -> None:
    mesh = Mesh(WEB, kube_service("headless", "{name: tcp, port: 80}", ip="None"))
    before = resources(mesh, ANSWERING)[NAME]
    mesh.add(endpoint_slice("web", endpoint("10.9.0.1"), service="web"))
    mesh.add(endpoint_slice("headless", endpoint("10.9.0.2"), service="headless", port="tcp"))
    assert resources(mesh, ANSWERING)[NAME] is before
