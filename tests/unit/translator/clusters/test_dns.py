"""Clusters whose endpoints the proxies resolve."""

from typing import Any

import msgspec
import pytest
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from tests.unit.translator.clusters.cluster_kit import (
    A_COM,
    ENTRY,
    UNCAPTURED,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, entry, rule
from translator.endpoints.selection import unknown_assignment


def test_case_36_dns_resolves_the_endpoints_or_the_host() -> None:
    for endpoints, expected in (
        ("", ["a.com"]),
        (", endpoints: [{address: b.com}, {address: c.com}]", ["b.com", "c.com"]),
    ):
        cluster = Mesh(entry(ENTRY % ("DNS", endpoints))).shown(A_COM)
        assert cluster["cluster_type"]["name"] == "envoy.clusters.dns"
        config = cluster["cluster_type"]["typed_config"]
        assert config["dns_refresh_rate"] == "60s"
        assert config["respect_dns_ttl"] is True
        assert config["dns_lookup_family"] == "V4_ONLY"
        assert "all_addresses_in_single_endpoint" not in config
        (group,) = cluster["load_assignment"]["endpoints"]
        found = [each["endpoint"]["address"]["socket_address"] for each in group["lb_endpoints"]]
        assert found == [{"address": address, "port_value": 80} for address in expected]
        assert cluster["lb_policy"] == "LEAST_REQUEST"
        assert "eds_cluster_config" not in cluster


def test_case_36_round_robin_keeps_the_first_endpoint_of_the_oldest_entry() -> None:
    younger = entry(
        ENTRY % ("DNS_ROUND_ROBIN", ", endpoints: [{address: y.com}]"), name="a", created="2026-02-01T00:00:00Z"
    )
    older = entry(ENTRY % ("DNS_ROUND_ROBIN", ", endpoints: [{address: o.com}]"), name="b")
    cluster = Mesh(younger, older).shown(A_COM)
    assert cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] is True
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [each["endpoint"]["address"]["socket_address"]["address"] for each in group["lb_endpoints"]] == ["o.com"]


def test_dns_clusters_ask_for_the_family_of_the_proxy() -> None:
    proxy = msgspec.structs.replace(SIDECAR, addresses=("2001:db8::1",))
    cluster = Mesh(entry(ENTRY % ("DNS", ""))).shown(A_COM, proxy)
    assert cluster["cluster_type"]["typed_config"]["dns_lookup_family"] == "V6_ONLY"


def test_case_18_a_dns_subset_without_endpoints_is_no_cluster() -> None:
    mesh = Mesh(
        entry(ENTRY % ("DNS", ", endpoints: [{address: b.com, labels: {version: v1}}]")),
        rule("{host: a.com, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}"),
    )
    assert "outbound|80|v1|a.com" in mesh.clusters()
    assert "outbound|80|v2|a.com" not in mesh.clusters()


def test_dynamic_dns_only_for_protocols_that_name_their_host() -> None:
    text = """
{hosts: ["*.a.com"], resolution: DYNAMIC_DNS, ports: [
 {number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS},
 {number: 99, name: tcp, protocol: TCP}]}
"""
    mesh = Mesh(entry(text), rule("{host: '*.a.com', subsets: [{name: v1}]}"))
    outbound = {name for name in mesh.clusters() if name.startswith("outbound")}
    assert outbound == {"outbound|80||*.a.com", "outbound|443||*.a.com"}
    cluster = mesh.shown("outbound|80||*.a.com")
    assert cluster["lb_policy"] == "CLUSTER_PROVIDED"
    assert cluster["cluster_type"]["name"] == "envoy.clusters.dynamic_forward_proxy"
    assert cluster["cluster_type"]["typed_config"]["dns_cache_config"]["name"] == "*.a.com_dfp_dns_cache"


def test_case_36_what_nobody_resolves_is_dialled_where_nothing_is_intercepted() -> None:
    direct = UNCAPTURED
    named = Mesh(entry(ENTRY % ("NONE", ""))).shown(A_COM, direct)
    assert named["cluster_type"]["name"] == "envoy.clusters.dns"
    assert dns_hosts(named) == ["a.com:80"]
    redirected = entry(
        "{hosts: [a.com], ports: [{number: 80, name: http, targetPort: 8080}], addresses: [1.2.3.4, 10.0.0.0/8]}"
    )
    assert dns_hosts(Mesh(redirected).shown(A_COM, direct)) == ["1.2.3.4:8080"]
    wildcard = Mesh(entry("{hosts: ['*.a.com'], ports: [{number: 80, name: http, protocol: HTTP}]}"))
    assert wildcard.shown("outbound|80||*.a.com", direct)["type"] == "EDS"


def dns_hosts(cluster: dict[str, Any]) -> list[str]:
    """The endpoints in a cluster."""
    sockets = [
        each["endpoint"]["address"]["socket_address"]
        for group in cluster["load_assignment"]["endpoints"]
        for each in group["lb_endpoints"]
    ]
    return [f"{socket['address']}:{socket['port_value']}" for socket in sockets]


@pytest.mark.parametrize(
    ("strategy", "endpoints", "family", "single"),
    [
        ("RACE_FIRST_TCP_CONNECT", "", "ALL", True),
        ("race_first_tcp_connect", "", "ALL", True),
        # Only the addresses of one name can race.
        ("RACE_FIRST_TCP_CONNECT", ", endpoints: [{address: b.com}, {address: c.com}]", "V4_ONLY", False),
        ("FIRST_HEALTHY_RACE", "", "V4_ONLY", False),
    ],
)
def test_addresses_of_a_name_can_race(strategy: str, endpoints: str, family: str, single: bool) -> None:  # noqa: FBT001
    text = entry(ENTRY % ("DNS", endpoints))
    text = text.replace("name: entry\n", f"name: entry\n  annotations: {{istio.io/connect-strategy: {strategy}}}\n", 1)
    config = Mesh(text).shown(A_COM)["cluster_type"]["typed_config"]
    assert config["dns_lookup_family"] == family
    assert config.get("all_addresses_in_single_endpoint", False) is single


def test_case_49_an_assignment_that_is_asked_for_after_its_cluster_came_to_be_resolved_is_empty() -> None:
    mesh = Mesh(entry(ENTRY % ("STATIC", ", endpoints: [{address: 1.2.3.4}]")))
    assert mesh.addresses(A_COM) == ["1.2.3.4"]
    mesh.add(entry(ENTRY % ("DNS", ", endpoints: [{address: 1.2.3.4}]")))
    assert A_COM in mesh.clusters()
    assert A_COM not in mesh.assignments()
    assert not ClusterLoadAssignment.FromString(unknown_assignment(A_COM).body).endpoints
