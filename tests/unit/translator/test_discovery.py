"""Which namespaces are discovered."""

from typing import Any

import msgspec
import pytest

from tests.unit.translator.mesh_kit import Mesh, endpoint, endpoint_slice, pod, rule, service
from translator.label_selector import selects
from translator.objects.mesh_config import MeshConfig
from translator.objects.meta import LabelSelector

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n"
SHOP, BANK = "outbound|80||web.shop.svc.cluster.local", "outbound|80||web.bank.svc.cluster.local"


def select(*selectors: dict[str, Any]) -> MeshConfig:
    return msgspec.convert({"discoverySelectors": selectors}, MeshConfig)


MESH_LABEL = select({"matchLabels": {"mesh": "yes"}})


def namespaced(name: str) -> tuple[str, ...]:
    """A service with an endpoint and a rule in a namespace."""
    return (
        service(namespace=name),
        pod("web-1", f"10.{len(name)}.0.1", namespace=name),
        endpoint_slice("web", endpoint(f"10.{len(name)}.0.1", "web-1"), namespace=name),
        rule("{host: web, subsets: [{name: v1}]}", namespace=name),
    )


def outbound(mesh: Mesh) -> set[str]:
    return {name for name in mesh.clusters() if name.startswith("outbound|")}


def test_case_15_a_namespace_that_is_no_longer_selected_vanishes_until_it_is_again() -> None:
    mesh = Mesh(NAMESPACE % ("shop", "mesh: 'yes'"), *namespaced("shop"), mesh=MESH_LABEL)
    shop = {SHOP, SHOP.replace("||", "|v1|")}
    assert outbound(mesh) == shop
    mesh.add(NAMESPACE % ("shop", ""))
    assert outbound(mesh) == set()
    # What changes meanwhile is not forgotten.
    mesh.add(endpoint_slice("web", endpoint("10.9.0.9"), namespace="shop"))
    mesh.remove(rule("{host: web, subsets: [{name: v1}]}", namespace="shop"))
    assert outbound(mesh) == set()
    mesh.add(NAMESPACE % ("shop", "mesh: 'yes'"))
    assert outbound(mesh) == {SHOP}
    assert mesh.addresses(SHOP) == ["10.9.0.9"]


def test_a_namespace_may_arrive_after_its_objects() -> None:
    mesh = Mesh(*namespaced("shop"), mesh=MESH_LABEL)
    assert outbound(mesh) == set()
    mesh.add("---\n".join([*namespaced("bank"), NAMESPACE % ("bank", "mesh: 'yes'")]))
    assert BANK in outbound(mesh)
    assert SHOP not in outbound(mesh)
    mesh.remove(NAMESPACE % ("bank", ""))
    assert outbound(mesh) == set()


def test_selectors_can_change() -> None:
    mesh = Mesh(*namespaced("shop"), *namespaced("bank"))
    assert {SHOP, BANK} <= outbound(mesh)
    for config, seen in (
        (select({"matchLabels": {"kubernetes.io/metadata.name": "shop"}}), {SHOP}),
        (select({"matchLabels": {"kubernetes.io/metadata.name": "bank"}}, {"matchLabels": {"x": "y"}}), {BANK}),
        (select({}), {SHOP, BANK}),
        (MESH_LABEL, set()),
        (MeshConfig(), {SHOP, BANK}),
    ):
        mesh.db.replace_settings(msgspec.structs.replace(mesh.db.settings, mesh=config))
        assert outbound(mesh) & {SHOP, BANK} == seen


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Whatever"}]}, False),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert selects(msgspec.convert(selector, LabelSelector), {"a": "1"}) is expected
