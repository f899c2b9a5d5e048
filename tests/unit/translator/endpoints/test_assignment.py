"""Assignments: which endpoints a cluster gets, from discovery to the message."""

import msgspec
import pytest
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service
from translator.clusters.selection import outbound_clusters
from translator.decode import decode_record
from translator.endpoints.assignment import AssignmentInputs, assignment, build_assignment
from translator.endpoints.destination import Destination
from translator.endpoints.selection import unknown_assignment
from translator.model.endpoint import Endpoint
from translator.model.proxy import Proxy
from translator.model.workload import Workload
from translator.objects.mesh_config import MeshConfig
from xds.types import ENDPOINT

HOST = "web.default.svc.cluster.local"
WEB = f"outbound|80||{HOST}"
V1, V2 = f"outbound|80|v1|{HOST}", f"outbound|80|v2|{HOST}"
SUBSETS = rule("subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]")
NODES = "\n---\n".join(
    f"""
apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels: {{topology.kubernetes.io/region: {region}, topology.kubernetes.io/zone: {zone}}}
"""
    for name, region, zone in (("n1", "r1", "a"), ("n2", "r1", "b"), ("n3", "r2", "c"))
)


def on_nodes(**spec: object) -> Mesh:
    """A service with one pod on each of three nodes, in three zones of two regions."""
    mesh = Mesh(service(**spec), NODES)  # type: ignore[arg-type]
    for last in (1, 2, 3):
        mesh.add(pod(f"web-{last}", f"10.1.0.{last}", nodeName=f"n{last}"))
        mesh.add(endpoint_slice(f"s{last}", endpoint(f"10.1.0.{last}", f"web-{last}")))
    mesh.add(pod("client", "10.9.9.9", labels={"app": "client"}, nodeName="n1"))
    return mesh


def states(mesh: Mesh, name: str = WEB) -> dict[str, int]:
    """Addresses and health."""
    return {
        each.endpoint.address.socket_address.address: each.health_status
        for group in mesh.assignment(name).endpoints
        for each in group.lb_endpoints
    }


def test_case_01_ready_pods() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), pod("web-2", "10.1.0.2"))
    mesh.add(endpoint_slice("s", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2", "web-2", ready=True)))
    assert states(mesh) == {"10.1.0.1": HealthStatus.HEALTHY, "10.1.0.2": HealthStatus.HEALTHY}
    (group,) = mesh.assignment(WEB).endpoints
    assert group.load_balancing_weight.value == 2
    assert group.HasField("locality")
    assert {each.load_balancing_weight.value for each in group.lb_endpoints} == {1}
    assert {each.endpoint.address.socket_address.port_value for each in group.lb_endpoints} == {8080}


def test_case_04_an_address_in_two_slices() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"))
    one, two = (endpoint_slice(name, endpoint("10.1.0.1", "web-1")) for name in ("s1", "s2"))
    mesh.add(one, two)
    assert mesh.addresses(WEB) == ["10.1.0.1"]
    mesh.remove(one)
    assert mesh.addresses(WEB) == ["10.1.0.1"]


def test_case_05_a_slice_before_its_pod() -> None:
    mesh = Mesh(service(), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    assert mesh.addresses(WEB) == []
    mesh.add(pod("web-1", "10.1.0.1"))
    assert mesh.addresses(WEB) == ["10.1.0.1"]
    mesh.add(endpoint_slice("s"))
    assert mesh.addresses(WEB) == []


def test_case_06_endpoints_written_by_hand() -> None:
    mesh = Mesh(service(selector={}), endpoint_slice("s", endpoint("192.0.2.1")))
    assert mesh.addresses(WEB) == ["192.0.2.1"]


PERSISTENT = service().replace("name: web\n", "name: web\n  labels: {istio.io/persistent-session: cookie}\n", 1)


@pytest.mark.parametrize(
    ("text", "conditions", "expected"),
    [
        (service(), {"ready": True}, HealthStatus.HEALTHY),
        (service(), {}, HealthStatus.HEALTHY),
        (service(), {"ready": False, "terminating": False}, HealthStatus.UNHEALTHY),
        (service(), {"ready": False}, None),
        (service(), {"ready": False, "terminating": True, "serving": True}, None),
        (PERSISTENT, {"ready": False, "terminating": True, "serving": True}, HealthStatus.DRAINING),
        (PERSISTENT, {"ready": False, "terminating": True, "serving": False}, None),
    ],
)
def test_case_07_and_08_health(text: str, conditions: dict[str, bool], expected: int | None) -> None:
    mesh = Mesh(text, pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1", **conditions)))
    assert states(mesh) == ({} if expected is None else {"10.1.0.1": expected})


def test_case_08_a_panic_threshold_withholds_what_is_not_ready() -> None:
    unready = endpoint_slice("s", endpoint("10.1.0.1", "web-1", ready=False, terminating=False))
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), unready)
    mesh.add(rule("trafficPolicy: {outlierDetection: {minHealthPercent: 30}}"))
    assert states(mesh) == {}
    mesh.add(service(trafficDistribution="PreferClose"))
    assert states(mesh) == {"10.1.0.1": HealthStatus.UNHEALTHY}


def test_a_label_marks_a_workload_as_draining() -> None:
    marked = pod("web-1", "10.1.0.1", labels={"app": "web", "istio.io/draining": "true"})
    slices = endpoint_slice("s", endpoint("10.1.0.1", "web-1"))
    assert states(Mesh(service(), marked, slices)) == {}
    assert states(Mesh(PERSISTENT, marked, slices)) == {"10.1.0.1": HealthStatus.DRAINING}


def test_case_09_a_pod_changes_its_subset() -> None:
    mesh = Mesh(service(), SUBSETS, pod("web-1", "10.1.0.1", labels={"version": "v1"}))
    mesh.add(endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    assert (mesh.addresses(V1), mesh.addresses(V2)) == (["10.1.0.1"], [])
    clusters = mesh.clusters()
    mesh.add(pod("web-1", "10.1.0.1", labels={"version": "v2"}))
    assert (mesh.addresses(V1), mesh.addresses(V2)) == ([], ["10.1.0.1"])
    assert mesh.clusters() == clusters


def test_case_10_an_address_moves_to_another_workload() -> None:
    mesh = Mesh(service(), service("api"), SUBSETS, pod("web-1", "10.1.0.1", labels={"version": "v1"}))
    mesh.add(endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    mesh.remove(pod("web-1", "10.1.0.1"))
    assert mesh.addresses(V1) == []
    mesh.add(pod("api-1", "10.1.0.1", labels={"app": "api", "version": "v1"}))
    mesh.add(endpoint_slice("api", endpoint("10.1.0.1", "api-1"), service="api"))
    assert (mesh.addresses(WEB), mesh.addresses(V1)) == ([], [])
    assert mesh.addresses("outbound|80||api.default.svc.cluster.local") == ["10.1.0.1"]


def test_case_11_pods_that_share_the_address_of_their_node() -> None:
    mesh = Mesh(service(), SUBSETS)
    for version, port in (("v1", 1001), ("v2", 1002)):
        mesh.add(pod(f"web-{version}", "10.0.0.1", labels={"version": version}, hostNetwork=True))
        text = endpoint_slice(version, endpoint("10.0.0.1", f"web-{version}"))
        mesh.add(text.replace("8080", str(port)))
    ports = [
        mesh.assignment(name).endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value
        for name in (V1, V2)
    ]
    assert ports == [1001, 1002]


def test_case_12_scaling_to_nothing_and_back_touches_no_cluster() -> None:
    slices = endpoint_slice("s", endpoint("10.1.0.1", "web-1"))
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), slices)
    clusters, before = mesh.clusters(), mesh.assignments()
    mesh.add(endpoint_slice("s"))
    assert mesh.assignments() != before
    assert mesh.addresses(WEB) == []
    mesh.add(slices)
    assert mesh.assignments() == before
    assert mesh.clusters() == clusters


def test_case_14_node_local_services() -> None:
    mesh = on_nodes(internalTrafficPolicy="Local")
    assert mesh.addresses(WEB) == ["10.1.0.1"]
    assert mesh.addresses(WEB, msgspec.structs.replace(SIDECAR, name="web-3", addresses=("10.1.0.3",))) == ["10.1.0.3"]


@pytest.mark.parametrize("wish", ["PreferClose", "PreferSameZone"])
def test_case_15_services_that_wish_for_near_endpoints(wish: str) -> None:
    mesh = on_nodes(trafficDistribution=wish)
    assert mesh.groups(WEB) == [
        ("r1/a", 0, 1, ["10.1.0.1"]),
        ("r1/b", 1, 1, ["10.1.0.2"]),
        ("r2/c", 2, 1, ["10.1.0.3"]),
    ]


def test_services_that_wish_for_their_own_node() -> None:
    mesh = on_nodes(trafficDistribution="PreferSameNode")
    mesh.add(pod("web-4", "10.1.0.4", nodeName="n4"), endpoint_slice("s4", endpoint("10.1.0.4", "web-4")))
    mesh.add(NODES.replace("name: n1", "name: n4").partition("---")[0])
    assert mesh.groups(WEB)[:2] == [("r1/a", 0, 1, ["10.1.0.1"]), ("r1/a", 1, 1, ["10.1.0.4"])]


def test_outlier_detection_turns_on_failover() -> None:
    mesh = on_nodes()
    assert [group[1] for group in mesh.groups(WEB)] == [0, 0, 0]
    mesh.add(rule("trafficPolicy: {outlierDetection: {}}"))
    assert [group[1] for group in mesh.groups(WEB)] == [0, 1, 2]


def test_failover_by_a_label_of_the_client() -> None:
    mesh = on_nodes()
    mesh.add(
        rule("""
trafficPolicy:
  outlierDetection: {}
  loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone, track]}}
""")
    )
    mesh.add(pod("web-2", "10.1.0.2", labels={"app": "web", "track": "x"}, nodeName="n1"))
    mesh.add(pod("client", "10.9.9.9", labels={"app": "client", "track": "x"}, nodeName="n1"))
    assert mesh.groups(WEB) == [
        ("r1/a", 0, 1, ["10.1.0.2"]),
        ("r1/a", 1, 1, ["10.1.0.1"]),
        ("r2/c", 2, 1, ["10.1.0.3"]),
    ]


def test_failover_by_a_label_that_the_mesh_names() -> None:
    settings, _ = decode_record({"localityLbSetting": {"failoverPriority": ["track"]}}, MeshConfig)
    mesh = Mesh(service(), rule("trafficPolicy: {outlierDetection: {}}"), mesh=settings)
    for last, track in ((1, "x"), (2, "y")):
        mesh.add(pod(f"web-{last}", f"10.1.0.{last}", labels={"track": track}))
        mesh.add(endpoint_slice(f"s{last}", endpoint(f"10.1.0.{last}", f"web-{last}")))
    for track, nearest in (("x", "10.1.0.1"), ("y", "10.1.0.2")):
        client = msgspec.structs.replace(SIDECAR, labels=(("track", track),))
        first, _ = mesh.groups(WEB, client)
        assert (first[1], first[3]) == (0, [nearest])


def test_distribution_reaches_the_message() -> None:
    mesh = on_nodes()
    mesh.add(
        rule("trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: r1/a, to: {r1/a: 80, r2: 20}}]}}}")
    )
    assert mesh.groups(WEB) == [("r1/a", 0, 80, ["10.1.0.1"]), ("r2/c", 0, 20, ["10.1.0.3"])]


def test_proxies_share_assignments_where_their_place_does_not_matter() -> None:
    mesh = on_nodes()
    mesh.add(service("near", trafficDistribution="PreferClose"))
    other = msgspec.structs.replace(SIDECAR, name="web-3", addresses=("10.1.0.3",))

    def destinations(proxy: Proxy) -> dict[str, Destination]:
        return {each.name: each.key.destination for each in outbound_clusters(mesh.db, mesh.view(proxy))}

    mine, theirs = destinations(SIDECAR), destinations(other)
    assert mine[WEB] == theirs[WEB]
    near = "outbound|80||near.default.svc.cluster.local"
    assert mine[near] != theirs[near]


def test_case_37_a_static_entry_selects_pods_and_workload_entries() -> None:
    text = """
{hosts: [a.com], location: MESH_INTERNAL, resolution: STATIC, workloadSelector: {labels: {app: a}},
 ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]}
"""
    workload = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: default}
spec: {address: 192.0.2.7, labels: {app: a}, weight: 3, ports: {http: 9090}}
"""
    mesh = Mesh(entry(text), workload, pod("a-1", "10.1.0.1", labels={"app": "a"}))
    (group,) = mesh.assignment("outbound|80||a.com").endpoints
    assert [
        (
            each.endpoint.address.socket_address.address,
            each.endpoint.address.socket_address.port_value,
            each.load_balancing_weight.value,
            each.health_status,
        )
        for each in group.lb_endpoints
    ] == [("10.1.0.1", 8080, 1, HealthStatus.HEALTHY), ("192.0.2.7", 9090, 3, HealthStatus.UNKNOWN)]
    assert group.load_balancing_weight.value == 4


@pytest.mark.parametrize(
    ("target", "ports", "expected"),
    [("8080", "{}", 8080), ("8080", "{http: 9}", 9), ("main", "{main: 7}", 7), ("main", "{}", None)],
)
def test_case_38_a_service_selects_workload_entries(target: str, ports: str, expected: int | None) -> None:
    workload = f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: vm, namespace: default}}
spec: {{address: 192.0.2.7, labels: {{app: web}}, ports: {ports}}}
"""
    mesh = Mesh(service(ports=f"{{name: http, port: 80, targetPort: {target}}}"), workload)
    found = [
        each.endpoint.address.socket_address.port_value
        for group in mesh.assignment(WEB).endpoints
        for each in group.lb_endpoints
    ]
    assert found == ([] if expected is None else [expected])


def test_case_47_sockets_and_names() -> None:
    text = """
{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: %s}]}
"""
    assert Mesh(entry(text % "unix:///a.sock")).addresses("outbound|80||a.com") == ["/a.sock"]
    assert Mesh(entry(text % "b.com")).addresses("outbound|80||a.com") == []


def test_ports_are_joined_by_name() -> None:
    mesh = Mesh(service(ports="{name: http, port: 80}, {name: admin, port: 81}"), pod("web-1", "10.1.0.1"))
    mesh.add(endpoint_slice("s", endpoint("10.1.0.1", "web-1"), port="admin"))
    assert mesh.addresses(WEB) == []
    assert mesh.addresses(f"outbound|81||{HOST}") == ["10.1.0.1"]


def test_headless_services_have_assignments_where_they_are_dialled() -> None:
    mesh = Mesh(service(clusterIP="None"), pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    assert mesh.addresses(WEB, GATEWAY) == ["10.1.0.1"]


@pytest.mark.parametrize("changes", [{"hostname": "unknown"}, {"port": 81}, {"subset": "unknown"}])
def test_what_is_unknown_has_no_endpoints(changes: dict[str, object]) -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    known = Destination(namespace="default", hostname=HOST, port=80, client_namespace="default")
    assert len(assignment(mesh.db, known).body) > len(WEB) + 2
    found = assignment(mesh.db, msgspec.structs.replace(known, **changes))
    assert found.body == unknown_assignment(found.name).body


@given(
    address=st.from_regex(r"(/[a-z/]{0,300}|[0-9.:~]{1,140}|[^/\x00]{1,20})", fullmatch=True),
    port=st.integers(0, 65535),
    weight=st.sampled_from([0, 1, 0x10000, 2**32 - 1]),
    tls_mode=st.sampled_from(["", "istio"]),
)
def test_an_endpoint_is_what_protobuf_reads(address: str, port: int, weight: int, tls_mode: str) -> None:
    workload = Workload(name="", namespace="", labels={})
    found = Endpoint(address, port, "http", workload, weight=weight, tls_mode=tls_mode)
    message = build_assignment(AssignmentInputs(name=WEB, endpoints=(found,)))
    (read,) = message.endpoints[0].lb_endpoints
    assert read.load_balancing_weight.value == (weight or 1)
    if address.startswith("/"):
        assert read.endpoint.address.pipe.path == address
    else:
        assert read.endpoint.address.socket_address.address == address
        assert read.endpoint.address.socket_address.port_value == port
    assert bool(read.metadata.filter_metadata) == bool(tls_mode)


def test_the_answer_for_unknown_clusters() -> None:
    found = unknown_assignment("outbound|1||gone")
    assert (found.type_url, found.name) == (ENDPOINT, "outbound|1||gone")
    assert found.body == b"\n\x10outbound|1||gone"


def test_case_46_in_a_single_cluster_services_that_are_local_to_it_keep_their_endpoints() -> None:
    local = msgspec.convert(
        {"serviceSettings": [{"settings": {"clusterLocal": True}, "hosts": ["*.default.svc.cluster.local"]}]},
        MeshConfig,
    )
    texts = (service(), endpoint_slice("web", endpoint("10.1.0.1")))
    assert Mesh(*texts, mesh=local).assignments() == Mesh(*texts).assignments()
    assert Mesh(*texts, mesh=local).addresses(WEB) == ["10.1.0.1"]
