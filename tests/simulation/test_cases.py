"""The documented cases of routing, as what requests come to."""

import msgspec
import pytest

from tests.simulation.stage import GATEWAY, SIDECAR, Stage, tell
from tests.unit.translator.routes.tables import networking, service, service_entry, virtual_service
from translator.simulation.traffic import Connection, Request

EVERYTHING = "selector: {app: gw}\nservers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]"
OTHER = msgspec.structs.replace(SIDECAR, namespace="other", dns_domain="other.svc.cluster.local")


def endpoints(name: str, port: int, namespace: str = "default") -> str:
    """One ready endpoint of a Kubernetes Service, whose only port is called ``http-PORT``."""
    return (
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, "
        f"endpoints: [{{addresses: [10.1.0.{len(name)}]}}], ports: [{{name: http-{port}, port: {port}}}], "
        f"metadata: {{name: {name}-x, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}}}"
    )


def running(name: str, port: int = 80, namespace: str = "default", **spec: object) -> str:
    """A Kubernetes Service with an endpoint."""
    return f"{service(name, f'http-{port}', namespace=namespace, **spec)}\n---\n{endpoints(name, port, namespace)}"


def rule(name: str, hosts: str, http: str, **more: str) -> str:
    bound = more.pop("gateways", "[mesh]")
    return virtual_service(name, f"{{hosts: {hosts}, gateways: {bound}, http: {http}}}", **more)


def answering(body: str, match: str = "") -> str:
    """A rule that answers with a text."""
    return f"{{{match}directResponse: {{status: 200, body: {{string: {body}}}}}}}"


def test_case_01_the_short_names_of_a_service_work_in_its_namespace() -> None:
    stage = Stage(running("echo", 8123))
    cluster = "outbound|8123||echo.default.svc.cluster.local"
    for host in ("echo", "echo.default", "echo.default.svc", "ECHO.default.svc.cluster.local", "echo:8123"):
        assert stage.call(host, port=8123) == cluster
    assert stage.call("echo.default", port=8123, proxy=OTHER) == cluster
    assert stage.call("echo", port=8123, proxy=OTHER) == "PassthroughCluster"


def test_case_03_a_real_name_beats_a_derived_one() -> None:
    stage = Stage(running("test"), service_entry("entry", ["test"], "HTTP-80", resolution="STATIC"))
    assert stage.call("test") == "503 UH"
    assert stage.call("test.default") == "outbound|80||test.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("ALLOW_ANY", "PassthroughCluster"), ("REGISTRY_ONLY", "502")],
)
def test_case_05_unknown_hosts(policy: str, expected: str) -> None:
    assert Stage(running("a"), mesh={"outboundTrafficPolicy": {"mode": policy}}).call("unknown") == expected


def test_case_06_a_detected_port_takes_any_host() -> None:
    stage = Stage(service("a", "foo-7000", clusterIP="10.255.0.1"), service("b", "foo-7000", clusterIP="10.255.0.2"))
    assert stage.call("whatever", port=7000) == "503 UH"
    binary = stage.connect(SIDECAR, Connection(address="10.255.0.2", port=7000, intercepted=True))
    assert [step.found for step in binary[0].steps if step.what == "cluster"] == [
        "outbound|7000||b.default.svc.cluster.local"
    ]


def test_case_07_a_table_of_all_ports() -> None:
    stage = Stage(
        service_entry("entry", ["test.com"], "HTTP-80", "HTTP-81", resolution="NONE"), mesh={"proxyHttpPort": 15007}
    )

    def proxied(host: str) -> str:
        return tell(stage.connect(SIDECAR, Connection(address="127.0.0.1", port=15007), Request(host=host)))

    assert proxied("test.com") == proxied("test.com:80") == "outbound|80||test.com"
    assert proxied("test.com:81") == "outbound|81||test.com"
    assert proxied("test.com:82") == "PassthroughCluster"


def test_case_08_the_oldest_rule_wins_unless_a_younger_is_private() -> None:
    first = rule("a", "[echo]", f"[{answering('a', 'match: [{uri: {prefix: /a}}], ')}]")
    second = rule("b", "[echo]", f"[{answering('b')}]", created="2024-06-01T00:00:00Z")
    stage = Stage(running("echo"), first, second)
    assert [stage.call("echo", "/a"), stage.call("echo", "/b")] == ["a", "404 NR"]
    stage.add(second.replace("hosts:", "exportTo: ['.']\n  hosts:"))
    assert [stage.call("echo", "/a"), stage.call("echo", "/b")] == ["b", "b"]


def test_case_09_the_most_specific_rule_of_a_service() -> None:
    stage = Stage(
        service_entry("entry", ["goodbye.hello.example.org"], "HTTP-80", "HTTP-81", resolution="NONE"),
        rule("wide", "['*.example.org']", f"[{answering('wide')}]"),
        rule("narrow", "['*.hello.example.org']", f"[{answering('narrow')}]", created="2024-06-01T00:00:00Z"),
        rule("unknown", "[www.unknown.com]", f"[{answering('unknown')}]"),
    )
    assert stage.call("goodbye.hello.example.org") == "narrow"
    assert stage.call("www.unknown.com") == "unknown"
    assert stage.call("www.unknown.com", port=81) == "PassthroughCluster"


def test_case_09_patterns_whose_first_label_is_more_than_a_wildcard() -> None:
    stage = Stage(
        service_entry("entry", ["x-a.example.org", "a.example.org", "x.example.org"], "HTTP-81", resolution="NONE"),
        rule("wide", "['*.example.org']", f"[{answering('wide')}]"),
        rule("narrow", "['*-a.example.org']", f"[{answering('narrow')}]"),
    )
    hosts = ("x-a.example.org", "a.example.org", "x.example.org")
    assert [stage.call(host, port=81) for host in hosts] == ["narrow", "wide", "wide"]


def test_case_10_whom_a_rule_is_exported_to() -> None:
    private = rule("private", "[a.com]", f"[{answering('private')}]", gateways="[edge/web]").replace(
        "gateways:", "exportTo: ['.']\n  gateways:"
    )
    stage = Stage(networking("Gateway", "web", EVERYTHING, namespace="edge"), private)
    assert stage.call("a.com", proxy=GATEWAY) == "404 NR"
    stage.add(private.replace("exportTo: ['.']", "exportTo: ['*']"))
    assert stage.call("a.com", proxy=GATEWAY) == "private"


def test_case_11_the_labels_of_the_caller() -> None:
    labelled = answering("special", "match: [{sourceLabels: {app: special}}], ")
    stage = Stage(running("echo"), rule("r", "[echo]", f"[{labelled}]"))
    special = msgspec.structs.replace(SIDECAR, labels=(("app", "special"),))
    assert stage.call("echo", proxy=special) == "special"
    assert stage.call("echo") == "outbound|80||echo.default.svc.cluster.local"


def test_case_12_order_and_ports_of_matches() -> None:
    http = (
        f"[{answering('one', 'match: [{uri: {prefix: /a}}, {uri: {prefix: /b}, port: 8080}], ')}, {answering('two')}, "
        f"{answering('never')}]"
    )
    stage = Stage(running("echo"), rule("r", "[echo]", http))
    assert [stage.call("echo", path) for path in ("/a", "/b", "/c")] == ["one", "two", "two"]


@pytest.mark.parametrize(
    ("match", "path", "headers", "matches"),
    [
        ("headers: {x: {exact: v}}", "/", [("x", "v")], True),
        ("headers: {x: {exact: v}}", "/", [], False),
        ("headers: {x: {prefix: v}}", "/", [("x", "vw")], True),
        ("headers: {x: {regex: 'v+'}}", "/", [("x", "vvw")], False),
        ("headers: {x: {}}", "/", [("x", "")], True),
        ("headers: {x: {}}", "/", [], False),
        ("withoutHeaders: {x: {exact: v}}", "/", [], True),
        ("withoutHeaders: {x: {exact: v}}", "/", [("x", "v")], False),
        ("withoutHeaders: {x: {}}", "/", [("x", "w")], False),
        ("withoutHeaders: {x: {regex: '.*'}}", "/", [], False),
        ("uri: {prefix: /foo}", "/foobar", [], True),
        ("uri: {prefix: /foo}", "/FOO", [], False),
        ("uri: {prefix: /foo}, ignoreUriCase: true", "/FOO", [], True),
        ("uri: {exact: /foo}", "/foo?x=y", [], True),
        ("uri: {regex: '/f.+'}", "/foo?x=y", [], True),
        ("queryParams: {q: {exact: '1'}}", "/?q=1", [], True),
        ("queryParams: {q: {exact: '1'}}", "/?q=12", [], False),
        ("queryParams: {q: {}}", "/?q", [], True),
        ("method: {exact: POST}", "/", [], False),
        ("authority: {exact: echo}", "/", [], True),
    ],
)
def test_case_13_matches(match: str, path: str, headers: list[tuple[str, str]], *, matches: bool) -> None:
    stage = Stage(running("echo"), rule("r", "[echo]", f"[{answering('matched', f'match: [{{{match}}}], ')}]"))
    assert stage.call("echo", path, headers=tuple(headers)) == ("matched" if matches else "404 NR")


def test_case_14_the_default_port_of_a_destination() -> None:
    route = rule("r", "[web.example.com]", "[{route: [{destination: {host: web}}]}]", gateways="[mesh, edge/web]")
    entry = service_entry("entry", ["web.example.com"], "HTTP-90", resolution="STATIC")
    stage = Stage(running("web", 8080), entry, route, networking("Gateway", "web", EVERYTHING, namespace="edge"))
    assert stage.call("web.example.com", port=90) == "503 NC"
    assert stage.call("web.example.com", proxy=GATEWAY) == "outbound|8080||web.default.svc.cluster.local"


def test_case_15_subsets_that_lead_nowhere() -> None:
    destinations = networking("DestinationRule", "dr", "{host: echo, subsets: [{name: none, labels: {version: none}}]}")
    http = (
        "[{match: [{uri: {prefix: /a}}], route: [{destination: {host: echo, subset: unknown}}]}, "
        "{route: [{destination: {host: echo, subset: none}}]}]"
    )
    stage = Stage(running("echo"), destinations, rule("r", "[echo]", http))
    assert [stage.call("echo", path) for path in ("/a", "/b")] == ["503 NC", "503 UH"]


def test_case_16_weights() -> None:
    http = "[{route: [{destination: {host: echo}, weight: 75}, {destination: {host: other}, weight: 25}]}]"
    stage = Stage(running("echo"), running("other"), rule("r", "[echo]", http))
    assert stage.call("echo") == (
        "outbound|80||echo.default.svc.cluster.local 75%, outbound|80||other.default.svc.cluster.local 25%"
    )


def test_case_21_faults() -> None:
    fault = (
        "fault: {abort: {httpStatus: 418, percentage: {value: 25}}, delay: {fixedDelay: 2s, percentage: {value: 100}}}"
    )
    stage = Stage(running("echo"), rule("r", "[echo]", f"[{{{fault}, route: [{{destination: {{host: echo}}}}]}}]"))
    assert stage.call("echo") == "418 FI 25%, outbound|80||echo.default.svc.cluster.local 75%"
    never = rule("r", "[echo]", "[{fault: {abort: {httpStatus: 500}}, route: [{destination: {host: echo}}]}]")
    stage.add(never)
    assert stage.call("echo") == "outbound|80||echo.default.svc.cluster.local"


def test_case_24_everything_that_comes_in_goes_to_the_workload() -> None:
    pod = (
        "{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: default, labels: {app: client}}, "
        "status: {phase: Running, podIP: 10.9.9.9}}"
    )
    web = service("web", "http-80", selector={"app": "client"}, clusterIP="10.0.0.1")
    inbound = Connection(address="10.9.9.9", port=80, intercepted=True, inbound=True)
    found = Stage(pod, web).connect(SIDECAR, inbound, Request(host="any.host:1"))
    assert [each.upstream.cluster for each in found if each.upstream] == ["inbound|80||"]


def test_case_25_a_host_with_a_port_at_a_gateway() -> None:
    stage = Stage(
        networking("Gateway", "web", EVERYTHING, namespace="edge"),
        rule("r", "[nginx.example.org]", f"[{answering('found')}]", gateways="[edge/web]"),
    )
    assert stage.call("nginx.example.org:30934", proxy=GATEWAY) == "found"
    assert stage.call("other.example.org", proxy=GATEWAY) == "404 NR"


def test_case_26_rules_of_one_host_at_a_gateway() -> None:
    stage = Stage(
        networking("Gateway", "web", EVERYTHING, namespace="edge"),
        rule("a", "[Example.org]", f"[{answering('a')}]", gateways="[edge/web]"),
        rule("b", "[example.ORG]", f"[{answering('b', 'match: [{uri: {prefix: /b}}], ')}]", gateways="[edge/web]"),
    )
    assert [stage.call("example.org", path, proxy=GATEWAY) for path in ("/b", "/a")] == ["b", "a"]


def test_case_28_which_hosts_a_server_has_for_whom() -> None:
    servers = EVERYTHING.replace("'*'", "'default/*.example.com', 'edge/*.example.org'")
    stage = Stage(
        networking("Gateway", "web", servers, namespace="edge"),
        rule("r", "['*']", f"[{answering('found')}]", gateways="[edge/web]"),
    )
    assert stage.call("a.example.com", proxy=GATEWAY) == "found"
    assert stage.call("a.example.org", proxy=GATEWAY) == "404 NR"


def test_case_29_redirects_to_https() -> None:
    servers = EVERYTHING.replace("hosts: ['*']", "hosts: ['*'], tls: {httpsRedirect: true}")
    stage = Stage(networking("Gateway", "web", servers, namespace="edge"))
    assert stage.call("a.com", "/x", proxy=GATEWAY) == "301 https://a.com/x"
    stage.add(networking("Gateway", "web", EVERYTHING, namespace="edge"))
    assert stage.call("a.com", "/x", proxy=GATEWAY) == "404 NR"


def test_case_30_delegates() -> None:
    http = f"[{{match: [{{uri: {{prefix: /api}}}}], delegate: {{name: team}}}}, {answering('root')}]"
    root = rule("root", "[echo]", http)
    team = virtual_service("team", f"{{http: [{answering('exact', 'match: [{uri: {exact: /api/v1}}], ')}]}}")
    stage = Stage(running("echo"), root, team)
    assert [stage.call("echo", path) for path in ("/api/v1", "/api/v2", "/x")] == ["exact", "root", "root"]


def test_case_31_an_alias_leads_to_its_target() -> None:
    alias = service("alias", "http-80", type="ExternalName", externalName="echo.default.svc.cluster.local")
    stage = Stage(running("echo"), alias)
    assert stage.call("alias") == "outbound|80||echo.default.svc.cluster.local"
