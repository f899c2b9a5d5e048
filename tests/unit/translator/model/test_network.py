"""Networks: which one an endpoint is in, and which gateways lead into each."""

import msgspec
import pytest
import yaml

from tests.unit.translator.mesh_kit import Mesh, pod, service
from translator.model.network import NetworkGateway, declared_network, gateways_into, network_gateways
from translator.model.workload import pod_key, pod_workload
from translator.objects.mesh_networks import MeshNetworks

ROOT = "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system, labels: {topology.istio.io/network: %s}}\n"
NODE = """
apiVersion: v1
kind: Node
metadata: {name: %s, labels: {edge: '%s'}}
status: {addresses: [{type: InternalIP, address: 10.0.0.9}, {type: ExternalIP, address: %s}]}
"""


def networks(text: str) -> MeshNetworks:
    return msgspec.convert({"networks": yaml.safe_load(text)}, MeshNetworks)


def gateway(
    labels: str = "topology.istio.io/network: n2",
    *,
    annotations: str = "",
    status: str = "",
    external: tuple[str, ...] = (),
) -> str:
    """A Service that is a gateway into a network."""
    found = yaml.safe_load(
        service("east-west", ports="{name: tls, port: 15443, nodePort: 31443}", externalIPs=list(external))
    )
    found["metadata"] |= {
        "labels": yaml.safe_load(f"{{{labels}}}"),
        "annotations": yaml.safe_load(f"{{{annotations}}}"),
    }
    found["status"] = {"loadBalancer": {"ingress": yaml.safe_load(f"[{status}]")}}
    return yaml.safe_dump(found)


def found(mesh: Mesh) -> list[tuple[str, str, str, int]]:
    return [(each.network, each.cluster_id, each.address, each.port) for each in network_gateways(mesh.db)]


def test_a_labelled_service_is_reached_at_its_load_balancer_and_external_addresses() -> None:
    mesh = Mesh(gateway(status="{ip: 9.9.9.2}, {hostname: lb.test}, {ip: 9.9.9.1}", external=("9.9.9.3",)))
    assert found(mesh) == [
        ("n2", "Kubernetes", "9.9.9.1", 15443),
        ("n2", "Kubernetes", "9.9.9.2", 15443),
        ("n2", "Kubernetes", "9.9.9.3", 15443),
        ("n2", "Kubernetes", "lb.test", 15443),
    ]
    mesh.remove(gateway())
    assert found(mesh) == []


def test_a_label_gives_the_port_and_the_cluster_is_that_of_the_service() -> None:
    mesh = Mesh()
    labels = "topology.istio.io/network: n2, networking.istio.io/gatewayPort: '443'"
    mesh.add(gateway(labels, status="{ip: 9.9.9.1}"), cluster="east")
    assert found(mesh) == [("n2", "east", "9.9.9.1", 443)]


def test_ports_of_machines() -> None:
    text = 'traffic.istio.io/nodeSelector: \'{"edge": "yes"}\''
    mesh = Mesh(NODE % ("a", "yes", "8.8.8.1"), NODE % ("b", "no", "8.8.8.2"), gateway(annotations=text))
    assert found(mesh) == [("n2", "Kubernetes", "8.8.8.1", 31443)]
    mesh.add(NODE % ("b", "yes", "8.8.8.2"))
    assert [each[2] for each in found(mesh)] == ["8.8.8.1", "8.8.8.2"]


def test_a_selector_that_cannot_be_read_selects_no_machine() -> None:
    mesh = Mesh(NODE % ("a", "yes", "8.8.8.1"), gateway(annotations="traffic.istio.io/nodeSelector: '{'"))
    assert found(mesh) == []


def test_mesh_networks_name_addresses_and_services() -> None:
    declared = """
n1: {gateways: [{address: 9.9.9.1, port: 443}]}
n3:
  endpoints: [{fromRegistry: Kubernetes}]
  gateways: [{registryServiceName: east-west.default.svc.cluster.local, port: 444}]
"""
    mesh = Mesh(gateway("app: x", status="{ip: 9.9.9.2}"), networks=networks(declared))
    assert found(mesh) == [("n1", "", "9.9.9.1", 443), ("n3", "Kubernetes", "9.9.9.2", 444)]


def test_a_service_that_several_clusters_have_leads_into_the_network_of_its_own() -> None:
    declared = """
n1: {endpoints: [{fromRegistry: Kubernetes}], gateways: [{registryServiceName: HOST, port: 443}]}
n2: {endpoints: [{fromRegistry: east}], gateways: [{registryServiceName: HOST, port: 443}]}
"""
    host = "east-west.default.svc.cluster.local"
    mesh = Mesh(gateway("", status="{ip: 9.9.9.1}"), networks=networks(declared.replace("HOST", host)))
    mesh.add(gateway("", status="{ip: 9.9.9.2}"), cluster="east")
    assert found(mesh) == [("n1", "Kubernetes", "9.9.9.1", 443), ("n2", "east", "9.9.9.2", 443)]
    mesh.add(gateway(status="{ip: 9.9.9.2}"), cluster="east")
    assert found(mesh)[1:] == [("n2", "east", "9.9.9.2", 15443)], "a label says more than MeshNetworks do"


OPTION = "{gateway.istio.io/listener-protocol: auto-passthrough}"


@pytest.mark.parametrize(
    ("labels", "listener", "expected"),
    [
        ("", "{name: a, port: 15443, protocol: TLS, tls: {mode: Passthrough}}", 15443),
        ("", "{name: a, port: 443, protocol: TLS, tls: {mode: Passthrough}}", None),
        (", networking.istio.io/gatewayPort: '443'", "{name: a, port: 443, protocol: TLS, tls: {}}", 443),
        (
            "",
            f"{{name: a, port: 443, protocol: TLS, tls: {{options: {OPTION}}}}}",
            443,
        ),
        ("", "{name: a, port: 15443, protocol: TCP}", None),
    ],
)
def test_a_labelled_gateway_of_the_gateway_api(labels: str, listener: str, expected: int | None) -> None:
    mesh = Mesh(f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: far, namespace: istio-system, labels: {{topology.istio.io/network: n2{labels}}}}}
spec:
  gatewayClassName: istio-remote
  addresses: [{{type: IPAddress, value: 9.9.9.1}}, {{type: Hostname, value: lb.test}}, {{type: Other, value: x}}]
  listeners: [{listener}]
""")
    addresses = ("9.9.9.1", "lb.test") if expected else ()
    assert found(mesh) == [("n2", "Kubernetes", address, expected) for address in addresses]


def test_gateways_of_the_endpoints_cluster_come_first() -> None:
    own, other = NetworkGateway("n", "east", "9.9.9.1", 1), NetworkGateway("n", "west", "9.9.9.2", 1)
    far = NetworkGateway("m", "east", "9.9.9.3", 1)
    assert gateways_into([own, other, far], "n", "east") == [own]
    assert gateways_into([own, other, far], "n", "north") == [own, other]
    assert gateways_into([own, other, far], "", "east") == []


@pytest.mark.parametrize(
    ("cluster", "address", "expected"),
    [
        ("east", "10.1.0.1", "by-cluster"),
        ("west", "10.1.0.1", "by-address"),
        ("west", "10.2.0.1", ""),
        ("west", "not-an-address", ""),
    ],
)
def test_networks_that_are_declared(cluster: str, address: str, expected: str) -> None:
    declared = networks("""
by-address: {endpoints: [{fromCidr: 10.1.0.0/16}, {fromCidr: broken}]}
by-cluster: {endpoints: [{fromRegistry: east}]}
""")
    assert declared_network(declared, cluster, address) == expected


def test_the_label_of_the_pod_wins_over_that_of_the_cluster_and_over_mesh_networks() -> None:
    declared = networks("n3: {endpoints: [{fromRegistry: Kubernetes}]}")
    mesh = Mesh(pod("web-1", "10.1.0.1"), networks=declared)

    def network() -> str:
        workload = pod_workload(mesh.db, pod_key("default", "web-1"))
        assert workload is not None
        return workload.network

    assert network() == "n3"
    mesh.add(ROOT % "n2")
    assert network() == "n2"
    mesh.add(pod("web-1", "10.1.0.1", labels={"topology.istio.io/network": "n1"}))
    assert network() == "n1"
