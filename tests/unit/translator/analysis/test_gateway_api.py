"""What is found about gateways and routes of the Gateway API in view of everything else."""

import pytest

from tests.simulation.test_cases import running
from tests.simulation.test_gateway_api import gateway, kubernetes, mesh_route, route
from tests.unit.translator.mesh_kit import Mesh
from translator.analysis.findings import object_findings
from translator.objects.registry import Kind, ObjectKey

ROUTE = ObjectKey(Kind.HTTP_ROUTE, "default", "r")
GATEWAY = ObjectKey(Kind.GATEWAY, "edge", "front")
RULES = "[{backendRefs: [{name: web, port: 80}]}]"


def findings(key: ObjectKey, *texts: str) -> list[tuple[str, str]]:
    mesh = Mesh(running("web"), *texts)
    return [(each.path, each.message) for each in object_findings(mesh.db, key)]


def test_a_route_that_is_attached_and_has_its_backends_is_fine() -> None:
    assert findings(ROUTE, gateway("{name: http}"), route("r", RULES)) == []
    assert findings(ROUTE, mesh_route("r", RULES)) == []


@pytest.mark.parametrize(
    ("texts", "path", "message"),
    [
        ((route("r", RULES),), "spec.parentRefs[0]", "edge/front does not exist"),
        (
            (gateway("{name: http}"), route("r", RULES, parent="{sectionName: other}")),
            "spec.parentRefs[0]",
            "NoMatchingParent",
        ),
        (
            (gateway("{name: http}"), route("r", RULES, parent="{port: 81}")),
            "spec.parentRefs[0]",
            "NoMatchingParent",
        ),
        (
            (gateway("{name: http, hostname: b.com}"), route("r", RULES)),
            "spec.parentRefs[0]",
            "NoMatchingListenerHostname",
        ),
        (
            (gateway("{name: http, allowedRoutes: {}}"), route("r", RULES)),
            "spec.parentRefs[0]",
            "NotAllowedByListeners",
        ),
        (
            (gateway("{name: http, allowedRoutes: {kinds: [{kind: TLSRoute}]}}"), route("r", RULES)),
            "spec.parentRefs[0]",
            "NotAllowedByListeners",
        ),
        ((mesh_route("r", RULES, "{name: gone}"),), "spec.parentRefs[0]", "default/gone does not exist"),
        (
            (gateway("{name: http}"), route("r", RULES.replace("web", "gone"))),
            "spec.rules[0].backendRefs[0]",
            "BackendNotFound",
        ),
        (
            (gateway("{name: http}"), route("r", RULES.replace("80", "81"))),
            "spec.rules[0].backendRefs[0]",
            "has no port 81",
        ),
        (
            (gateway("{name: http}"), route("r", "[{backendRefs: [{name: w, kind: Bucket, group: a.b}]}]")),
            "spec.rules[0].backendRefs[0]",
            "InvalidKind",
        ),
        (
            (gateway("{name: http}"), route("r", "[{backendRefs: [{name: web, namespace: x, port: 80}]}]")),
            "spec.rules[0].backendRefs[0]",
            "RefNotPermitted",
        ),
        (
            (
                gateway("{name: http}"),
                route(
                    "r",
                    "[{backendRefs: [{name: web, port: 80}], filters: [{type: RequestMirror, "
                    "requestMirror: {backendRef: {name: gone, port: 80}}}]}]",
                ),
            ),
            "spec.rules[0].filters[0].requestMirror.backendRef",
            "BackendNotFound",
        ),
    ],
)
def test_what_leads_nowhere_is_found(texts: tuple[str, ...], path: str, message: str) -> None:
    ((where, what),) = findings(ROUTE, *texts)
    assert where == path
    assert message in what


def test_listeners_that_are_left_out_are_found() -> None:
    ((where, what),) = findings(GATEWAY, gateway("{name: a}", "{name: b}"))
    assert where == "spec.listeners[1]"
    assert "HostnameConflict" in what


def test_gateways_of_others_are_told_of() -> None:
    foreign = kubernetes("GatewayClass", "istio", "{controllerName: example.com/other}")
    ((where, what),) = findings(GATEWAY, gateway("{name: a}"), foreign)
    assert where == "spec.gatewayClassName"
    assert "left to others" in what
