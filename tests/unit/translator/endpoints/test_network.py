"""What clients dial in place of endpoints in other networks."""

import msgspec
import pytest
import yaml

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service
from translator.database import DnsName
from translator.model.proxy import Proxy
from translator.objects.mesh_networks import MeshNetworks

HOST = "web.default.svc.cluster.local"
WEB = f"outbound|80||{HOST}"
TWO_GATEWAYS = "n2: {gateways: [{address: 9.9.9.1, port: 15443}, {address: 9.9.9.2, port: 15443}]}"
PASSED = f"outbound_.80_._.{HOST}"
PASSING = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: passing, namespace: default}
spec:
  selector: {istio: eastwestgateway}
  servers: [{port: {number: 15443, name: tls, protocol: TLS}, hosts: ['*.local'], tls: {mode: AUTO_PASSTHROUGH}}]
"""
Dialled = list[tuple[str, int, int]]


def networks(text: str) -> MeshNetworks:
    return msgspec.convert({"networks": yaml.safe_load(text)}, MeshNetworks)


def at(network: str, **changes: object) -> Proxy:
    """A client with a certificate of the mesh."""
    return msgspec.structs.replace(SIDECAR, network=network, **{"has_identity": True, **changes})


def web(name: str, ip: str, network: str, tls: str = "istio") -> str:
    labels = {"app": "web", "topology.istio.io/network": network, "security.istio.io/tlsMode": tls}
    return pod(name, ip, labels={label: value for label, value in labels.items() if value})


def two_networks(declared: str = TWO_GATEWAYS) -> Mesh:
    """One pod here, and three in another network, one of which has no proxy."""
    addresses = {"near": "10.1.0.1", "far-1": "10.2.0.1", "far-2": "10.2.0.2", "far-3": "10.2.0.3"}
    return Mesh(
        service(),
        web("near", "10.1.0.1", "n1", tls=""),
        web("far-1", "10.2.0.1", "n2"),
        web("far-2", "10.2.0.2", "n2"),
        web("far-3", "10.2.0.3", "n2", tls=""),
        endpoint_slice("web", *(endpoint(ip, name) for name, ip in addresses.items())),
        networks=networks(declared),
    )


def dialled(mesh: Mesh, proxy: Proxy, name: str = WEB) -> Dialled:
    """Address, port and weight of every endpoint."""
    return [
        (each.endpoint.address.socket_address.address, each.endpoint.address.socket_address.port_value, weight)
        for group in mesh.assignment(name, proxy).endpoints
        for each in group.lb_endpoints
        if (weight := each.load_balancing_weight.value)
    ]


GATEWAYS: Dialled = [("9.9.9.1", 15443, 2), ("9.9.9.2", 15443, 2)]


def test_case_35_endpoints_of_another_network_are_entered_through_its_gateways() -> None:
    assert dialled(two_networks(), at("n1")) == [("10.1.0.1", 8080, 2), *GATEWAYS]


def test_case_35_in_the_network_itself_they_are_dialled_with_tls_or_without() -> None:
    pods = [(f"10.2.0.{number}", 8080, 2) for number in (1, 2, 3)]
    # Nobody knows a gateway into n1.
    assert dialled(two_networks(), at("n2")) == [("10.1.0.1", 8080, 2), *pods]


def test_case_35_a_proxy_that_is_in_no_network_goes_through_the_gateways_too() -> None:
    assert dialled(two_networks(), at("")) == [("10.1.0.1", 8080, 2), *GATEWAYS]


def test_case_35_without_gateways_everything_is_dialled_directly() -> None:
    mesh = two_networks("{}")
    assert mesh.addresses(WEB, at("n1")) == ["10.1.0.1", "10.2.0.1", "10.2.0.2", "10.2.0.3"]


def test_without_a_certificate_of_the_mesh_no_gateway_can_be_used() -> None:
    assert dialled(two_networks(), at("n1", has_identity=False)) == [("10.1.0.1", 8080, 2)]


def test_where_a_rule_turns_mesh_tls_off_no_gateway_can_be_used() -> None:
    mesh = two_networks()
    mesh.add(rule("trafficPolicy: {tls: {mode: DISABLE}}"))
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 2)]


def test_gateways_are_dialled_by_mesh_tls() -> None:
    found = two_networks().assignment(WEB, at("n1"))
    modes = [
        each.metadata.filter_metadata["envoy.transport_socket_match"].fields["tlsMode"].string_value
        for group in found.endpoints
        for each in group.lb_endpoints
    ]
    assert modes == ["", "istio", "istio"]


def test_gateways_that_come_later_are_taken_and_touch_no_cluster() -> None:
    mesh = two_networks("{}")
    clusters = mesh.clusters(at("n1"))
    labelled = yaml.safe_load(service("gate", externalIPs=["9.9.9.1", "9.9.9.2"], ports="{name: tls, port: 15443}"))
    labelled["metadata"]["labels"] = {"topology.istio.io/network": "n2"}
    mesh.add(yaml.safe_dump(labelled))
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 2), *GATEWAYS]
    assert mesh.clusters(at("n1"))[WEB] == clusters[WEB]


def test_who_is_not_ready_is_no_load_for_a_gateway() -> None:
    mesh = two_networks()
    mesh.add(endpoint_slice("web", endpoint("10.2.0.1", "far-1", ready=False, terminating=False)))
    assert dialled(mesh, at("n1")) == []


def test_a_client_is_given_gateways_of_an_ip_version_that_it_has() -> None:
    mesh = two_networks("n2: {gateways: [{address: 9.9.9.1, port: 1}, {address: '2001:db8::1', port: 2}]}")
    # Each takes all of the load: half of it would leave the endpoints behind it half idle.
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 1), ("9.9.9.1", 1, 2)]
    six = at("n1", addresses=("2001:db8::9",))
    assert dialled(mesh, six)[1:] == [("2001:db8::1", 2, 2)]


def test_gateways_with_names_are_dialled_by_the_addresses_of_their_names() -> None:
    mesh = two_networks("n2: {gateways: [{address: Gate.test., port: 1}]}")
    name = DnsName("gate.test")
    # Not known yet: but what is behind a gateway is not dialled directly.
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 1)]
    assert mesh.db.names.keys == {name}
    assert mesh.db.replace_addresses(name, ("9.9.9.1", "9.9.9.2", "2001:db8::1"))
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 2), ("9.9.9.1", 1, 2), ("9.9.9.2", 1, 2)]
    assert not mesh.db.replace_addresses(name, ("9.9.9.1", "9.9.9.2", "2001:db8::1"))
    mesh.db.replace_addresses(name, ())
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 1)]


def test_a_name_that_is_not_known_takes_no_load_from_other_gateways() -> None:
    mesh = two_networks("n2: {gateways: [{address: gate.test, port: 1}, {address: 9.9.9.1, port: 2}]}")
    assert dialled(mesh, at("n1")) == [("10.1.0.1", 8080, 1), ("9.9.9.1", 2, 2)]


def test_clusters_that_resolve_names_are_given_those_of_gateways() -> None:
    spec = "hosts: [a.test], ports: [{number: 80, name: http}], resolution: DNS, location: MESH_INTERNAL"
    endpoints = "endpoints: [{address: b.test, network: n2, serviceAccount: bob}]"
    mesh = Mesh(entry(f"{{{spec}, {endpoints}}}"), networks=networks("n2: {gateways: [{address: gate.test, port: 1}]}"))
    mesh.db.replace_addresses(DnsName("gate.test"), ("9.9.9.1",))
    assert "gate.test" in str(mesh.cluster("outbound|80||a.test", at("n1")).load_assignment)


def test_a_gateway_stands_in_the_locality_of_those_behind_it() -> None:
    mesh = two_networks()
    for name, ip, place in (("far-1", "10.2.0.1", "r.z1"), ("far-2", "10.2.0.2", "r.z2")):
        labels = {"topology.istio.io/network": "n2", "security.istio.io/tlsMode": "istio", "istio-locality": place}
        mesh.add(pod(name, ip, labels=labels))
    assert mesh.groups(WEB, at("n1")) == [
        ("", 0, 2, ["10.1.0.1"]),
        ("r/z1", 0, 2, ["9.9.9.1", "9.9.9.2"]),
        ("r/z2", 0, 2, ["9.9.9.1", "9.9.9.2"]),
    ]


def test_another_network_is_the_last_choice_where_failover_says_so() -> None:
    mesh = two_networks()
    failover = "localityLbSetting: {failoverPriority: [topology.istio.io/network]}"
    mesh.add(rule(f"trafficPolicy: {{outlierDetection: {{}}, loadBalancer: {{{failover}}}}}"))
    assert mesh.groups(WEB, at("n1")) == [("", 0, 2, ["10.1.0.1"]), ("", 1, 4, ["9.9.9.1", "9.9.9.2"])]


def test_case_47_a_workload_without_address_is_reached_through_a_gateway_only() -> None:
    spec = "hosts: [a.test], ports: [{number: 80, name: http}], resolution: STATIC, location: MESH_INTERNAL"
    endpoints = "endpoints: [{network: n2, serviceAccount: bob}, {network: n1}, {address: 1.1.1.1}]"
    mesh = Mesh(entry(f"{{{spec}, {endpoints}}}"), networks=networks(TWO_GATEWAYS))
    assert dialled(mesh, at("n1"), "outbound|80||a.test") == [
        ("1.1.1.1", 80, 2),
        ("9.9.9.1", 15443, 1),
        ("9.9.9.2", 15443, 1),
    ]
    assert dialled(Mesh(entry(f"{{{spec}, {endpoints}}}")), at("n1"), "outbound|80||a.test") == [("1.1.1.1", 80, 1)]


@pytest.mark.parametrize(("view", "expected"), [(("n1",), 1), (("n1", "n2"), 3), ((), 3)])
def test_a_proxy_sees_the_networks_that_it_asks_for(view: tuple[str, ...], expected: int) -> None:
    assert len(dialled(two_networks(), at("n1", network_view=view))) == expected


@pytest.mark.parametrize("declared", [TWO_GATEWAYS, "{}"])
@pytest.mark.parametrize(
    ("network", "view", "expected"),
    [
        ("n2", (), ["10.2.0.1", "10.2.0.2"]),
        ("n1", (), ["10.1.0.9"]),
        ("n1", ("n1", "n3"), ["10.1.0.9", "10.3.0.1"]),
        ("n4", (), []),
    ],
)
def test_a_gateway_lets_into_its_own_network_unless_it_asks_for_others(
    declared: str, network: str, view: tuple[str, ...], expected: list[str]
) -> None:
    mesh = two_networks(declared)
    mesh.add(PASSING, web("near-tls", "10.1.0.9", "n1"), web("third", "10.3.0.1", "n3"))
    mesh.add(endpoint_slice("more", endpoint("10.1.0.9", "near-tls"), endpoint("10.3.0.1", "third")))
    labels = (("istio", "eastwestgateway"),)
    gateway = msgspec.structs.replace(GATEWAY, network=network, network_view=view, labels=labels, has_identity=True)
    assert mesh.addresses(PASSED, gateway) == expected


def test_an_address_that_two_networks_have_is_dialled_once() -> None:
    mesh = two_networks("n3: {gateways: [{address: 9.9.9.9, port: 1}]}")
    mesh.add(web("far-1", "10.1.0.1", "n2"))
    mesh.add(endpoint_slice("web", endpoint("10.1.0.1", "near"), endpoint("10.1.0.1", "far-1")))
    assert mesh.addresses(WEB, at("n1")) == ["10.1.0.1"]
