"""What a Node says of a proxy, which service ports its workload serves, and which View it belongs to."""

import pytest
from envoy.config.core.v3 import base_pb2
from msgspec.structs import replace

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, pod, rule, service
from tests.unit.translator.model.test_gateway import HTTP, gw
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, NodeError, Proxy, Role, ViewKey, parse_node, service_targets
from translator.objects.duration import Duration

ID = "sidecar~10.0.0.9~web-1.default~default.svc.cluster.local"
ENTRY = (
    "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x, namespace: {namespace}}}\nspec: {spec}\n"
)


def parsed(node_id: str = ID, **metadata: object) -> Proxy:
    """The proxy of a Node."""
    node = base_pb2.Node(id=node_id)
    node.metadata.update(metadata)  # type: ignore[arg-type]
    return parse_node(node)


def view(mesh: Mesh, proxy: Proxy = SIDECAR) -> ViewKey:
    """The View of a proxy."""
    return mesh.view(proxy)


def test_what_the_id_says() -> None:
    found = parsed()
    assert (found.role, found.name, found.namespace) == (Role.SIDECAR, "web-1", "default")
    assert (found.addresses, found.dns_domain) == (("10.0.0.9",), "default.svc.cluster.local")
    assert found.id == "web-1.default"
    assert parsed(ID.replace("sidecar", "router")).role is Role.GATEWAY


@pytest.mark.parametrize(
    ("node_id", "reason"),
    [
        ("web", "form"),
        ("sidecar~10.0.0.9~web-1.default", "form"),
        ("sidecar~10.0.0.9~web-1.default~domain~more", "form"),
        ("waypoint~10.0.0.9~web-1.default~default.svc.cluster.local", "unsupported type"),
        ("sidecar~nowhere~web-1.default~default.svc.cluster.local", "no valid IP"),
        ("sidecar~10.0.0.9~~", "no workload"),
    ],
)
def test_nodes_that_cannot_be_served(node_id: str, reason: str) -> None:
    with pytest.raises(NodeError, match=reason):
        parsed(node_id)


def test_what_the_metadata_says() -> None:
    found = parsed(
        NAMESPACE="other",
        INSTANCE_IPS="10.0.0.1, fd00::1",
        CLUSTER_ID="c",
        NETWORK="n",
        LABELS={"b": "2", "a": "1"},
        INTERCEPTION_MODE="none",
        POD_PORTS='[{"name": "http", "containerPort": 8080, "protocol": "TCP"}]',
        ENVOY_STATUS_PORT="15021",
        ENVOY_PROMETHEUS_PORT=15090,
        UNPRIVILEGED_POD="true",
        HTTP10="1",
        IDLE_TIMEOUT="1m30s",
        OUTBOUND_LISTENER_EXACT_BALANCE="true",
        INBOUND_LISTENER_EXACT_BALANCE="1",
        HTTP_PROXY_PORT="15080",
    )
    assert found.namespace == "other"
    assert found.addresses == ("10.0.0.1", "fd00::1")
    assert (found.cluster_id, found.network) == ("c", "n")
    assert found.labels == (("a", "1"), ("b", "2"))
    assert found.capture is Capture.NONE
    assert found.pod_ports == (("http", "TCP", 8080),)
    assert found.reserved_ports == (15021, 15090)
    assert found.unprivileged
    assert found.http10
    assert found.idle_timeout == Duration.of(seconds=90)
    assert found.balances_outbound
    assert found.balances_inbound
    assert found.http_proxy_port == 15080


def test_a_time_that_cannot_be_read_is_none() -> None:
    assert parsed(IDLE_TIMEOUT="soon").idle_timeout is None


@pytest.mark.parametrize(
    ("text", "capture"),
    [("", Capture.REDIRECT), ("REDIRECT", Capture.REDIRECT), ("tproxy", Capture.TPROXY), ("odd", Capture.REDIRECT)],
)
def test_interception_modes(text: str, capture: Capture) -> None:
    assert parsed(INTERCEPTION_MODE=text).capture is capture


@pytest.mark.parametrize("text", ["not json", "{}", '[{"containerPort": "x"}]'])
def test_unreadable_ports_lose_only_named_target_ports(text: str) -> None:
    assert parsed(POD_PORTS=text).pod_ports == ()


def test_locality() -> None:
    node = base_pb2.Node(id=ID, locality=base_pb2.Locality(region="r", zone="z"))
    assert parse_node(node).locality == "r/z/"
    assert parsed().locality == ""


@pytest.mark.parametrize(
    ("addresses", "families"),
    [
        (("10.0.0.1",), IpFamilies.V4),
        (("fd00::1",), IpFamilies.V6),
        (("10.0.0.1", "fd00::1"), IpFamilies.DUAL),
        (("10.0.0.1", "10.0.0.2"), IpFamilies.V4),
    ],
)
def test_families(addresses: tuple[str, ...], families: IpFamilies) -> None:
    assert view(Mesh(), replace(SIDECAR, addresses=addresses)).families is families


@pytest.mark.parametrize(
    ("proxy", "bind"),
    [
        (replace(SIDECAR, capture=Capture.NONE, addresses=("127.3.0.1",)), "127.3.0.1"),
        (replace(SIDECAR, capture=Capture.NONE), ""),
        (replace(SIDECAR, addresses=("127.3.0.1",)), ""),
        (replace(GATEWAY, addresses=("127.3.0.1",)), ""),
    ],
)
def test_where_a_sidecar_without_interception_listens(proxy: Proxy, bind: str) -> None:
    assert view(Mesh(), proxy).bind == bind


WEB = replace(SIDECAR, name="web-1", labels=(("app", "web"),))


def targets(mesh: Mesh, proxy: Proxy = WEB) -> list[tuple[str, int, int]]:
    """Service, port and target port of what a workload serves."""
    found = service_targets(mesh.db, proxy)
    return [(each.hostname.partition(".")[0], each.port.number, each.target_port) for each in found]


def test_services_that_select_the_pod() -> None:
    mesh = Mesh(
        service("other", ports="{name: http, port: 80}"),
        service(ports="{name: http, port: 80, targetPort: 8080}, {name: udp, port: 53, protocol: UDP}"),
        service(namespace="elsewhere", ports="{name: http, port: 81}"),
    )
    assert targets(mesh) == [("web", 80, 8080)]
    mesh.add(pod("web-1", "10.9.9.9", labels={"app": "other"}))
    assert targets(mesh) == [("other", 80, 80)]


def test_services_that_list_the_address() -> None:
    mesh = Mesh(
        service("manual", ports="{name: http, port: 80}", selector={}),
        endpoint_slice("manual", endpoint("10.9.9.9"), service="manual"),
    )
    assert targets(mesh) == [("manual", 80, 80)]
    mesh.add(service(ports="{name: http, port: 81}"))
    assert targets(mesh) == [("web", 81, 81)]


def test_named_target_ports() -> None:
    mesh = Mesh(service(ports="{name: http, port: 80, targetPort: named}"))
    assert targets(mesh) == []
    assert targets(mesh, replace(WEB, pod_ports=(("named", "UDP", 1), ("named", "TCP", 8080)))) == [("web", 80, 8080)]
    containers = [{"name": "c", "ports": [{"name": "named", "containerPort": 9090}]}]
    mesh.add(pod("web-1", "10.9.9.9", containers=containers))
    assert targets(mesh) == [("web", 80, 9090)]


def test_ports_of_one_service_with_the_same_target_collapse_unless_the_protocol_differs() -> None:
    ports = (
        "{name: http-a, port: 80, targetPort: 8080}, {name: http-b, port: 81, targetPort: 8080}, "
        "{name: tcp-c, port: 82, targetPort: 8080}"
    )
    assert targets(Mesh(service(ports=ports))) == [("web", 80, 8080), ("web", 82, 8080)]
    found = service_targets(Mesh(service(ports=ports)).db, WEB)
    assert [each.port.protocol for each in found] == [Protocol.HTTP, Protocol.TCP]


def test_replicas_share_a_view() -> None:
    mesh = Mesh(service())
    one = view(mesh, WEB)
    assert one == view(mesh, replace(WEB, name="web-2", addresses=("10.9.9.10",)))
    assert one != view(mesh, replace(WEB, labels=()))


def test_labels_matter_only_if_something_selects_by_them() -> None:
    mesh = Mesh()
    assert view(mesh, WEB).labels == ()
    selector = "{{workloadSelector: {{labels: {{{label}: x}}}}, egress: [{{hosts: ['*/*']}}]}}"
    mesh.add(ENTRY.format(kind="Sidecar", namespace="default", spec=selector.format(label="tier")))
    assert view(mesh, WEB).labels == ()
    mesh.add(ENTRY.format(kind="Sidecar", namespace="default", spec=selector.format(label="app")))
    assert view(mesh, WEB).labels == (("app", "web"),)


def test_only_gateways_look_at_the_selectors_of_gateways() -> None:
    mesh = Mesh(gw("a", HTTP, selector="{app: web}"))
    assert view(mesh, WEB).labels == ()
    assert view(mesh, replace(GATEWAY, labels=WEB.labels)).labels == (("app", "web"),)


def test_the_labels_of_the_pod_count_when_it_is_known() -> None:
    mesh = Mesh(gw("a", HTTP), pod("gateway", "10.9.9.9", labels={"app": "pod"}))
    assert view(mesh, replace(GATEWAY, labels=(("app", "node"),))).labels == (("app", "pod"),)


def test_locality_matters_only_if_some_rule_looks_at_it() -> None:
    mesh = Mesh(service())
    proxy = replace(SIDECAR, locality="r/z/s")
    assert view(mesh, proxy).locality == ""
    mesh.add(rule("{trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}}"))
    assert view(mesh, proxy).locality == "r/z/s"


def test_members_of_headless_services_are_told_apart() -> None:
    mesh = Mesh(service(clusterIP="None"))
    assert view(mesh, WEB).own_addresses == WEB.addresses
    assert view(mesh, SIDECAR).own_addresses == ()


def test_a_change_elsewhere_does_not_move_a_proxy() -> None:
    mesh = Mesh(service())
    before = view(mesh, WEB)
    mesh.add(service("other"), pod("other", "10.1.1.1", labels={"app": "other"}))
    assert view(mesh, WEB) is before


def test_a_client_without_proxy_asks_for_the_grpc_generator() -> None:
    assert parsed(GENERATOR="grpc", INTERCEPTION_MODE="REDIRECT", DNS_CAPTURE="true") == replace(
        parsed(), proxyless=True, capture=Capture.NONE
    )
    assert not parsed(GENERATOR="api").proxyless
    assert not parsed(ID.replace("sidecar", "router"), GENERATOR="grpc").proxyless
