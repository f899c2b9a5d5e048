"""Which AuthorizationPolicies hold for which workloads and gateways."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, authorization
from translator.model.authorization import authorizing_policies
from translator.model.proxy import Proxy

ROOT = "istio-system"
NAMED = "gateway.networking.k8s.io/gateway-name"


def proxy(base: Proxy = SIDECAR, **labels: str) -> Proxy:
    return msgspec.structs.replace(base, labels=tuple(sorted(labels.items())))


def holding(mesh: Mesh, subject: Proxy) -> list[str]:
    """The policies for a proxy."""
    return [f"{key.namespace}/{key.name}" for key in authorizing_policies(mesh.db, mesh.view(subject))]


def test_all_that_select_a_workload_hold_those_of_the_mesh_first_and_older_ones_before() -> None:
    mesh = Mesh(
        authorization("{}", name="new", created="2026-02-01T00:00:00Z"),
        authorization("{selector: {matchLabels: {app: web}}}", name="old"),
        authorization("{selector: {matchLabels: {app: other}}}", name="other"),
        authorization("{selector: {matchLabels: {app: web, version: v1}}}", name="versioned"),
        authorization("{}", name="mesh", namespace=ROOT, created="2026-03-01T00:00:00Z"),
        authorization("{}", name="far", namespace="far"),
    )
    assert holding(mesh, proxy(app="web")) == [f"{ROOT}/mesh", "default/old", "default/new"]
    assert holding(mesh, proxy()) == [f"{ROOT}/mesh", "default/new"]


def test_case_36_a_selector_of_the_mesh_selects_in_every_namespace() -> None:
    mesh = Mesh(authorization("{selector: {matchLabels: {app: web}}}", namespace=ROOT))
    assert holding(mesh, proxy(app="web")) == [f"{ROOT}/policy"]
    assert holding(mesh, proxy(app="api")) == []


def test_policies_of_the_root_namespace_count_once_there() -> None:
    mesh = Mesh(authorization("{}", namespace=ROOT))
    assert holding(mesh, msgspec.structs.replace(SIDECAR, namespace=ROOT)) == [f"{ROOT}/policy"]


def test_gateways_are_selected_like_workloads() -> None:
    mesh = Mesh(authorization("{selector: {matchLabels: {istio: ingressgateway}}}"))
    assert holding(mesh, proxy(GATEWAY, istio="ingressgateway")) == ["default/policy"]
    assert holding(mesh, proxy(GATEWAY, istio="egressgateway")) == []


def attached(kind: str = "Gateway", name: str = "edge", group: str = "gateway.networking.k8s.io") -> str:
    return f"{{group: '{group}', kind: {kind}, name: {name}}}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (f"{{targetRefs: [{attached()}]}}", ["default/policy"]),
        (f"{{targetRef: {attached()}}}", ["default/policy"]),
        (f"{{targetRefs: [{attached(name='a')}, {attached()}]}}", ["default/policy"]),
        (f"{{targetRefs: [{attached(name='other')}]}}", []),
        (f"{{targetRefs: [{attached('Service', group='')}]}}", []),
        (f"{{targetRefs: [{attached('GatewayClass')}]}}", []),
    ],
)
def test_case_37_a_policy_that_is_attached_holds_for_that_gateway_alone(spec: str, expected: list[str]) -> None:
    mesh = Mesh(authorization(spec))
    assert holding(mesh, proxy(GATEWAY, **{NAMED: "edge"})) == expected
    assert holding(mesh, proxy(GATEWAY)) == []
    assert holding(mesh, proxy()) == []
    assert holding(mesh, msgspec.structs.replace(proxy(GATEWAY, **{NAMED: "edge"}), namespace="far")) == []


def test_proxies_that_no_policy_tells_apart_share_a_view() -> None:
    mesh = Mesh(authorization("{selector: {matchLabels: {app: web}}}"))
    assert mesh.view(proxy(app="web", version="v1")) == mesh.view(proxy(app="web", version="v2"))
    assert mesh.view(proxy(app="web")) != mesh.view(proxy(app="api"))
