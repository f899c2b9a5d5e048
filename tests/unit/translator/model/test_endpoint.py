"""Endpoints: from slices, entries and workloads to the union of a service."""

import pytest

from tests.unit.translator.mesh_kit import Mesh, endpoint, endpoint_slice, entry, pod, service
from translator.model.endpoint import Health, service_accounts, service_endpoints

HOST = "web.default.svc.cluster.local"


def found(mesh: Mesh, host: str = HOST) -> list[tuple[str, int, str]]:
    """Address, port and port name of the endpoints of a service."""
    return [(each.address, each.port, each.port_name) for each in service_endpoints(mesh.db, "default", host)]


def workload_entry(spec: str, name: str = "vm", status: str = "", annotations: str = "{}") -> str:
    """A WorkloadEntry."""
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: default, annotations: {annotations}}}
spec: {spec}
{status}
"""


def test_every_address_and_port_of_a_slice() -> None:
    text = endpoint_slice("s", {"addresses": ["10.0.0.1", "10.0.0.2"]}).replace(
        "ports:\n- name: http\n  port: 8080", "ports:\n- name: http\n  port: 8080\n- {name: admin, port: 9090}\n- {}"
    )
    assert found(Mesh(service(), text)) == [
        (address, port, name)
        for address in ("10.0.0.1", "10.0.0.2")
        for port, name in ((8080, "http"), (9090, "admin"), (0, ""))
    ]


@pytest.mark.parametrize(
    "change",
    [
        ("kubernetes.io/service-name: web", "other: web"),
        (
            "kubernetes.io/service-name: web",
            "kubernetes.io/service-name: web\n    multicluster.kubernetes.io/service-name: x",
        ),
        ("addressType: IPv4", "addressType: FQDN"),
    ],
)
def test_slices_that_are_not_read(change: tuple[str, str]) -> None:
    text = endpoint_slice("s", endpoint("10.0.0.1"))
    assert change[0] in text
    assert found(Mesh(service(), text.replace(*change))) == []


def test_slices_without_their_service() -> None:
    mesh = Mesh(endpoint_slice("s", endpoint("10.0.0.1")))
    assert found(mesh) == []
    mesh.add(service())
    assert found(mesh) == [("10.0.0.1", 8080, "http")]


def test_a_pod_is_found_by_its_address_where_nothing_refers_to_it() -> None:
    mesh = Mesh(service(), pod("web-1", "10.0.0.1"), endpoint_slice("s", endpoint("10.0.0.1"), endpoint("10.0.0.2")))
    known, unknown = service_endpoints(mesh.db, "default", HOST)
    assert known.workload.name == "web-1"
    assert unknown.workload.name == ""


def test_accounts_change_less_often_than_endpoints() -> None:
    mesh = Mesh(
        service(), pod("web-1", "10.0.0.1", serviceAccountName="b"), pod("web-2", "10.0.0.2", serviceAccountName="a")
    )
    both = endpoint_slice("s", endpoint("10.0.0.1", "web-1"), endpoint("10.0.0.2", "web-2"))
    mesh.add(both)
    assert service_accounts(mesh.db, "default", HOST) == tuple(
        f"spiffe://cluster.local/ns/default/sa/{name}" for name in "ab"
    )


def test_endpoints_of_entries() -> None:
    text = """
{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http}, {number: 81, name: admin, targetPort: 8081}],
 endpoints: [{address: 1.1.1.1, ports: {http: 8080}, weight: 2}, {address: "unix:///a"}, {network: n}]}
"""
    mesh = Mesh(entry(text))
    assert found(mesh, "a.com") == [
        ("1.1.1.1", 8080, "http"),
        ("1.1.1.1", 8081, "admin"),
        ("/a", 0, "http"),
        ("/a", 0, "admin"),
        ("", 80, "http"),
        ("", 8081, "admin"),
    ]
    first, *_, socket, _, nowhere = service_endpoints(mesh.db, "default", "a.com")
    assert (first.weight, first.health, first.workload.name) == (2, Health.UNKNOWN, "entry-0")
    assert socket.is_unix
    assert not nowhere.has_name


def test_the_host_itself_is_resolved_where_nothing_is_listed() -> None:
    text = "{hosts: [a.com, b.com], resolution: DNS, ports: [{number: 80, name: http, targetPort: 8080}]}"
    mesh = Mesh(entry(text))
    assert found(mesh, "a.com") == [("a.com", 8080, "http")]
    assert found(mesh, "b.com") == [("b.com", 8080, "http")]
    assert found(Mesh(entry(text.replace("DNS", "STATIC"))), "a.com") == []


SELECTING = """
{hosts: [a.com], resolution: %s, workloadSelector: {labels: {app: a}},
 ports: [{number: 80, name: http, targetPort: 8080}]}
"""


def test_selected_pods_serve_at_the_container_port_of_that_name() -> None:
    named = [{"name": "c", "ports": [{"name": "http", "containerPort": 9999}]}]
    mesh = Mesh(
        entry(SELECTING % "STATIC"),
        pod("a-1", "10.0.0.1", labels={"app": "a"}),
        pod("a-2", "10.0.0.2", labels={"app": "a"}, containers=named),
        pod("b-1", "10.0.0.3", labels={"app": "b"}),
        pod("a-3", "10.0.0.4", labels={"app": "a"}).replace("Running", "Failed"),
        pod("a-4", "10.0.0.5", namespace="other", labels={"app": "a"}),
    )
    assert found(mesh, "a.com") == [("10.0.0.1", 8080, "http"), ("10.0.0.2", 9999, "http")]


@pytest.mark.parametrize(("resolution", "names"), [("STATIC", []), ("DNS", ["b.com"])])
def test_names_are_selected_for_dns_only(resolution: str, names: list[str]) -> None:
    mesh = Mesh(entry(SELECTING % resolution), workload_entry("{address: b.com, labels: {app: a}}"))
    assert [address for address, _, _ in found(mesh, "a.com")] == names


@pytest.mark.parametrize(
    ("status", "annotations", "expected"),
    [
        ("", "{}", True),
        ("", "{proxy.istio.io/health-checks-enabled: 'true'}", False),
        (
            "status: {conditions: [{type: Healthy, status: 'False'}]}",
            "{proxy.istio.io/health-checks-enabled: 'true'}",
            False,
        ),
        (
            "status: {conditions: [{type: Healthy, status: 'True'}]}",
            "{proxy.istio.io/health-checks-enabled: 'true'}",
            True,
        ),
        ("status: {conditions: [{type: Healthy, status: 'False'}]}", "{}", True),
    ],
)
def test_workloads_that_fail_their_health_checks(status: str, annotations: str, expected: bool) -> None:  # noqa: FBT001
    text = workload_entry("{address: 1.1.1.1, labels: {app: a}}", status=status, annotations=annotations)
    assert bool(found(Mesh(entry(SELECTING % "STATIC"), text), "a.com")) is expected


def test_entries_of_one_host_share_their_endpoints_oldest_first() -> None:
    text = "{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: %s}]}"
    mesh = Mesh(
        entry(text % "2.2.2.2", name="a", created="2026-02-01T00:00:00Z"),
        entry(text % "1.1.1.1", name="b"),
        entry(text % "3.3.3.3", name="c", namespace="other"),
    )
    assert found(mesh, "a.com") == [("1.1.1.1", 80, "http"), ("2.2.2.2", 80, "http")]


def test_an_entry_joins_the_kubernetes_service_of_its_host() -> None:
    ports, endpoints = "[{number: 80, name: http}]", "[{address: 1.1.1.1}]"
    text = f"{{hosts: [{HOST}], resolution: STATIC, ports: {ports}, endpoints: {endpoints}}}"
    mesh = Mesh(service(), endpoint_slice("s", endpoint("10.0.0.1")), entry(text))
    assert found(mesh) == [("10.0.0.1", 8080, "http"), ("1.1.1.1", 80, "http")]


def test_headless_services_select_no_workload_entries() -> None:
    text = workload_entry("{address: 1.1.1.1, labels: {app: web}}")
    assert found(Mesh(service(), text)) == [("1.1.1.1", 80, "http")]
    assert found(Mesh(service(clusterIP="None"), text)) == []
    assert found(Mesh(service(), text.replace("1.1.1.1", "a.com"))) == []
