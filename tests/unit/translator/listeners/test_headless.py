"""Outbound listeners of headless services: one for each endpoint, or one for all."""

from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    chains,
    external,
    host,
    kube_service,
    listeners,
    outbound_names,
    sharing,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice, pod, service


def test_case_09_a_headless_tcp_has_a_listener_for_each_endpoint_but_itself() -> None:
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 8080}", ip="None", selector={"app": "client"}),
        endpoint_slice("db-1", *(endpoint(f"10.9.9.{last}") for last in (7, 8, 9, 10)), service="db", port="tcp"),
        endpoint_slice("db-2", endpoint("10.9.9.7"), service="db", port="tcp"),
    )
    own = replace(SIDECAR, labels=(("app", "client"),))
    assert outbound_names(mesh, own) == ["10.9.9.10_8080", "10.9.9.7_8080", "10.9.9.8_8080"]
    assert [each["to"] for each in chains(listeners(mesh, own)["10.9.9.7_8080"])] == [f"outbound|8080||{host('db')}"]


def test_case_09_a_headless_tcp_has_a_chain_for_each_endpoint_if_the_mesh_says_so() -> None:
    mesh = sharing(
        kube_service("db", "{name: tcp, port: 8080}", ip="None", selector={"app": "client"}),
        endpoint_slice("db", *(endpoint(f"10.9.9.{last}") for last in (7, 8, 9, 10)), service="db", port="tcp"),
    )
    own = replace(SIDECAR, labels=(("app", "client"),))
    assert outbound_names(mesh, own) == ["0.0.0.0_8080"]
    listener = listeners(mesh, own)["0.0.0.0_8080"]
    assert [(each["prefixes"], each["to"]) for each in chains(listener)] == [
        *(([f"10.9.9.{last}/32"], f"outbound|8080||{host('db')}") for last in (10, 7, 8)),
        ([], "PassthroughCluster"),
    ]
    assert not listener.listener_filters


def test_headless_ports_that_are_detected_or_whose_number_others_have_do_not_share() -> None:
    slices = [endpoint_slice(name, endpoint("10.9.9.7"), service=name, port=name) for name in ("auto", "tcp")]
    mesh = sharing(
        kube_service("auto", "{name: auto, port: 9000}", ip="None"),
        kube_service("tcp", "{name: tcp, port: 8080}", ip="None"),
        kube_service("web", "{name: http, port: 8080}"),
        *slices,
    )
    assert outbound_names(mesh) == ["0.0.0.0_8080", "10.9.9.7_8080", "10.9.9.7_9000"]


def test_headless_tcp_has_no_listener_for_what_cannot_be_dialled() -> None:
    near, far = ({"topology.istio.io/network": name} for name in ("n1", "n2"))
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 8080}", ip="None"),
        pod("db-1", "10.9.9.7", labels=near),
        pod("db-2", "10.9.9.8", labels=far),
        endpoint_slice("db", endpoint("10.9.9.7", "db-1"), endpoint("10.9.9.8", "db-2"), service="db", port="tcp"),
    )
    client = replace(SIDECAR, network="n1")
    assert outbound_names(mesh, client) == ["10.9.9.7_8080", "10.9.9.8_8080"]
    gateway = kube_service("gate", "{name: tls, port: 15443}", externalIPs=["9.9.9.9"])
    mesh.add(gateway.replace("metadata:", "metadata:\n  labels: {topology.istio.io/network: n2}", 1))
    assert [name for name in outbound_names(mesh, client) if name.endswith("_8080")] == ["10.9.9.7_8080"]


def test_headless_tcp_that_every_cluster_keeps_to_itself() -> None:
    mesh = Mesh()
    for cluster, address_ in (("", "10.9.9.7"), ("east", "10.9.9.8")):
        mesh.add(
            service("dns", namespace="kube-system", ports="{name: tcp, port: 53}", clusterIP="None"),
            endpoint_slice("dns", endpoint(address_), service="dns", namespace="kube-system", port="tcp"),
            cluster=cluster,
        )
    assert outbound_names(mesh) == ["10.9.9.7_53"]
    assert outbound_names(mesh, replace(SIDECAR, cluster_id="east")) == ["10.9.9.8_53"]


def test_case_09_b_headless_without_endpoints() -> None:
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 8080}", ip="None"),
        external("nowhere", "9090/TCP", resolution="NONE"),
        external("selected", "9091/TCP", resolution="NONE", workloadSelector="{labels: {app: x}}"),
    )
    assert outbound_names(mesh) == ["0.0.0.0_9090"]


def test_headless_services_that_share_endpoints_share_listeners() -> None:
    mesh = Mesh(
        kube_service("db", "{name: tcp, port: 8080}", ip="None", created="2024-01-01T00:00:00Z"),
        kube_service("db-all", "{name: tcp, port: 8080}", ip="None"),
        endpoint_slice("db-1", endpoint("10.9.0.1"), service="db", port="tcp"),
        endpoint_slice("db-2", endpoint("10.9.0.1"), endpoint("10.9.0.2"), service="db-all", port="tcp"),
    )
    found = listeners(mesh)
    assert [each["to"] for each in chains(found["10.9.0.1_8080"])] == [f"outbound|8080||{host('db')}"]
    assert [each["to"] for each in chains(found["10.9.0.2_8080"])] == [f"outbound|8080||{host('db-all')}"]
