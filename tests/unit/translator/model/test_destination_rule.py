"""DestinationRules: which one applies, how several merge, and what they come to for a port and subset."""

from typing import Any

import pytest

from tests.unit.translator.mesh_kit import Mesh, rule
from translator.decode import decode_record
from translator.model.destination_rule import (
    DestinationPolicy,
    effective_policy,
    merge_policies,
    policy_for,
    policy_labels,
)
from translator.model.proxy import Labels
from translator.objects.destination_rule import DestinationRuleSpec
from translator.objects.mesh_config import DefaultTrafficPolicy, MeshConfig
from translator.objects.registry import Kind, ObjectKey

HOST = "web.prod.svc.cluster.local"


def found(mesh: Mesh, *, client: str = "shop", labels: Labels = ()) -> list[str]:
    """The names of the rules that apply to traffic from a namespace to the host, in namespace ``prod``."""
    policy = effective_policy(mesh.db, client, labels, "prod", HOST)
    return [key.name for key in policy.sources] if policy else []


def at(namespace: str, host: str = HOST, **spec: Any) -> str:  # noqa: ANN401 - any YAML
    """A rule that is named after its namespace and host."""
    fields = {"host": host, **spec}
    name = f"{namespace}-{host.partition('.')[0].replace('*', 'any')}"
    return rule(str(fields), name=name, namespace=namespace)


def test_case_17_the_client_then_the_service_then_the_root_namespace() -> None:
    client, owner, root = at("shop"), at("prod"), at("istio-system")
    mesh = Mesh(client, owner, root)
    assert found(mesh) == ["shop-web"]
    mesh.remove(client)
    assert found(mesh) == ["prod-web"]
    mesh.remove(owner)
    assert found(mesh) == ["istio-system-web"]
    mesh.remove(root)
    assert found(mesh) == []


def test_a_rule_of_a_third_namespace_never_applies() -> None:
    assert found(Mesh(at("other"))) == []


@pytest.mark.parametrize(
    ("export", "applies"),
    [
        ((), True),
        (("*",), True),
        (("shop",), True),
        (("shop", "x"), True),
        ((".",), False),
        (("prod",), False),
        (("x",), False),
    ],
)
def test_case_17_visibility(export: tuple[str, ...], applies: bool) -> None:  # noqa: FBT001
    mesh = Mesh(at("prod", exportTo=list(export)), at("istio-system"))
    assert found(mesh) == (["prod-web"] if applies else ["istio-system-web"])


@pytest.mark.parametrize(("export", "applies"), [((), True), ((".",), True), (("shop",), True), (("prod",), False)])
def test_in_its_own_namespace_a_rule_may_be_private(export: tuple[str, ...], applies: bool) -> None:  # noqa: FBT001
    mesh = Mesh(at("shop", exportTo=list(export)))
    assert bool(found(mesh)) is applies


def test_the_mesh_can_make_rules_private() -> None:
    settings, _ = decode_record({"defaultDestinationRuleExportTo": ["."]}, MeshConfig)
    mesh = Mesh(at("prod"), mesh=settings)
    assert found(mesh) == []
    assert found(mesh, client="prod") == ["prod-web"]


def test_a_broad_rule_of_the_client_hides_the_exact_one_of_the_service() -> None:
    assert found(Mesh(at("shop", "*.local"), at("prod"))) == ["shop-any"]


def test_the_most_specific_host_of_a_namespace_counts() -> None:
    hosts = ("*", "*.local", "*.prod.svc.cluster.local", HOST)
    mesh = Mesh(*(rule(f"host: '{host}'", name=f"rule-{len(host)}", namespace="shop") for host in hosts))
    assert found(mesh) == [f"rule-{len(HOST)}"]
    mesh.remove(rule("{}", name=f"rule-{len(HOST)}", namespace="shop"))
    assert found(mesh) == ["rule-24"]


def test_a_specific_rule_that_is_exported_elsewhere_still_hides_broader_ones() -> None:
    mesh = Mesh(at("prod", exportTo=["other"]), at("prod", "*.local"), at("istio-system", "*"))
    assert found(mesh) == ["istio-system-any"]


def test_short_names_are_of_the_rules_namespace() -> None:
    assert found(Mesh(at("prod", "web"))) == ["prod-web"]
    assert found(Mesh(at("shop", "web"))) == []


def test_the_root_namespace_uses_its_private_rules_only() -> None:
    public = rule("host: '*.local'", name="public", namespace="istio-system")
    private = rule(f"{{host: '{HOST}', exportTo: ['.']}}", name="private", namespace="istio-system")
    mesh = Mesh(public, private, at("prod"))
    assert found(mesh, client="istio-system") == ["private"]
    mesh.remove(private)
    assert found(mesh, client="istio-system") == ["prod-web"]


def selecting(label: str, name: str, created: str = "2026-01-01T00:00:00Z") -> str:
    """A rule for workloads with a label ``app``."""
    spec = f"{{host: {HOST}, workloadSelector: {{matchLabels: {{app: {label}}}}}}}"
    return rule(spec, name=name, namespace="shop", created=created)


def test_case_19_a_rule_can_select_its_proxies() -> None:
    mesh = Mesh(selecting("a", "for-a", created="2026-05-01T00:00:00Z"), at("shop"))
    assert found(mesh, labels=(("app", "a"),)) == ["for-a"]
    assert found(mesh, labels=(("app", "b"),)) == ["shop-web"]
    assert found(mesh) == ["shop-web"]


def test_case_19_a_selecting_rule_is_private() -> None:
    mesh = Mesh(rule(f"{{host: {HOST}, workloadSelector: {{matchLabels: {{app: a}}}}}}", namespace="prod"))
    assert found(mesh, labels=(("app", "a"),)) == []


def test_of_two_rules_that_select_a_proxy_the_older_wins() -> None:
    by_app = selecting("a", "old")
    by_track = rule(
        f"{{host: {HOST}, workloadSelector: {{matchLabels: {{track: x}}}}}}",
        name="young",
        namespace="shop",
        created="2026-05-01T00:00:00Z",
    )
    assert found(Mesh(by_track, by_app), labels=(("app", "a"), ("track", "x"))) == ["old"]


def test_only_labels_that_rules_select_by_matter() -> None:
    mesh = Mesh(selecting("a", "for-a"))
    labels = (("app", "b"), ("track", "x"))
    assert policy_labels(mesh.db, "shop", labels, HOST) == (("app", "b"),)
    assert policy_labels(mesh.db, "shop", labels, "other.prod.svc.cluster.local") == ()
    assert policy_labels(mesh.db, "prod", labels, HOST) == ()


def test_case_18_rules_for_one_host_merge() -> None:
    first = rule(
        f"{{host: {HOST}, subsets: [{{name: v1, labels: {{version: '1'}}}}], trafficPolicy: {{retryBudget: {{}}}}}}",
        name="first",
        namespace="shop",
    )
    second = rule(
        f"{{host: {HOST}, subsets: [{{name: v1}}, {{name: v2}}], trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}",
        name="second",
        namespace="shop",
        created="2026-02-01T00:00:00Z",
    )
    policy = effective_policy(Mesh(second, first).db, "shop", (), "prod", HOST)
    assert policy is not None
    assert [key.name for key in policy.sources] == ["first", "second"]
    assert [subset.name for subset in policy.subsets] == ["v1", "v2"]
    assert policy.subsets[0].labels == {"version": "1"}
    assert policy.traffic_policy is not None
    assert policy.traffic_policy.load_balancer is None


def test_case_18_rules_that_are_exported_differently_do_not_merge_and_the_youngest_wins() -> None:
    unset = rule(f"{{host: {HOST}, subsets: [{{name: v1}}]}}", name="unset", namespace="shop")
    public = rule(
        f"{{host: {HOST}, exportTo: ['*'], subsets: [{{name: v2}}]}}",
        name="public",
        namespace="shop",
        created="2026-02-01T00:00:00Z",
    )
    policy = effective_policy(Mesh(unset, public).db, "shop", (), "prod", HOST)
    assert policy is not None
    assert [subset.name for subset in policy.subsets] == ["v2"]


def policy(name: str, *, export: tuple[str, ...] = (), selector: Labels | None = None) -> DestinationPolicy:
    """A policy before merging."""
    key = ObjectKey(Kind.DESTINATION_RULE, "shop", name)
    return DestinationPolicy(sources=(key,), export=frozenset(export), selector=selector)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([policy("a"), policy("b")], [["a", "b"]]),
        ([policy("a"), policy("b", export=("*",)), policy("c")], [["a", "c"], ["b"]]),
        ([policy("a", export=(".",), selector=(("x", "1"),)), policy("b")], [["a"], ["b"]]),
        (
            [policy("a", export=(".",), selector=(("x", "1"),)), policy("b", export=(".",), selector=(("x", "2"),))],
            [["a"], ["b"]],
        ),
        # A private rule without selector refines those with one, and stays in force for all other proxies.
        ([policy("a", export=(".",), selector=(("x", "1"),)), policy("b", export=(".",))], [["a", "b"], ["b"]]),
    ],
)
def test_which_rules_merge(policies: list[DestinationPolicy], expected: list[list[str]]) -> None:
    assert [[key.name for key in merged.sources] for merged in merge_policies(policies)] == expected


SPEC = {
    "host": "a.com",
    "trafficPolicy": {
        "loadBalancer": {"simple": "RANDOM"},
        "connectionPool": {"tcp": {"maxConnections": 1}},
        "tls": {"mode": "SIMPLE"},
        "tunnel": {"targetHost": "t", "targetPort": 1},
        "proxyProtocol": {},
        "retryBudget": {},
        "portLevelSettings": [{"port": {"number": 81}, "outlierDetection": {}}],
    },
    "subsets": [
        {"name": "plain"},
        {"name": "pool", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 2}}}},
        {
            "name": "ported",
            "trafficPolicy": {
                "loadBalancer": {"simple": "ROUND_ROBIN"},
                "portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "DISABLE"}}],
            },
        },
    ],
}


@pytest.mark.parametrize(
    ("port", "subset", "blocks"),
    [
        (80, "", {"load_balancer", "connection_pool", "tls", "tunnel", "proxy_protocol", "retry_budget"}),
        (81, "", {"outlier_detection"}),
        (80, "unknown", {"load_balancer", "connection_pool", "tls", "tunnel", "proxy_protocol", "retry_budget"}),
        (80, "plain", {"load_balancer", "connection_pool", "tls", "tunnel", "proxy_protocol", "retry_budget"}),
        (81, "pool", {"outlier_detection", "connection_pool"}),
        (80, "ported", {"tls", "tunnel", "proxy_protocol", "retry_budget"}),
        (81, "ported", {"outlier_detection", "load_balancer"}),
    ],
)
def test_cases_20_and_21_composition(port: int, subset: str, blocks: set[str]) -> None:
    spec, violations = decode_record(SPEC, DestinationRuleSpec)
    assert spec is not None, violations
    merged = DestinationPolicy(sources=(), export=frozenset(), traffic_policy=spec.traffic_policy, subsets=spec.subsets)
    composed = policy_for(merged, port, subset)
    assert {name for name in composed.__struct_fields__ if getattr(composed, name) is not None} == blocks
    if (port, subset) == (80, "ported"):
        assert composed.tls is not None
        assert composed.tls.mode == "DISABLE"


def test_defaults_of_the_mesh_fill_whole_blocks() -> None:
    settings = {"connectionPool": {"tcp": {"maxConnections": 9}}, "outlierDetection": {}}
    defaults, _ = decode_record(settings, DefaultTrafficPolicy)
    spec, _ = decode_record(SPEC, DestinationRuleSpec)
    assert spec is not None
    merged = DestinationPolicy(sources=(), export=frozenset(), traffic_policy=spec.traffic_policy)
    composed = policy_for(merged, 80, "", defaults)
    assert composed.connection_pool == spec.traffic_policy.connection_pool  # type: ignore[union-attr]
    assert composed.outlier_detection is not None
    assert policy_for(None, 80, "", defaults).connection_pool == defaults.connection_pool  # type: ignore[union-attr]


def test_patterns_of_a_part_of_the_first_label() -> None:
    def connections(mesh: Mesh, host: str) -> int:
        found = effective_policy(mesh.db, "default", (), "default", host)
        assert found is None or found.traffic_policy is not None
        return 0 if found is None else len(found.sources[0].name)

    policy = "trafficPolicy: {loadBalancer: {simple: RANDOM}}"
    mesh = Mesh(
        rule(f"{{host: '*-a.example.com', {policy}}}", name="a"),
        rule(f"{{host: '*.example.com', {policy}}}", name="bb"),
        rule(f"{{host: 'x-a.example.com', {policy}}}", name="ccc"),
    )
    assert connections(mesh, "x-a.example.com") == 3
    assert connections(mesh, "y-a.example.com") == 1
    assert connections(mesh, "a.example.com") == 2
    assert connections(mesh, "a.other.com") == 0
    mesh.add(rule(f"{{host: '*', {policy}}}", name="dddd"))
    assert connections(mesh, "a.other.com") == connections(mesh, "*.other.com") == connections(mesh, "short") == 4


def test_a_rule_for_a_suffix_costs_nothing_elsewhere() -> None:
    mesh = Mesh(rule("host: '*.example.com'"))
    hosts = [f"web-{number}.default.svc.cluster.local" for number in range(20)]

    def policies() -> list[object]:
        return [effective_policy(mesh.db, "default", (), "default", host) for host in hosts]

    policies()
    mesh.db.runs.clear()
    mesh.add(rule("host: '*.other.com'", name="other"))
    assert policies() == [None] * 20
    assert not mesh.db.runs
