"""Routing rules: their normal form, who sees them, and in which order."""

import pytest
import yaml

from tests.unit.translator.mesh_kit import Mesh
from translator.indexes import MESH
from translator.model.routing import routing_rule, routing_rules
from translator.model.routing_rule import RoutingRule, RuleTarget
from translator.objects.mesh_config import MeshConfig
from translator.objects.registry import Kind, ObjectKey

TO_A = "http: [{route: [{destination: {host: a}}]}]"


def virtual_service(
    spec: str, *, name: str = "rule", namespace: str = "shop", created: str = "2024-01-01T00:00:00Z"
) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": yaml.safe_load(spec),
        }
    )


def rule_of(mesh: Mesh, name: str = "rule", namespace: str = "shop") -> RoutingRule | None:
    return routing_rule(mesh.db, ObjectKey(Kind.VIRTUAL_SERVICE, namespace, name))


def normalized(spec: str) -> RoutingRule:
    rule = rule_of(Mesh(virtual_service(spec)))
    assert rule is not None
    return rule


def names(mesh: Mesh, namespace: str, gateway: str = MESH) -> list[str]:
    return [rule.key.name for rule in routing_rules(mesh.db, gateway, namespace)]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("reviews", "reviews.shop.svc.cluster.local"),
        ("Reviews", "reviews.shop.svc.cluster.local"),
        ("reviews.prod", "reviews.prod"),
        ("Example.COM", "example.com"),
        ("*", "*"),
        ("*.example.com", "*.example.com"),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_hosts_without_a_dot_are_services_of_the_rules_namespace(host: str, expected: str) -> None:
    assert normalized(f"{{hosts: ['{host}'], {TO_A}}}").hosts == (expected,)


def test_hosts_that_differ_in_case_are_one() -> None:
    assert normalized(f"{{hosts: [A.com, a.com, b.com], {TO_A}}}").hosts == ("a.com", "b.com")


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        ("[]", ("mesh",)),
        ("[web]", ("shop/web",)),
        ("[./web]", ("shop/web",)),
        ("[edge/web, mesh]", ("edge/web", "mesh")),
        ("[web.edge.svc.cluster.local]", ("edge/web",)),
    ],
)
def test_gateways_are_qualified(gateways: str, expected: tuple[str, ...]) -> None:
    assert normalized(f"{{hosts: [a.com], gateways: {gateways}, {TO_A}}}").gateways == expected


def test_destinations_and_gateways_of_matches_are_complete() -> None:
    rule = normalized(
        "{hosts: [a.com], "
        "http: [{match: [{gateways: [web, mesh]}], route: [{destination: {host: a}}], mirror: {host: b}, "
        "mirrors: [{destination: {host: c}}]}], "
        "tls: [{match: [{sniHosts: [a.com], gateways: [./web]}], route: [{destination: {host: d}}]}], "
        "tcp: [{match: [{gateways: [edge/web]}], route: [{destination: {host: e.com}}]}]}"
    )
    assert rule.http[0].match[0].gateways == ("shop/web", "mesh")
    assert rule.tls[0].match[0].gateways == ("shop/web",)
    assert rule.tcp[0].match[0].gateways == ("edge/web",)
    suffix = "shop.svc.cluster.local"
    assert rule.targets("shop") == (
        RuleTarget(f"a.{suffix}", 0),
        RuleTarget(f"b.{suffix}", 0),
        RuleTarget(f"c.{suffix}", 0),
        RuleTarget(f"d.{suffix}", 0),
        RuleTarget("e.com", 0),
    )


def test_targets_are_those_that_a_namespace_can_be_sent_to() -> None:
    rule = normalized(
        "{hosts: [a.com], http: [{match: [{sourceNamespace: other}], route: [{destination: {host: x.com}}]}, "
        "{match: [{sourceNamespace: other}, {}], route: [{destination: {host: y.com, port: {number: 80}}}]}, "
        "{route: [{destination: {host: y.com, port: {number: 80}}}, {destination: {host: y.com}}]}]}"
    )
    assert rule.targets("shop") == (RuleTarget("y.com", 0), RuleTarget("y.com", 80))
    assert rule.targets("other") == (RuleTarget("x.com", 0), RuleTarget("y.com", 0), RuleTarget("y.com", 80))


def test_there_is_no_rule_without_hosts_and_none_without_object() -> None:
    mesh = Mesh(virtual_service(TO_A))
    assert rule_of(mesh) is None
    assert rule_of(mesh, "other") is None
    assert names(mesh, "shop") == []


@pytest.mark.parametrize(
    ("export", "seen_by"),
    [
        ("[]", {"shop", "other", "third"}),
        ("['*']", {"shop", "other", "third"}),
        ("[.]", {"shop"}),
        ("[other]", {"other"}),
        ("[., other]", {"shop", "other"}),
    ],
)
def test_who_sees_a_rule(export: str, seen_by: set[str]) -> None:
    mesh = Mesh(virtual_service(f"{{hosts: [a.com], exportTo: {export}, {TO_A}}}"))
    assert {namespace for namespace in ("shop", "other", "third") if names(mesh, namespace)} == seen_by


@pytest.mark.parametrize(("default", "seen_by"), [("*", {"shop", "other"}), (".", {"shop"}), ("~", set())])
def test_without_export_the_default_of_the_mesh_counts(default: str, seen_by: set[str]) -> None:
    config = MeshConfig(default_virtual_service_export_to=(default,))
    mesh = Mesh(virtual_service(f"{{hosts: [a.com], {TO_A}}}"), mesh=config)
    assert {namespace for namespace in ("shop", "other") if names(mesh, namespace)} == seen_by


def test_private_rules_come_first_then_those_exported_by_name_then_public_ones_each_oldest_first() -> None:
    def rule(name: str, namespace: str, created: int, export: str) -> str:
        spec = f"{{hosts: [a.com], exportTo: {export}, {TO_A}}}"
        return virtual_service(spec, name=name, namespace=namespace, created=f"2024-01-0{created}T00:00:00Z")

    mesh = Mesh(
        rule("public-young", "x", 2, "['*']"),
        rule("public-old", "y", 1, "['*']"),
        rule("exported-young", "x", 4, "[shop]"),
        rule("exported-old", "x", 3, "[shop, z]"),
        rule("private-b", "shop", 5, "[.]"),
        rule("private-a", "shop", 5, "[., x]"),
    )
    assert names(mesh, "shop") == [
        "private-a",
        "private-b",
        "exported-old",
        "exported-young",
        "public-old",
        "public-young",
    ]


def test_rules_are_those_of_the_gateway_asked_for() -> None:
    mesh = Mesh(
        virtual_service(f"{{hosts: [a.com], gateways: [edge/web], {TO_A}}}", name="edge"),
        virtual_service(f"{{hosts: [a.com], gateways: [edge/web, mesh], {TO_A}}}", name="both"),
        virtual_service(f"{{hosts: [a.com], {TO_A}}}", name="inside"),
    )
    assert names(mesh, "shop") == ["both", "inside"]
    assert names(mesh, "shop", "edge/web") == ["both", "edge"]


ROOT = "{hosts: [a.com], http: [%s, {name: last, route: [{destination: {host: a}}]}]}"
DELEGATING = "{match: [{uri: {prefix: /api}}], delegate: {name: api, namespace: team}}"


def delegated(spec: str, root: str = DELEGATING) -> list[tuple[str, str]]:
    """(path, host of the destination) of the rules that a root's two rules become; the second is its own."""
    mesh = Mesh(virtual_service(ROOT % root), virtual_service(spec, name="api", namespace="team"))
    rule = rule_of(mesh)
    assert rule is not None
    *found, last = rule.http
    assert last.name == "last"
    return [(route.match[0].uri.exact or "", route.route[0].destination.host) for route in found if route.match[0].uri]


def test_case_30_the_rules_of_a_delegate_stand_where_they_are_referred_to() -> None:
    exact = "http: [{match: [{uri: {exact: /api/%s}}], route: [{destination: {host: b}}]}]"
    assert delegated(exact % "v1") == [("/api/v1", "b.team.svc.cluster.local")]


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("{exportTo: ['*'], http: RULE}", True),
        ("{exportTo: [shop], http: RULE}", True),
        ("{exportTo: [.], http: RULE}", False),
        ("{exportTo: [other], http: RULE}", False),
        ("{hosts: [b.com], http: RULE}", False),
        ("{http: [{delegate: {name: deeper}}]}", False),
    ],
)
def test_case_30_a_delegate_has_to_be_exported_to_its_root(spec: str, *, kept: bool) -> None:
    rule = "[{match: [{uri: {exact: /api/v1}}], route: [{destination: {host: b}}]}]"
    assert bool(delegated(spec.replace("RULE", rule))) is kept


def test_case_30_a_missing_delegate_costs_its_rule_alone() -> None:
    assert delegated(TO_A, "{delegate: {name: elsewhere}}") == []


def test_case_30_a_delegate_is_of_the_roots_namespace_unless_it_says_otherwise() -> None:
    mesh = Mesh(
        virtual_service(ROOT % "{delegate: {name: api}}"),
        virtual_service("http: [{name: d, route: [{destination: {host: b}}]}]", name="api", namespace="shop"),
    )
    rule = rule_of(mesh)
    assert rule is not None
    assert [route.name for route in rule.http] == ["d", "last"]


def test_a_change_of_a_delegate_changes_its_roots_alone() -> None:
    mesh = Mesh(
        virtual_service(ROOT % DELEGATING),
        virtual_service(f"{{hosts: [b.com], {TO_A}}}", name="other"),
        virtual_service(TO_A, name="api", namespace="team"),
    )
    before = routing_rules(mesh.db, MESH, "shop")
    mesh.db.runs.clear()
    mesh.add(virtual_service("http: [{route: [{destination: {host: b}}]}]", name="api", namespace="team"))
    assert routing_rules(mesh.db, MESH, "shop") != before
    assert mesh.db.runs["translator.model.virtual_service.virtual_service_rule"] == 1
