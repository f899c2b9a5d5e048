"""What objects say together: references that lead nowhere, rules that cancel each other out."""

import pytest

from tests.unit.translator.mesh_kit import Mesh
from translator.analysis.findings import object_findings
from translator.diagnostics import Diagnostic, Severity
from translator.objects.registry import Kind, ObjectKey

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
"""
TWO_PORTS = """
apiVersion: v1
kind: Service
metadata: {name: two, namespace: default}
spec: {clusterIP: 10.0.0.2, ports: [{name: http, port: 80}, {name: http-admin, port: 81}]}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints:
- {addresses: [10.1.0.1], targetRef: {kind: Pod, name: web-1, namespace: default}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: default, labels: {app: web, version: v1, pod-template-hash: abc}}
status: {podIP: 10.1.0.1, phase: Running}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["default/*.example.com", "./private.example.org"]}
"""
GATEWAY_POD = """
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: edge, labels: {istio: ingressgateway}}
status: {podIP: 10.2.0.1, phase: Running}
"""


def virtual_service(spec: str, name: str = "r", namespace: str = "default") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def route(destination: str, **rest: str) -> str:
    """A VirtualService for ``web`` in the mesh with one destination."""
    more = "".join(f", {key}: {value}" for key, value in rest.items())
    return virtual_service(f"{{hosts: [web]{more}, http: [{{route: [{{destination: {destination}}}]}}]}}")


def findings(
    mesh: Mesh, name: str = "r", kind: Kind = Kind.VIRTUAL_SERVICE, namespace: str = "default"
) -> tuple[Diagnostic, ...]:
    return object_findings(mesh.db, ObjectKey(kind, namespace, name))


def told(mesh: Mesh, name: str = "r", kind: Kind = Kind.VIRTUAL_SERVICE, namespace: str = "default") -> list[str]:
    """Code, severity, path and message in a line."""
    found = findings(mesh, name, kind, namespace)
    return [f"{each.code} {each.severity.value} {each.path}: {each.message}" for each in found]


DESTINATION = "spec.http[0].route[0].destination"


def test_nothing_is_wrong() -> None:
    mesh = Mesh(SERVICE, SLICE, POD, RULE.replace("version: v2", "version: v1"), route("{host: web, subset: v1}"))
    assert findings(mesh) == ()
    assert findings(mesh, "web", Kind.DESTINATION_RULE) == ()
    assert findings(mesh, "web", Kind.SERVICE) == ()
    assert findings(mesh, "not-there") == ()


def test_a_host_that_nobody_provides() -> None:
    assert told(Mesh(SERVICE, route("{host: nobody.shop}"))) == [
        (
            f"IST0101 error {DESTINATION}.host: host nobody.shop is provided by no Service or ServiceEntry: "
            "requests get 503"
        )
    ]


def test_a_part_of_a_mesh_may_refer_to_the_rest() -> None:
    mesh = Mesh(route("{host: web, subset: v1}", gateways="[mesh, edge/public]"))
    assert [each.severity for each in findings(mesh)] == [Severity.WARNING] * 3


def test_a_host_of_a_namespace_that_does_not_export_it() -> None:
    private = SERVICE.replace("namespace: default", "namespace: shop, annotations: {networking.istio.io/exportTo: .}")
    assert told(Mesh(private, route("{host: web.shop.svc.cluster.local}"))) == [
        (
            f"IST0101 error {DESTINATION}.host: "
            "host web.shop.svc.cluster.local is not exported to namespace default by shop"
        )
    ]


def test_ports() -> None:
    assert told(Mesh(SERVICE, route("{host: web, port: {number: 81}}"))) == [
        f"IST0101 error {DESTINATION}.port.number: host web.default.svc.cluster.local has no port 81 (it has: 80)"
    ]
    assert told(Mesh(SERVICE, TWO_PORTS, route("{host: two}"))) == [
        (
            f"IST0112 warning {DESTINATION}.host: "
            "host two.default.svc.cluster.local has several ports (80, 81); say which one is meant"
        )
    ]


def test_subsets() -> None:
    assert told(Mesh(SERVICE, route("{host: web, subset: v3}"))) == [
        (
            f"IST0101 error {DESTINATION}.subset: "
            "no DestinationRule for host web.default.svc.cluster.local defines subset 'v3': requests get 503"
        )
    ]
    assert told(Mesh(SERVICE, RULE, route("{host: web, subset: v3}"))) == [
        (
            f"IST0101 error {DESTINATION}.subset: "
            "subset 'v3' is not defined by DestinationRule default/web (defined: v1, v2): requests get 503"
        )
    ]


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ("http: [{route: [{destination: {host: web}}], mirror: {host: gone}}]", "spec.http[0].mirror.host"),
        (
            "http: [{route: [{destination: {host: web}}], mirrors: [{destination: {host: gone}}]}]",
            "spec.http[0].mirrors[0].destination.host",
        ),
        (
            "tls: [{match: [{sniHosts: [web]}], route: [{destination: {host: gone}}]}]",
            "spec.tls[0].route[0].destination.host",
        ),
        ("tcp: [{route: [{destination: {host: gone}}]}]", "spec.tcp[0].route[0].destination.host"),
    ],
)
def test_every_kind_of_destination_is_looked_at(rules: str, path: str) -> None:
    mesh = Mesh(SERVICE, virtual_service(f"{{hosts: [web], {rules}}}"))
    assert [each.path for each in findings(mesh)] == [path]


@pytest.mark.parametrize(("weights", "wrong"), [((50, 50), False), ((60, 30), True), ((2, 1), True)])
def test_weights(weights: tuple[int, int], wrong: bool) -> None:  # noqa: FBT001 - a parameter
    routes = ", ".join(f"{{destination: {{host: web}}, weight: {weight}}}" for weight in weights)
    mesh = Mesh(SERVICE, virtual_service(f"{{hosts: [web], http: [{{route: [{routes}]}}]}}"))
    total = sum(weights)
    message = (
        f"FL0101 warning spec.http[0].route: the weights add up to {total}, not to 100: "
        f"each destination gets its share of {total}"
    )
    assert told(mesh) == ([message] if wrong else [])


def test_a_gateway_that_does_not_exist() -> None:
    mesh = Mesh(SERVICE, GATEWAY, route("{host: web}", gateways="[mesh, edge/public, edge/other]"))
    assert [line for line in told(mesh) if "IST0101" in line] == [
        "IST0101 error spec.gateways[2]: Gateway edge/other does not exist: these rules apply nowhere"
    ]


def test_a_gateway_of_a_match_that_does_not_exist() -> None:
    spec = "{hosts: [web], http: [{match: [{gateways: [edge/other]}], route: [{destination: {host: web}}]}]}"
    assert "spec.http[0].match[0].gateways[0]" in [each.path for each in findings(Mesh(SERVICE, virtual_service(spec)))]


@pytest.mark.parametrize(
    ("host", "namespace", "offered"),
    [
        ("shop.example.com", "default", True),
        ("*.shop.example.com", "default", True),
        ("shop.example.com", "other", False),
        ("private.example.org", "edge", True),
        ("private.example.org", "default", False),
        ("example.net", "default", False),
    ],
)
def test_hosts_that_the_gateway_does_not_offer(host: str, namespace: str, offered: bool) -> None:  # noqa: FBT001 - a parameter
    destination = "web.default.svc.cluster.local"
    spec = (
        f"{{hosts: ['{host}'], gateways: [edge/public], http: [{{route: [{{destination: {{host: {destination}}}}}]}}]}}"
    )
    mesh = Mesh(SERVICE, GATEWAY, virtual_service(spec, namespace=namespace))
    found = findings(mesh, namespace=namespace)
    assert [(each.code, each.path) for each in found] == ([] if offered else [("IST0132", "spec.hosts[0]")])


def test_two_virtual_services_for_one_host() -> None:
    first = route("{host: web}").replace("name: r,", "name: first,")
    second = route("{host: web}").replace("name: r,", "name: second,")
    mesh = Mesh(SERVICE, first, second)
    assert findings(mesh, "first") == ()
    assert told(mesh, "second") == [
        (
            "IST0109 error spec.hosts[0]: has no effect on web.default.svc.cluster.local in the mesh: "
            "VirtualService default/first is for the same host and comes first"
        )
    ]
    mesh.remove(first)
    assert findings(mesh, "second") == ()


def test_virtual_services_that_nobody_sees_together_do_not_conflict() -> None:
    here = virtual_service("{hosts: [a.example.com], exportTo: [.], http: [{redirect: {uri: /}}]}")
    there = virtual_service("{hosts: [a.example.com], exportTo: [.], http: [{redirect: {uri: /}}]}", namespace="shop")
    mesh = Mesh(here, there)
    assert findings(mesh) == ()
    assert findings(mesh, namespace="shop") == ()


def test_a_gateway_that_selects_no_pod() -> None:
    def severity_of(mesh: Mesh) -> list[Severity]:
        return [each.severity for each in findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge")]

    assert severity_of(Mesh(GATEWAY)) == [Severity.INFO]
    assert severity_of(Mesh(GATEWAY, POD)) == [Severity.WARNING]
    assert severity_of(Mesh(GATEWAY, GATEWAY_POD)) == []
    assert told(Mesh(GATEWAY, POD), "public", Kind.ISTIO_GATEWAY, "edge") == [
        (
            "IST0101 warning spec.selector: no pod has the labels istio=ingressgateway: "
            "only a proxy that connects with them serves this Gateway"
        )
    ]


def test_a_gateway_whose_labels_no_single_pod_has_together() -> None:
    gateway = GATEWAY.replace("{istio: ingressgateway}", "{istio: ingressgateway, app: web}")
    assert len(findings(Mesh(gateway, GATEWAY_POD, POD), "public", Kind.ISTIO_GATEWAY, "edge")) == 1
    both = GATEWAY_POD.replace("istio: ingressgateway", "istio: ingressgateway, app: web")
    assert findings(Mesh(gateway, both, POD), "public", Kind.ISTIO_GATEWAY, "edge") == ()


def test_a_credential_is_needed_wherever_a_pod_is_that_the_gateway_selects() -> None:
    tls = "protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: cert}"
    gateway = GATEWAY.replace("protocol: HTTP}", tls)
    here, there = GATEWAY_POD, GATEWAY_POD.replace("namespace: edge", "namespace: second")
    mesh = Mesh(gateway, here, there, POD)
    found = findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge")
    assert [each.path for each in found] == ["spec.servers[0].tls"] * 2
    assert ["edge" in found[0].message, "second" in found[1].message] == [True, True]
    mesh.remove(there)
    assert len(findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge")) == 1


def test_gateways_that_cannot_share_a_port() -> None:
    other = GATEWAY.replace("name: public", "name: second").replace("protocol: HTTP}", "protocol: TCP}")
    mesh = Mesh(GATEWAY, other, GATEWAY_POD)
    assert findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge") == ()
    (found,) = findings(mesh, "second", Kind.ISTIO_GATEWAY, "edge")
    assert (found.code, found.path) == ("IST0145", "spec.servers[0]")
    assert found.message.startswith("is left out: ")


def test_a_rule_for_a_host_that_nobody_provides() -> None:
    mesh = Mesh(SERVICE, RULE.replace("host: web", "host: nobody"))
    assert told(mesh, "web", Kind.DESTINATION_RULE) == [
        (
            "IST0174 warning spec.host: "
            "host nobody.default.svc.cluster.local is provided by no Service or ServiceEntry: the rule has no effect"
        )
    ]
    assert findings(Mesh(SERVICE, RULE.replace("host: web", "host: '*.local'")), "web", Kind.DESTINATION_RULE) == ()


def test_a_subset_without_endpoints() -> None:
    mesh = Mesh(SERVICE, SLICE, POD, RULE)
    assert told(mesh, "web", Kind.DESTINATION_RULE) == [
        (
            "IST0173 warning spec.subsets[1].labels: no endpoint of web.default.svc.cluster.local has the labels "
            "version=v2: requests to this subset get 503"
        )
    ]
    mesh.remove(SLICE)
    assert findings(mesh, "web", Kind.DESTINATION_RULE) == ()


def test_only_findings_that_are_concerned_are_looked_for_again() -> None:
    mesh = Mesh(SERVICE, TWO_PORTS, SLICE, POD, RULE, route("{host: two, port: {number: 80}}"))
    findings(mesh)
    findings(mesh, "web", Kind.DESTINATION_RULE)
    before = mesh.db.runs["translator.analysis.findings.object_findings"]
    mesh.add(SLICE.replace("10.1.0.1", "10.1.0.2"))
    findings(mesh)
    findings(mesh, "web", Kind.DESTINATION_RULE)
    assert mesh.db.runs["translator.analysis.findings.object_findings"] == before + 1


def test_pods_that_differ_in_replica_labels_only_change_nothing() -> None:
    mesh = Mesh(GATEWAY, GATEWAY_POD, POD)
    findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge")
    before = mesh.db.runs["translator.analysis.findings.object_findings"]
    mesh.add(POD.replace("web-1", "web-2").replace("abc", "def"))
    findings(mesh, "public", Kind.ISTIO_GATEWAY, "edge")
    assert mesh.db.runs["translator.analysis.findings.object_findings"] == before
