"""The outbound tables of sidecars, from objects to Envoy."""

import random

import pytest
import yaml

from tests.unit.translator.mesh_kit import writes
from tests.unit.translator.routes.tables import (
    clusters_of,
    database,
    domains_of,
    networking,
    references,
    resource,
    service,
    service_entry,
    sidecar,
    table,
    tree,
    virtual_service,
)
from translator.model.proxy import Capture, IpFamilies, ViewKey
from translator.objects.mesh_config import MeshConfig, MeshOutboundTrafficPolicy
from translator.objects.sidecar import OutboundTrafficMode
from xds.resource import Reference
from xds.types import CLUSTER

ECHO = service("echo", "http-8123", clusterIP="10.0.0.1")
ECHO_HOST = "echo.default.svc.cluster.local"
REGISTRY_ONLY = MeshConfig(outbound_traffic_policy=MeshOutboundTrafficPolicy())


def to(host: str, *hosts: str, match: str = "[]") -> str:
    """A VirtualService's specification that sends the hosts to one destination."""
    rule = {"match": yaml.safe_load(match), "route": [{"destination": {"host": host}}]}
    return yaml.safe_dump({"hosts": list(hosts), "http": [rule]})


def test_case_01_a_service_has_its_names_and_addresses_as_domains() -> None:
    db = database(ECHO)
    forms = [ECHO_HOST, f"{ECHO_HOST}."]
    assert domains_of(table(db, sidecar(), "8123")) == {
        f"{ECHO_HOST}:8123": [*forms, "echo", "echo.default.svc", "echo.default", "10.0.0.1"],
        "allow_any": ["*"],
    }
    assert domains_of(table(db, sidecar("mesh"), "8123"))[f"{ECHO_HOST}:8123"] == [
        *forms,
        "echo.default",
        "echo.default.svc",
        "10.0.0.1",
    ]


def test_a_service_without_rules_has_its_default_route() -> None:
    (route,) = table(database(ECHO), sidecar(), "8123").virtual_hosts[0].routes
    assert tree(route) == {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": f"{ECHO_HOST}:8123/*"},
        "route": {
            "cluster": f"outbound|8123||{ECHO_HOST}",
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
            "retry_policy": tree(route.route.retry_policy),
        },
    }


def test_the_settings_of_a_table() -> None:
    built = tree(table(database(ECHO), sidecar(), "8123"))
    assert {name: value for name, value in built.items() if name != "virtual_hosts"} == {
        "name": "8123",
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1048576,
        "ignore_port_in_host_matching": True,
    }
    assert all(each["include_request_attempt_count"] for each in built["virtual_hosts"])


def test_attempts_are_not_counted_where_the_mesh_says_so() -> None:
    mesh = MeshConfig(default_config={"proxyHeaders": {"attemptCount": {"disabled": True}}})
    built = tree(table(database(ECHO, mesh=mesh), sidecar(), "8123"))
    assert not any("include_request_attempt_count" in each for each in built["virtual_hosts"])


def test_case_02_families_and_headless_services() -> None:
    dual = service("dual", "http-80", clusterIP="10.0.0.2", clusterIPs=["10.0.0.2", "2001:db8::2"])
    headless = service("db", "http-80", clusterIP="None", namespace="prod")
    db = database(dual, headless, service_entry("none", ["none.com"], "HTTP-80", resolution="NONE"))
    hosts = domains_of(table(db, sidecar(families=IpFamilies.DUAL), "80"))
    assert hosts["dual.default.svc.cluster.local:80"][-2:] == ["10.0.0.2", "[2001:db8::2]"]
    assert "*.db.prod" in hosts["db.prod.svc.cluster.local:80"]
    assert hosts["none.com:80"] == ["none.com", "none.com."]
    only_v4 = domains_of(table(db, sidecar(), "80"))["dual.default.svc.cluster.local:80"]
    assert "10.0.0.2" in only_v4
    assert "[2001:db8::2]" not in only_v4


def test_case_03_a_real_service_keeps_its_name_and_a_rule_takes_a_short_one() -> None:
    db = database(
        service("test", "http-80"),
        service_entry("short", ["test"], "HTTP-80"),
        virtual_service("rule", to(ECHO_HOST, "test.default")),
    )
    hosts = domains_of(table(db, sidecar(), "80"))
    assert hosts["test:80"] == ["test", "test."]
    assert hosts["test.default:80"] == ["test.default"]
    assert hosts["test.default.svc.cluster.local:80"] == [
        "test.default.svc.cluster.local",
        "test.default.svc.cluster.local.",
        "test.default.svc",
    ]


def test_case_04_a_wildcard_service_entry() -> None:
    db = database(service_entry("wild", ["*.example.com"], "HTTP-80"))
    built = table(db, sidecar(), "80")
    assert domains_of(built)["*.example.com:80"] == ["*.example.com", "*.example.com."]
    assert clusters_of(built)["*.example.com:80"] == ["outbound|80||*.example.com"]


@pytest.mark.parametrize(
    ("policy", "mesh", "name", "action"),
    [
        ("{}", MeshConfig(), "allow_any", "PassthroughCluster"),
        ("{}", REGISTRY_ONLY, "block_all", "direct_response"),
        ("{outboundTrafficPolicy: {}}", MeshConfig(), "block_all", "direct_response"),
        ("{outboundTrafficPolicy: {mode: ALLOW_ANY}}", REGISTRY_ONLY, "allow_any", "PassthroughCluster"),
        (
            "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: p.com, subset: s, port: {number: 3128}}}}",
            REGISTRY_ONLY,
            "allow_any",
            "outbound|3128|s|p.com",
        ),
        (
            "{}",
            MeshConfig(
                outbound_traffic_policy=MeshOutboundTrafficPolicy(mode=OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS)
            ),
            "allow_any_dynamic_dns",
            "AllowAnyDynamicDNSCluster",
        ),
    ],
)
def test_case_05_unknown_hosts(policy: str, mesh: MeshConfig, name: str, action: str) -> None:
    built = table(database(ECHO, networking("Sidecar", "default", policy), mesh=mesh), sidecar(), "8123")
    last = built.virtual_hosts[-1]
    assert (last.name, list(last.domains), last.routes[0].name) == (name, ["*"], name)
    assert clusters_of(built)[name] == [action]
    if action == "direct_response":
        assert last.routes[0].direct_response.status == 502
    else:
        assert not last.routes[0].route.HasField("retry_policy")


def test_case_06_a_detected_port_of_one_service_takes_any_host() -> None:
    db = database(service("b", "foo-7000", namespace="a", clusterIP="10.0.0.3"))
    built = table(db, sidecar(), "b.a.svc.cluster.local:7000")
    assert domains_of(built) == {"b.a.svc.cluster.local:7000": ["*"]}
    assert clusters_of(built) == {"b.a.svc.cluster.local:7000": ["outbound|7000||b.a.svc.cluster.local"]}


def test_case_06_rules_apply_to_a_detected_port_too() -> None:
    db = database(
        service("b", "foo-7000", clusterIP="10.0.0.3"), virtual_service("rule", to("c", "b.default.svc.cluster.local"))
    )
    built = table(db, sidecar(), "b.default.svc.cluster.local:7000")
    assert clusters_of(built) == {"b.default.svc.cluster.local:7000": ["outbound|7000||c.default.svc.cluster.local"]}


def test_case_07_a_table_of_all_ports() -> None:
    db = database(
        service_entry("test", ["test.com"], "HTTP-80", "HTTP-81", "TCP-82"), mesh=MeshConfig(proxy_http_port=15007)
    )
    built = table(db, sidecar(), "http_proxy")
    assert domains_of(built) == {
        "test.com:80": ["test.com", "test.com:80", "test.com.", "test.com.:80"],
        "test.com:81": ["test.com:81", "test.com.:81"],
        "allow_any": ["*"],
    }
    assert clusters_of(built)["test.com:81"] == ["outbound|81||test.com"]
    assert not built.ignore_port_in_host_matching


def test_case_08_the_oldest_rule_of_a_host_wins_unless_a_younger_is_private() -> None:
    older = virtual_service("older", to("a", "echo"), created="2024-01-01T00:00:00Z")
    younger = virtual_service("younger", to("b", "echo"), created="2024-02-01T00:00:00Z")
    db = database(ECHO, older, younger)
    host = f"{ECHO_HOST}:8123"
    assert clusters_of(table(db, sidecar(), "8123"))[host] == ["outbound|8123||a.default.svc.cluster.local"]

    spec = yaml.safe_dump(yaml.safe_load(to("b", "echo")) | {"exportTo": ["."]})
    db.apply(writes(virtual_service("younger", spec, created="2024-02-01T00:00:00Z")))
    assert clusters_of(table(db, sidecar(), "8123"))[host] == ["outbound|8123||b.default.svc.cluster.local"]

    db = database(ECHO, younger)
    assert clusters_of(table(db, sidecar(), "8123"))[host] == ["outbound|8123||b.default.svc.cluster.local"]


def test_case_09_only_the_most_specific_pattern_applies_to_a_service() -> None:
    db = database(
        service_entry("se", ["goodbye.hello.example.org"], "HTTP-81"),
        virtual_service("wide", to("a", "*.example.org"), created="2024-01-01T00:00:00Z"),
        virtual_service("near", to("b", "*.hello.example.org"), created="2024-02-01T00:00:00Z"),
    )
    assert clusters_of(table(db, sidecar(), "81"))["goodbye.hello.example.org:81"] == [
        "outbound|81||b.default.svc.cluster.local"
    ]


def test_case_09_a_more_specific_rule_without_routes_leaves_the_default() -> None:
    exact = to("a", "goodbye.example.org", match="[{port: 9999}]")
    db = database(
        service_entry("se", ["goodbye.example.org"], "HTTP-81"),
        virtual_service("wide", to("b", "*.example.org")),
        virtual_service("near", exact),
    )
    assert clusters_of(table(db, sidecar(), "81"))["goodbye.example.org:81"] == ["outbound|81||goodbye.example.org"]


def test_case_09_hosts_that_no_service_has_are_known_on_port_80_alone() -> None:
    db = database(
        service("web", "http-80", "http-8080"),
        virtual_service("rule", to("web", "www.example.com", "*.wild.com")),
    )
    hosts = domains_of(table(db, sidecar(), "80"))
    assert (hosts["www.example.com:80"], hosts["*.wild.com:80"]) == (["www.example.com"], ["*.wild.com"])
    assert "www.example.com:8080" not in domains_of(table(db, sidecar(), "8080"))


def test_a_host_without_service_goes_along_with_a_service_of_its_rule() -> None:
    db = database(service("web", "http-8080"), virtual_service("rule", to("web", "web", "www.example.com")))
    assert domains_of(table(db, sidecar(), "8080"))["www.example.com:8080"] == ["www.example.com"]


def test_a_rule_that_lost_a_service_keeps_its_other_hosts() -> None:
    db = database(
        service("web", "http-8080"),
        virtual_service("older", to("a", "web"), created="2024-01-01T00:00:00Z"),
        virtual_service("younger", to("b", "web", "www.example.com"), created="2024-02-01T00:00:00Z"),
    )
    found = clusters_of(table(db, sidecar(), "8080"))
    assert found["web.default.svc.cluster.local:8080"] == ["outbound|8080||a.default.svc.cluster.local"]
    assert found["www.example.com:8080"] == ["outbound|8080||b.default.svc.cluster.local"]


def test_case_10_a_sidecar_imports_rules_by_their_namespace() -> None:
    rule = virtual_service("rule", to("x", "web.prod.svc.cluster.local"), namespace="cfg")
    web = service("web", "http-80", namespace="prod")
    host = "web.prod.svc.cluster.local:80"
    only = networking("Sidecar", "default", "egress: [{hosts: [prod/*]}]")
    assert clusters_of(table(database(web, rule, only), sidecar(), "80"))[host] == [f"outbound|80||{host[:-3]}"]
    both = networking("Sidecar", "default", "egress: [{hosts: [prod/*, cfg/*]}]")
    assert clusters_of(table(database(web, rule, both), sidecar(), "80"))[host] == [
        "outbound|80||x.cfg.svc.cluster.local"
    ]


def test_case_11_pods_with_other_labels_get_other_routes() -> None:
    db = database(ECHO, virtual_service("rule", to("x", "echo", match="[{sourceLabels: {app: a}}]")))
    host = f"{ECHO_HOST}:8123"
    chosen = sidecar(labels=(("app", "a"),))
    other = sidecar(labels=(("app", "b"),))
    assert clusters_of(table(db, chosen, "8123"))[host] == ["outbound|8123||x.default.svc.cluster.local"]
    assert clusters_of(table(db, other, "8123"))[host] == [f"outbound|8123||{ECHO_HOST}"]


def test_labels_split_only_the_tables_whose_rules_select_by_them() -> None:
    db = database(
        ECHO, service("web", "http-81"), virtual_service("rule", to("x", "echo", match="[{sourceLabels: {app: a}}]"))
    )
    one, other = sidecar(labels=(("app", "a"),)), sidecar(labels=(("app", "b"),))
    assert references(db, one)["81"].args == references(db, sidecar())["81"].args
    assert references(db, one)["8123"].args != references(db, other)["8123"].args


def test_case_12_a_match_for_another_port_leaves_the_rest_of_its_rule() -> None:
    db = database(
        service("web", "http-80"), virtual_service("rule", to("a", "web", match="[{port: 8080}, {port: 80}]"))
    )
    assert len(table(db, sidecar(), "80").virtual_hosts[0].routes) == 1


def test_case_14_the_default_port_of_a_destination_is_the_listeners() -> None:
    db = database(
        service("web", "http-9080"),
        service("other", "http-8080"),
        virtual_service("rule", to("other", "web")),
    )
    assert clusters_of(table(db, sidecar(), "9080"))["web.default.svc.cluster.local:9080"] == [
        "outbound|9080||other.default.svc.cluster.local"
    ]


def test_case_15_a_subset_that_nobody_defines_is_named_all_the_same() -> None:
    spec = "{hosts: [echo], http: [{route: [{destination: {host: echo, subset: v9}}]}]}"
    db = database(ECHO, virtual_service("rule", spec))
    assert clusters_of(table(db, sidecar(), "8123"))[f"{ECHO_HOST}:8123"] == [f"outbound|8123|v9|{ECHO_HOST}"]


def test_case_23_hashing_applies_with_and_without_a_rule() -> None:
    hashing = "{host: echo, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}}"
    db = database(ECHO, networking("DestinationRule", "dr", hashing))
    policy = [{"header": {"header_name": "x"}}]

    def route_action() -> dict[str, object]:
        action: dict[str, object] = tree(table(db, sidecar(), "8123").virtual_hosts[0].routes[0].route)
        return action

    plain = route_action()
    assert plain["hash_policy"] == policy
    assert "retry_host_predicate" in str(plain)
    db.apply(writes(virtual_service("rule", to("echo", "echo"))))
    ruled = route_action()
    assert ruled["hash_policy"] == policy
    assert "retry_host_predicate" not in str(ruled)


def test_case_31_aliases_lead_to_the_target() -> None:
    alias = service("alias", "http-8123", type="ExternalName", externalName=ECHO_HOST)
    second = service("second", "http-8123", type="ExternalName", externalName="alias.default.svc.cluster.local")
    unknown = service("unknown", "http-8123", type="ExternalName", externalName="nowhere.com")
    db = database(ECHO, alias, second, unknown, service("web", "http-8123"))
    hosts = domains_of(table(db, sidecar(), "8123"))
    assert {"alias.default.svc.cluster.local", "alias", "second"} <= set(hosts[f"{ECHO_HOST}:8123"])
    assert not any(name.startswith(("alias", "second", "unknown")) for name in hosts)

    db.apply(writes(virtual_service("rule", to("second", "web"))))
    db.apply(writes(virtual_service("other", to("unknown", "www.example.com"))))
    found = clusters_of(table(db, sidecar(), "8123"))
    assert found["web.default.svc.cluster.local:8123"] == [f"outbound|8123||{ECHO_HOST}"]
    spec = to("unknown", "web")
    db.apply(writes(virtual_service("rule", spec)))
    found = clusters_of(table(db, sidecar(), "8123"))
    assert found["web.default.svc.cluster.local:8123"] == ["outbound|8123||nowhere.com"]


def test_case_31_aliases_of_each_other_mean_nothing() -> None:
    one = service("one", "http-80", type="ExternalName", externalName="two.default.svc.cluster.local")
    two = service("two", "http-80", type="ExternalName", externalName="one.default.svc.cluster.local")
    db = database(one, two, service("web", "http-80"), virtual_service("rule", to("one", "web")))
    assert set(domains_of(table(db, sidecar(), "80"))) == {"web.default.svc.cluster.local:80", "allow_any"}


def test_case_31_a_rule_may_name_an_alias() -> None:
    alias = service("alias", "http-8123", type="ExternalName", externalName=ECHO_HOST)
    db = database(ECHO, alias, virtual_service("rule", to("x", "alias")))
    built = table(db, sidecar(), "8123")
    assert clusters_of(built)["alias.default.svc.cluster.local:8123"] == ["outbound|8123||x.default.svc.cluster.local"]
    assert "alias" not in domains_of(built)[f"{ECHO_HOST}:8123"]


def test_case_31_the_order_of_writes_does_not_matter() -> None:
    texts = [
        ECHO,
        service("web", "http-8123", namespace="other"),
        service_entry("se", ["echo", "b.com", "*.b.com"], "HTTP-80"),
        virtual_service("one", to("web", "echo", "www.example.com")),
        virtual_service("two", to("echo", "www.example.com", "*.b.com")),
        virtual_service("three", "{hosts: [b.com], http: [{match: [{headers: {b: {}, a: {}}}], route: []}]}"),
    ]
    expected = None
    for seed in range(5):
        shuffled = random.Random(seed).sample(texts, len(texts))
        db = database(*shuffled)
        bodies = {name: resource(db, sidecar(), name).body for name in references(db, sidecar())}
        expected = expected or bodies
        assert bodies == expected


def test_references_are_the_clusters_that_requests_can_go_to() -> None:
    spec = (
        "{hosts: [echo], http: [{route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1}], "
        "mirror: {host: m}}]}"
    )
    db = database(ECHO, virtual_service("rule", spec))
    names = [f"outbound|8123||{name}.default.svc.cluster.local" for name in ("a", "b", "m")]
    assert resource(db, sidecar(), "8123").references == tuple(
        Reference(CLUSTER, name) for name in ["PassthroughCluster", *names]
    )


def test_a_listener_of_a_sidecar_has_tables_of_its_own() -> None:
    db = database(
        service("a", "http-80", "http-9000"),
        service("b", "tcp-9000"),
        networking(
            "Sidecar",
            "default",
            "egress: [{port: {number: 9000, protocol: HTTP, name: h}, hosts: ['./a.default.svc.cluster.local']}, "
            "{port: {number: 15080, protocol: HTTP_PROXY, name: p}, hosts: ['./*']}, "
            "{port: {number: 0, protocol: HTTP, name: u}, bind: 'unix:///run/x', "
            "hosts: ['./a.default.svc.cluster.local']}, "
            "{hosts: ['./*']}]",
        ),
    )
    assert set(references(db, sidecar())) == {"9000", "15080", "unix:///run/x", "80"}
    assert set(domains_of(table(db, sidecar(), "9000"))) == {"a.default.svc.cluster.local:9000", "allow_any"}
    everything = {"a.default.svc.cluster.local:80", "a.default.svc.cluster.local:9000", "allow_any"}
    assert set(domains_of(table(db, sidecar(), "15080"))) == everything
    assert set(domains_of(table(db, sidecar(), "unix:///run/x"))) == everything
    assert not table(db, sidecar(), "unix:///run/x").ignore_port_in_host_matching


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (sidecar(), {"80", "81", "vip.default.svc.cluster.local:7000", "db.default.svc.cluster.local:7002", "82"}),
        (sidecar(capture=Capture.NONE), {"80", "81", "82", "7000", "7002"}),
    ],
)
def test_names_follow_from_how_listeners_tell_services_apart(view: ViewKey, expected: set[str]) -> None:
    db = database(
        service("web", "http-80", "tcp-6000"),
        service("grpc", "grpc-81"),
        service("vip", "foo-7000", "udp-7001", clusterIP="10.0.0.4"),
        service("db", "foo-7002", clusterIP="None"),
        service_entry("no-address", ["x.com"], "FOO-82", resolution="STATIC"),
        service_entry("tcp", ["y.com"], "TCP-83"),
    )
    assert set(references(db, view)) == expected


def test_a_rule_without_http_leaves_the_default() -> None:
    spec = "{hosts: [echo], tcp: [{route: [{destination: {host: x}}]}]}"
    db = database(ECHO, virtual_service("rule", spec))
    assert clusters_of(table(db, sidecar(), "8123"))[f"{ECHO_HOST}:8123"] == [f"outbound|8123||{ECHO_HOST}"]
