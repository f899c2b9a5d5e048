"""Requests through gateways and services with routes of the Gateway API, as what they come to."""

from typing import Any

import msgspec
import pytest
import yaml

from tests.simulation.stage import GATEWAY, SIDECAR, Stage
from tests.simulation.test_cases import running
from tests.unit.translator.routes.tables import virtual_service

EDGE = msgspec.structs.replace(GATEWAY, labels=(("gateway.networking.k8s.io/gateway-name", "front"),))
WEB = "outbound|80||web.default.svc.cluster.local"


def kubernetes(kind: str, name: str, spec: str, namespace: str = "default", version: str = "v1", **more: str) -> str:
    metadata = {"name": name, "namespace": namespace, **more}
    api_version = f"gateway.networking.k8s.io/{version}"
    return yaml.safe_dump({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": yaml.safe_load(spec)})


def gateway(*listeners: str, **more: str) -> str:
    entries = [
        {"port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}, **yaml.safe_load(each)}
        for each in listeners
    ]
    spec = yaml.safe_dump({"gatewayClassName": "istio", "listeners": entries})
    return kubernetes("Gateway", "front", spec, "edge", **more)


def route(name: str, rules: str, *, hosts: str = "[a.com]", parent: str = "{}", **more: str) -> str:
    parents = [{"name": "front", "namespace": "edge", **yaml.safe_load(parent)}]
    spec: dict[str, Any] = {"parentRefs": parents, "hostnames": yaml.safe_load(hosts), "rules": yaml.safe_load(rules)}
    return kubernetes("HTTPRoute", name, yaml.safe_dump(spec), **more)


def mesh_route(name: str, rules: str, parent: str = "{}", **more: str) -> str:
    parents = [{"group": "", "kind": "Service", "name": "web", "namespace": "default", **yaml.safe_load(parent)}]
    return kubernetes(
        "HTTPRoute", name, yaml.safe_dump({"parentRefs": parents, "rules": yaml.safe_load(rules)}), **more
    )


def stage(*texts: str) -> Stage:
    return Stage(running("web"), running("api"), gateway("{name: http}"), *texts)


def to(name: str, match: str = "") -> str:
    """A rule that sends to a service."""
    return f"{{matches: [{match}], backendRefs: [{{name: {name}, port: 80}}]}}"


def cluster(name: str, namespace: str = "default") -> str:
    return f"outbound|80||{name}.{namespace}.svc.cluster.local"


def test_case_13_a_prefix_of_an_http_route_is_a_whole_segment_and_one_of_a_virtual_service_is_not() -> None:
    rules = f"[{to('web', '{path: {value: /foo}}')}]"
    attached = stage(route("r", rules), mesh_route("m", rules))
    for proxy, host in ((EDGE, "a.com"), (SIDECAR, "web")):
        called = {path: attached.call(host, path, proxy=proxy) for path in ("/foo", "/foo/", "/foo/x", "/foo?q=1")}
        assert set(called.values()) == {WEB}, called
        assert attached.call(host, "/foobar", proxy=proxy) == "404 NR"
    spec = "{hosts: [web], http: [{match: [{uri: {prefix: /foo}}], route: [{destination: {host: web}}]}]}"
    plain = Stage(running("web"), virtual_service("v", spec))
    assert plain.call("web", "/foobar") == WEB


def test_case_15_a_backend_that_is_missing_answers_500_for_its_share() -> None:
    assert stage(route("r", f"[{to('missing')}]")).call("a.com", proxy=EDGE) == "500 NC"
    assert stage(mesh_route("m", f"[{to('missing')}]")).call("web") == "500 NC"
    half = "[{backendRefs: [{name: web, port: 80}, {name: missing, port: 80}]}]"
    assert stage(route("r", half)).call("a.com", proxy=EDGE) == f"{WEB} 50%, 500 NC 50%"
    spec = "{hosts: [web], http: [{route: [{destination: {host: missing}}]}]}"
    assert Stage(running("web"), virtual_service("v", spec)).call("web") == "503 NC"


@pytest.mark.parametrize("backends", ["[]", "[{name: web, port: 80, weight: 0}]"])
def test_without_any_weight_every_request_gets_500(backends: str) -> None:
    assert stage(route("r", f"[{{backendRefs: {backends}}}]")).call("a.com", proxy=EDGE) == "500"


def test_the_best_match_comes_first_whatever_the_order() -> None:
    redirect = "{type: RequestRedirect, requestRedirect: {hostname: exact.com}}"
    rules = ", ".join(
        [
            to("web"),
            to("web", "{path: {type: RegularExpression, value: '/.*y'}}"),
            f"{{matches: [{{path: {{type: Exact, value: /x}}}}], filters: [{redirect}]}}",
            to("api", "{path: {value: /longer}}"),
            to("api", "{headers: [{name: v, value: '2'}]}"),
        ]
    )
    front = stage(route("r", f"[{rules}]"))
    assert front.call("a.com", "/x", proxy=EDGE) == "302 http://exact.com/x"
    assert front.call("a.com", "/longer/y", proxy=EDGE) == cluster("api")
    assert front.call("a.com", "/any", proxy=EDGE) == WEB
    assert front.call("a.com", "/any", proxy=EDGE, headers=(("v", "2"),)) == cluster("api")


def test_among_equal_matches_the_older_route_wins_then_the_name() -> None:
    ages = ("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z")
    old, new = (
        route(name, f"[{to(name)}]", creationTimestamp=age) for name, age in zip(("web", "api"), ages, strict=True)
    )
    assert stage(old, new).call("a.com", proxy=EDGE) == cluster("api")
    assert stage(route("a", f"[{to('api')}]"), route("b", f"[{to('web')}]")).call("a.com", proxy=EDGE) == cluster("api")


def test_requests_reach_the_routes_of_the_most_specific_listener_alone() -> None:
    hosts = ("", "*.ex.com", "*.foo.ex.com", "abc.foo.ex.com")
    listeners = [f"{{name: l{index}, hostname: '{host}'}}" for index, host in enumerate(hosts)]
    routes = [
        route(f"r{index}", f"[{{matches: [{{path: {{value: /{index}}}}}], backendRefs: [{{name: web, port: 80}}]}}]",
              hosts="[]", parent=f"{{sectionName: l{index}}}")
        for index in range(len(hosts))
    ]  # fmt: skip
    front = Stage(running("web"), gateway(*listeners), *routes)
    for index, host in enumerate(("other.com", "a.ex.com", "x.foo.ex.com", "abc.foo.ex.com")):
        answers = [front.call(host, f"/{path}", proxy=EDGE) for path in range(len(hosts))]
        assert answers == [WEB if path == index else "404 NR" for path in range(len(hosts))], host


def test_a_listener_without_routes_keeps_its_hosts_from_less_specific_ones() -> None:
    front = Stage(
        running("web"),
        gateway("{name: all}", "{name: foo, hostname: '*.foo.com'}"),
        route("r", f"[{to('web')}]", hosts="['*.com']", parent="{sectionName: all}"),
    )
    assert front.call("bar.com", proxy=EDGE) == WEB
    assert front.call("x.foo.com", proxy=EDGE) == "404"


def test_a_route_is_served_for_the_hosts_that_it_shares_with_the_listener() -> None:
    front = Stage(
        running("web"),
        gateway("{name: one, hostname: very.specific.com}"),
        route("r", f"[{to('web')}]", hosts="['*.specific.com', other.com]"),
    )
    assert front.call("very.specific.com", proxy=EDGE) == WEB
    assert front.call("most.specific.com", proxy=EDGE) == front.call("other.com", proxy=EDGE) == "404 NR"


@pytest.mark.parametrize(
    ("filters", "path", "expected"),
    [
        ("requestRedirect: {scheme: https}", "/p/q", "302 https://a.com/p/q"),
        ("requestRedirect: {hostname: b.com, statusCode: 308}", "/p", "308 http://b.com/p"),
        ("requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}", "/p/q", "302 http://a.com/q"),
        ("requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /n}}", "/p/q", "302 http://a.com/n"),
        ("requestRedirect: {scheme: http, port: 8080}", "/p", "302 http://a.com:8080/p"),
    ],
)
def test_redirects(filters: str, path: str, expected: str) -> None:
    rule = f"{{matches: [{{path: {{value: /p}}}}], filters: [{{type: RequestRedirect, {filters}}}]}}"
    assert stage(route("r", f"[{rule}]")).call("a.com", path, proxy=EDGE) == expected


def test_routes_of_the_service_s_namespace_are_for_everybody_others_for_their_own() -> None:
    rules = "[{{matches: [{{path: {{value: /{0}}}}}], backendRefs: [{{name: web, namespace: default, port: 80}}]}}]"
    mesh = Stage(
        running("web"),
        mesh_route("producer", rules.format("producer")),
        mesh_route("consumer", rules.format("consumer"), namespace="other"),
    )
    host = "web.default.svc.cluster.local"
    other = msgspec.structs.replace(SIDECAR, namespace="other", dns_domain="other.svc.cluster.local")
    assert [mesh.call(host, path) for path in ("/producer", "/consumer")] == [WEB, "404 NR"]
    assert [mesh.call(host, path, proxy=other) for path in ("/producer", "/consumer")] == ["404 NR", WEB]


def test_a_route_for_one_port_of_a_service_leaves_the_others_alone() -> None:
    two = running("web", ports=[{"name": "http-80", "port": 80}, {"name": "http-81", "port": 81}])
    mesh = Stage(two, mesh_route("m", f"[{to('web', '{path: {value: /v1}}')}]", "{port: 80}"))
    assert mesh.call("web", "/other") == "404 NR"
    assert mesh.call("web", "/other", port=81) == "503 UH"


def test_a_gateway_of_another_class_is_left_to_others() -> None:
    foreign = kubernetes("GatewayClass", "istio", "{controllerName: example.com/other}")
    attached = stage(route("r", f"[{to('web')}]"))
    assert attached.call("a.com", proxy=EDGE) == WEB
    attached.add(foreign)
    assert attached.call("a.com", proxy=EDGE) == "refused"


def test_backends_of_other_namespaces_need_permission_and_lose_it_at_once() -> None:
    rules = "[{backendRefs: [{name: web, namespace: default, port: 80}]}]"
    attached = stage(route("r", rules, namespace="other"))
    assert attached.call("a.com", proxy=EDGE) == "500 NC"
    to_web = "to: [{group: '', kind: Service, name: web}]"
    source = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: %s}"
    attached.add(kubernetes("ReferenceGrant", "g", f"{{from: [{source % 'other'}], {to_web}}}", version="v1beta1"))
    assert attached.call("a.com", proxy=EDGE) == WEB
    attached.add(kubernetes("ReferenceGrant", "g", f"{{from: [{source % 'third'}], {to_web}}}", version="v1beta1"))
    assert attached.call("a.com", proxy=EDGE) == "500 NC"
