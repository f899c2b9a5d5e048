"""Which clusters there are for whom."""

import msgspec

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, endpoint, endpoint_slice, entry, pod, rule, service
from translator.clusters.selection import outbound_clusters
from translator.model.scope import scope_key, scope_services


def outbound(mesh: Mesh) -> set[str]:
    """The outbound clusters of a sidecar."""
    return {name for name in mesh.clusters() if name.startswith("outbound")}


def sidecar(*hosts: str, port: str = "") -> str:
    """A Sidecar that limits the egress of its namespace."""
    return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: default}}
spec: {{egress: [{{{port}hosts: [{", ".join(f'"{host}"' for host in hosts)}]}}]}}
"""


TWO_NAMESPACES = (service(), service("api", namespace="prod"))
WEB, API = "outbound|80||web.default.svc.cluster.local", "outbound|80||api.prod.svc.cluster.local"


def test_case_41_a_sidecar_limits_what_its_proxies_see() -> None:
    for hosts, expected in [
        (("./*",), {WEB}),
        (("*/*",), {WEB, API}),
        (("prod/*.svc.cluster.local",), {API}),
        (("~/*",), set()),
        (("*/*", "~prod/*"), {WEB}),
    ]:
        assert outbound(Mesh(*TWO_NAMESPACES, sidecar(*hosts))) == expected


def test_case_42_a_listener_with_a_port_imports_that_port_alone() -> None:
    mesh = Mesh(
        service(ports="{name: http, port: 9080}, {name: admin, port: 9090}"),
        sidecar("*/*", port="port: {number: 9080, protocol: HTTP, name: http}, "),
    )
    assert outbound(mesh) == {"outbound|9080||web.default.svc.cluster.local"}


def test_services_that_are_not_exported_have_no_cluster_elsewhere() -> None:
    hidden = service().replace("name: web\n", "name: web\n  annotations: {networking.istio.io/exportTo: '~'}\n", 1)
    mesh = Mesh(hidden, pod("web-1", "10.1.0.1"))
    assert outbound(mesh) == set()
    own = msgspec.structs.replace(SIDECAR, name="web-1", addresses=("10.1.0.1",))
    assert "inbound|80||" in mesh.clusters(own)


def test_case_49_the_first_of_two_clusters_with_one_name_is_kept() -> None:
    text = "{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: %s}"
    virtual_service = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: route, namespace: prod}
spec: {hosts: [a.com], http: [{route: [{destination: {host: a.com}}]}]}
"""
    imported = entry(text % "STATIC", namespace="prod", created="2025-01-01T00:00:00Z")
    own = entry(text % "DNS", namespace="default")
    mesh = Mesh(imported, own, virtual_service, sidecar("prod/*"))
    assert [each.namespace for each in scope_services(mesh.db, scope_key(mesh.db, mesh.view(SIDECAR)))] == [
        "prod",
        "default",
    ]
    assert mesh.shown("outbound|80||a.com")["type"] == "EDS"


def test_subsets_multiply_ports() -> None:
    mesh = Mesh(
        service(ports="{name: http, port: 80}, {name: tcp, port: 81}"), rule("subsets: [{name: v1}, {name: v2}]")
    )
    assert outbound(mesh) == {
        f"outbound|{port}|{subset}|web.default.svc.cluster.local" for port in (80, 81) for subset in ("", "v1", "v2")
    }


def test_proxies_share_clusters_whatever_their_labels() -> None:
    selecting = rule("workloadSelector: {matchLabels: {app: a}}\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}")
    mesh = Mesh(service(), service("other"), selecting)
    proxies = [msgspec.structs.replace(SIDECAR, labels=(("app", app),)) for app in "abc"]
    keys = [{each.name: each.key for each in outbound_clusters(mesh.db, mesh.view(proxy))} for proxy in proxies]
    other = "outbound|80||other.default.svc.cluster.local"
    assert keys[0][other] == keys[1][other] == keys[2][other]
    assert mesh.shown(WEB, proxies[0])["lb_policy"] == "RANDOM"
    assert mesh.shown(WEB, proxies[1])["lb_policy"] == "LEAST_REQUEST"


def test_gateways_see_what_is_exported_and_nothing_of_sidecars() -> None:
    mesh = Mesh(*TWO_NAMESPACES, sidecar("./*"))
    assert set(mesh.clusters(GATEWAY)) == {WEB, API, "BlackHoleCluster"}


def test_endpoints_do_not_touch_clusters() -> None:
    mesh = Mesh(service(), pod("web-1", "10.1.0.1"), endpoint_slice("s", endpoint("10.1.0.1", "web-1")))
    mesh.clusters()
    mesh.db.runs.clear()
    mesh.add(endpoint_slice("s", endpoint("10.1.0.2")))
    mesh.clusters()
    assert not mesh.db.runs
