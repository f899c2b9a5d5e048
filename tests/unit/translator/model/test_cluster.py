"""Several Kubernetes clusters in one mesh."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service
from translator.model.cluster import home_cluster, is_cluster_local
from translator.model.proxy import Proxy, service_targets, view_key
from translator.model.scope import egress_scopes, scope_key, scope_service
from translator.model.service import service as mesh_service
from translator.objects.mesh_config import MeshConfig

HOST = "web.default.svc.cluster.local"
WEB = f"outbound|80||{HOST}"
EAST = msgspec.structs.replace(SIDECAR, cluster_id="east")
PRIMARY = msgspec.structs.replace(SIDECAR, cluster_id="Kubernetes")


def shop(ip: str, virtual_ip: str = "10.0.0.1") -> tuple[str, ...]:
    """A service of a cluster with one pod."""
    return service(clusterIP=virtual_ip), pod("web-1", ip), endpoint_slice("web-a", endpoint(ip, "web-1"))


def both(mesh: MeshConfig | None = None) -> Mesh:
    """The same service in the primary cluster and in the cluster east."""
    found = Mesh(*shop("10.1.0.1"), mesh=mesh)
    found.add(*shop("10.2.0.1", "10.0.2.1"), cluster="east")
    return found


def settings(**fields: object) -> MeshConfig:
    return msgspec.convert(fields, MeshConfig)


def test_case_46_endpoints_of_all_clusters_are_merged() -> None:
    mesh = both()
    assert mesh.addresses(WEB, PRIMARY) == mesh.addresses(WEB, EAST) == ["10.1.0.1", "10.2.0.1"]


def test_case_46_only_a_clusters_own_endpoints_where_it_keeps_the_host_to_itself() -> None:
    mesh = both(
        settings(serviceSettings=[{"settings": {"clusterLocal": True}, "hosts": ["*.default.svc.cluster.local"]}])
    )
    assert mesh.addresses(WEB, PRIMARY) == ["10.1.0.1"]
    assert mesh.addresses(WEB, EAST) == ["10.2.0.1"]


def test_case_46_a_cluster_that_goes_takes_its_endpoints_with_it_and_nothing_else_changes() -> None:
    mesh = both()
    before = mesh.clusters(PRIMARY)
    mesh.remove(*shop("10.2.0.1"), cluster="east")
    assert mesh.addresses(WEB, PRIMARY) == ["10.1.0.1"]
    assert mesh.clusters(PRIMARY) == before


def test_workloads_carry_their_cluster() -> None:
    mesh = both()
    mesh.add(rule("subsets: [{name: there, labels: {topology.istio.io/cluster: east}}]"))
    assert mesh.addresses(f"outbound|80|there|{HOST}", PRIMARY) == ["10.2.0.1"]


def test_the_primary_cluster_decides_what_a_service_is() -> None:
    mesh = Mesh(*shop("10.1.0.1"))
    mesh.add(service(ports="{name: http, port: 81}"), cluster="east")
    found = mesh_service(mesh.db, "default", HOST)
    assert found is not None
    assert [port.number for port in found.ports] == [80]
    assert found.source.cluster == ""


def test_a_service_of_one_cluster_only_is_there_for_all() -> None:
    mesh = Mesh()
    mesh.add(*shop("10.2.0.1"), cluster="east")
    assert mesh.addresses(WEB, PRIMARY) == ["10.2.0.1"]


def test_every_cluster_adds_the_identities_that_it_allows() -> None:
    def annotated(accounts: str) -> str:
        return service().replace(
            "metadata:", f"metadata:\n  annotations: {{alpha.istio.io/canonical-serviceaccounts: '{accounts}'}}"
        )

    mesh = Mesh(annotated("a, b"))
    mesh.add(annotated("b, c"), cluster="east")
    found = mesh_service(mesh.db, "default", HOST)
    assert found is not None
    assert found.subject_alt_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("proxy", "expected"), [(PRIMARY, ("10.0.0.1",)), (EAST, ("10.0.2.1",))], ids=["primary", "east"]
)
def test_clients_dial_the_address_that_their_own_cluster_gives(proxy: Proxy, expected: tuple[str, ...]) -> None:
    mesh = both()
    key = scope_key(mesh.db, view_key(mesh.db, proxy))
    (scope,) = egress_scopes(mesh.db, key)
    assert [each.addresses for each in scope.services] == [expected]
    alone = scope_service(mesh.db, key, 0, HOST)
    assert alone is not None
    assert alone.addresses == expected


def test_a_workload_serves_what_its_own_cluster_says() -> None:
    mesh = Mesh(service(ports="{name: http, port: 80, targetPort: 8080}"), pod("web-1", "10.1.0.1"))
    mesh.add(service(ports="{name: http, port: 80, targetPort: 9090}"), pod("web-1", "10.2.0.1"), cluster="east")
    own = [
        [target.target_port for target in service_targets(mesh.db, msgspec.structs.replace(each, name="web-1"))]
        for each in (PRIMARY, EAST)
    ]
    assert own == [[8080], [9090]]


MACHINE = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: machine, namespace: default}
spec: {address: %s, labels: {app: web}, serviceAccount: web}
"""


def test_a_service_selects_the_machines_of_its_own_cluster() -> None:
    mesh = both()
    mesh.add(MACHINE % "10.3.0.1")
    mesh.add(MACHINE % "10.4.0.1", cluster="east")
    assert mesh.addresses(WEB, PRIMARY) == ["10.1.0.1", "10.3.0.1", "10.2.0.1", "10.4.0.1"]
    mesh.add(rule("subsets: [{name: there, labels: {topology.istio.io/cluster: east}}]"))
    assert mesh.addresses(f"outbound|80|there|{HOST}", PRIMARY) == ["10.2.0.1", "10.4.0.1"]
    # Another selector in one of the clusters is no matter of the other.
    mesh.add(service(selector={"app": "none"}), cluster="east")
    assert mesh.addresses(WEB, PRIMARY) == ["10.1.0.1", "10.3.0.1", "10.2.0.1"]


def test_a_service_entry_selects_the_machines_of_all_clusters() -> None:
    selecting = "workloadSelector: {labels: {app: web}}, resolution: STATIC"
    mesh = Mesh(entry(f"{{hosts: [vm.test], ports: [{{number: 80, name: http}}], {selecting}}}"), MACHINE % "10.3.0.1")
    mesh.add(MACHINE % "10.4.0.1", cluster="east")
    assert mesh.addresses("outbound|80||vm.test") == ["10.3.0.1", "10.4.0.1"]
    mesh.remove(MACHINE % "10.4.0.1", cluster="east")
    assert mesh.addresses("outbound|80||vm.test") == ["10.3.0.1"]


def test_a_machine_serves_what_selects_it_in_its_own_cluster() -> None:
    mesh = Mesh(service(ports="{name: http, port: 80, targetPort: 8080}"))
    mesh.add(service(ports="{name: http, port: 80, targetPort: 9090}"), MACHINE % "10.4.0.1", cluster="east")
    own = [
        [target.target_port for target in service_targets(mesh.db, msgspec.structs.replace(each, **changes))]
        for each in (PRIMARY, EAST)
        for changes in [{"name": "machine", "addresses": ("10.4.0.1",)}]
    ]
    assert own == [[], [9090]]


def test_pods_of_one_name_and_address_in_two_clusters_are_two() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1", labels={"app": "web", "version": "v1"}))
    mesh.add(service(), pod("web-1", "10.1.0.1", labels={"app": "web", "version": "v2"}), cluster="east")
    mesh.add(endpoint_slice("web-a", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2")), cluster="east")
    mesh.add(rule("subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"))
    assert mesh.addresses(f"outbound|80|v1|{HOST}") == []
    assert mesh.addresses(f"outbound|80|v2|{HOST}") == ["10.1.0.1"]
    assert mesh.addresses(WEB) == ["10.1.0.1", "10.1.0.2"]


def test_configuration_is_that_of_the_primary_cluster() -> None:
    mesh = Mesh(*shop("10.1.0.1"))
    mesh.add(rule("subsets: [{name: v1}]"), entry("{hosts: [a.test], ports: [{number: 1, name: a}]}"), cluster="east")
    assert [name for name in mesh.clusters() if name.startswith("outbound|")] == [WEB]


def test_a_proxy_of_a_cluster_that_is_not_known_counts_as_one_of_the_primary() -> None:
    mesh = both()
    assert [home_cluster(mesh.db, name) for name in ("east", "Kubernetes", "west", "")] == ["east", "", "", ""]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("dns.kube-system.svc.cluster.local", True),
        ("kubernetes.default.svc.cluster.local", True),
        ("fairlead.mesh.svc.cluster.local", True),
        ("open.kube-system.svc.cluster.local", False),
        ("web.shop.svc.cluster.local", True),
        ("api.shop.svc.cluster.local", False),
        ("web.default.svc.cluster.local", False),
    ],
)
def test_hosts_that_every_cluster_keeps_to_itself(host: str, *, expected: bool) -> None:
    mesh = Mesh(
        mesh=settings(
            defaultConfig={"discoveryAddress": "fairlead.mesh.svc:15012"},
            serviceSettings=[
                {"settings": {"clusterLocal": True}, "hosts": ["*.shop.svc.cluster.local"]},
                {"settings": {"clusterLocal": False}, "hosts": ["api.shop.svc.cluster.local"]},
                {"hosts": ["open.kube-system.svc.cluster.local"]},
            ],
        )
    )
    assert is_cluster_local(mesh.db, host) is expected


def test_namespaces_of_two_clusters_are_selected_apart() -> None:
    labelled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {mesh: 'yes'}}\n"
    mesh = Mesh(mesh=settings(discoverySelectors=[{"matchLabels": {"mesh": "yes"}}]))
    mesh.add(*shop("10.1.0.1"), labelled)
    mesh.add(*shop("10.2.0.1"), cluster="east")
    assert mesh.addresses(WEB) == ["10.1.0.1"]
    mesh.add(labelled, cluster="east")
    assert mesh.addresses(WEB) == ["10.1.0.1", "10.2.0.1"]
