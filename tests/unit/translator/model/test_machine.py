"""What the proxy of a machine outside of Kubernetes serves."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, entry, service
from translator.model.proxy import service_targets

MACHINE = msgspec.structs.replace(SIDECAR, name="vm", addresses=("10.8.0.1",))
SELECTING = """
{hosts: [legacy.com], resolution: STATIC, workloadSelector: {labels: {app: legacy}},
 ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: tcp, protocol: TCP, targetPort: 8081}]}
"""


def workload_entry(name: str, ports: str = "{}", address: str = "10.8.0.1", labels: str = "{app: legacy}") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: default}}
spec: {{address: {address}, labels: {labels}, ports: {ports}}}
"""


def targets(mesh: Mesh) -> list[tuple[str, int, int]]:
    return [(each.hostname, each.port.number, each.target_port) for each in service_targets(mesh.db, MACHINE)]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("{}", [("legacy.com", 80, 80), ("legacy.com", 81, 8081)]),
        ("{http: 9080}", [("legacy.com", 80, 9080), ("legacy.com", 81, 8081)]),
    ],
)
def test_service_entries_that_select_it(ports: str, expected: list[tuple[str, int, int]]) -> None:
    assert targets(Mesh(entry(SELECTING), workload_entry("vm", ports))) == expected


def test_kubernetes_services_that_select_it() -> None:
    legacy = service("legacy", ports="{name: http, port: 80, targetPort: web}, {name: x, port: 81, targetPort: none}")
    mesh = Mesh(legacy, workload_entry("vm", "{web: 9090}"))
    assert targets(mesh) == [("legacy.default.svc.cluster.local", 80, 9090)]


def test_the_entry_of_the_proxys_name_counts_where_several_share_an_address() -> None:
    mesh = Mesh(entry(SELECTING), workload_entry("a", "{http: 1}"), workload_entry("vm", "{http: 2}"))
    assert targets(mesh)[0] == ("legacy.com", 80, 2)
    mesh.remove(workload_entry("vm"))
    assert targets(mesh)[0] == ("legacy.com", 80, 1)


def test_without_an_entry_or_a_service_for_it_nothing_is_served() -> None:
    assert targets(Mesh(entry(SELECTING))) == []
    assert targets(Mesh(entry(SELECTING), workload_entry("vm", address="10.8.0.2"))) == []
    assert targets(Mesh(entry(SELECTING), workload_entry("vm", labels="{app: other}"))) == []


def test_it_gets_inbound_clusters_for_them() -> None:
    mesh = Mesh(entry(SELECTING), workload_entry("vm", "{http: 9080}"))
    found = {name for name in mesh.clusters(MACHINE) if name.startswith("inbound|")}
    assert found == {"inbound|9080||", "inbound|8081||"}
