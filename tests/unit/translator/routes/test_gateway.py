"""The route tables of gateways."""

import pytest
import yaml

from tests.unit.translator.routes.tables import (
    clusters_of,
    database,
    domains_of,
    gateway,
    networking,
    references,
    resource,
    service,
    table,
    tree,
    virtual_service,
)
from translator.model.protocol import Protocol
from translator.model.proxy import ServiceTarget
from translator.model.service import ServicePort
from translator.routes.gateway import intersect
from xds.resource import Reference
from xds.types import CLUSTER

ORIGIN = "/apis/networking.istio.io/v1/namespaces/edge/virtual-service/"


def istio_gateway(*servers: str, name: str = "web", created: str = "2024-01-01T00:00:00Z") -> str:
    spec = {"selector": {"app": "gw"}, "servers": [yaml.safe_load(server) for server in servers]}
    return networking("Gateway", name, yaml.safe_dump(spec), namespace="edge", created=created)


def http_server(*hosts: str, number: int = 80, extra: str = "{}") -> str:
    port = {"number": number, "name": f"http-{number}", "protocol": "HTTP"}
    return yaml.safe_dump({"port": port, "hosts": list(hosts), **yaml.safe_load(extra)})


def bound(*hosts: str, http: str = "[{route: [{destination: {host: web}}]}]", gateways: str = "edge/web") -> str:
    return yaml.safe_dump({"hosts": list(hosts), "gateways": [gateways], "http": yaml.safe_load(http)})


def prefixes(http_prefixes: str) -> str:
    """HTTP rules for some prefixes; ``/`` is a rule without match."""
    rules = []
    for prefix in http_prefixes.split():
        match = {"match": [{"uri": {"prefix": prefix}}]} if prefix != "/" else {}
        rules.append({**match, "route": [{"destination": {"host": "web"}}]})
    return yaml.safe_dump(rules)


def test_case_24_names() -> None:
    https = (
        "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}"
    )
    passing = "{port: {number: 8443, name: tls, protocol: HTTPS}, hosts: [a.com], tls: {mode: PASSTHROUGH}}"
    bind = http_server("a.com", number=81, extra="{bind: 10.0.0.1}")
    db = database(istio_gateway(http_server("a.com"), https, passing, bind))
    targets = tuple(
        ServiceTarget("gw.edge.svc.cluster.local", "edge", ServicePort(number, "", Protocol.HTTP, target), target)
        for number, target in ((80, 8080), (443, 8443))
    )
    assert set(references(db, gateway(targets=targets))) == {
        "http.8080",
        "https.443.https.web.edge",
        "http.81.10.0.0.1",
    }


def test_case_25_domains_have_no_ports_and_ports_are_ignored() -> None:
    db = database(istio_gateway(http_server("*")), virtual_service("vs", bound("nginx.example.org"), namespace="edge"))
    built = table(db, gateway(), "http.80")
    assert domains_of(built) == {"nginx.example.org:80": ["nginx.example.org"]}
    assert built.ignore_port_in_host_matching
    assert built.virtual_hosts[0].include_request_attempt_count


def test_case_26_rules_of_a_host_are_joined_and_what_catches_all_goes_last() -> None:
    db = database(
        istio_gateway(http_server("*.example.org")),
        virtual_service("a", bound("x.example.org", http=prefixes("/a /")), namespace="edge"),
        virtual_service("b", bound("X.Example.org", http=prefixes("/b")), namespace="edge", created="2024-02-01"),
    )
    (host,) = table(db, gateway(), "http.80").virtual_hosts
    assert [route.match.prefix for route in host.routes] == ["/a", "/b", "/"]


def test_case_27_hosts_of_one_rule_share_a_virtual_host_until_another_rule_splits_them() -> None:
    both = virtual_service("both", bound("a.com", "b.com"), namespace="edge")
    db = database(istio_gateway(http_server("*")), both)
    assert domains_of(table(db, gateway(), "http.80")) == {"a.com:80": ["a.com", "b.com"]}
    other = virtual_service("other", bound("b.com", http=prefixes("/x")), namespace="edge", created="2024-02-01")
    db = database(istio_gateway(http_server("*")), both, other)
    assert domains_of(table(db, gateway(), "http.80")) == {"a.com:80": ["a.com"], "b.com:80": ["b.com"]}


def test_case_27_the_most_specific_host_gives_the_name() -> None:
    db = database(
        istio_gateway(http_server("*")), virtual_service("vs", bound("*.a.com", "a.b.com", "b.com"), namespace="edge")
    )
    assert domains_of(table(db, gateway(), "http.80")) == {"a.b.com:80": ["a.b.com", "b.com", "*.a.com"]}


@pytest.mark.parametrize(
    ("server", "rule", "expected"),
    [
        (["*.example.com"], ["*"], ("*.example.com",)),
        (["*"], ["a.com"], ("a.com",)),
        (["*.foo.com"], ["foo.com"], ()),
        (["*.foo.com"], ["a.b.foo.com"], ("a.b.foo.com",)),
        (["a.com", "b.com"], ["b.com", "c.com"], ("b.com",)),
        (["a.com", "*.com"], ["a.com"], ("a.com",)),
    ],
)
def test_case_28_of_two_hosts_the_more_specific_one_is_served(
    server: list[str], rule: list[str], expected: tuple[str, ...]
) -> None:
    assert intersect(server, rule) == expected


@pytest.mark.parametrize(
    ("host", "attached"),
    [("*", True), ("*/*", True), ("ns1/*", False), ("ns2/*", True), ("./*", False), ("*/a.com", True)],
)
def test_case_28_a_server_says_whose_rules_it_takes(host: str, *, attached: bool) -> None:
    rule = virtual_service("vs", bound("a.com", gateways="edge/web"), namespace="ns2")
    built = table(database(istio_gateway(http_server(host)), rule), gateway(), "http.80")
    assert list(domains_of(built)) == (["a.com:80"] if attached else ["blackhole:80"])


def test_case_10_a_private_rule_is_not_for_a_gateway_of_another_namespace() -> None:
    spec = yaml.safe_dump(yaml.safe_load(bound("a.com")) | {"exportTo": ["."]})
    built = table(database(istio_gateway(http_server("*")), virtual_service("vs", spec)), gateway(), "http.80")
    assert list(domains_of(built)) == ["blackhole:80"]


def test_case_29_redirects_to_https() -> None:
    redirecting = http_server("edge/a.com", "*/b.com", extra="{tls: {httpsRedirect: true}}")
    db = database(istio_gateway(redirecting), virtual_service("vs", bound("a.com"), namespace="edge"))
    first, second = table(db, gateway(), "http.80").virtual_hosts
    assert (list(first.domains), len(first.routes), tree(first)["require_tls"]) == (["a.com"], 1, "ALL")
    assert (list(second.domains), len(second.routes), tree(second)["require_tls"]) == (["b.com"], 0, "ALL")


def test_case_29_one_redirecting_server_is_enough() -> None:
    plain = istio_gateway(http_server("a.com"), name="plain")
    redirecting = istio_gateway(http_server("a.com", extra="{tls: {httpsRedirect: true}}"), name="web")
    db = database(plain, redirecting, virtual_service("vs", bound("a.com", gateways="edge/plain"), namespace="edge"))
    (host,) = table(db, gateway(), "http.80").virtual_hosts
    assert tree(host)["require_tls"] == "ALL"
    assert len(host.routes) == 1


def test_case_29_without_rules_nothing_is_found() -> None:
    built = resource(database(istio_gateway(http_server("a.com"))), gateway(), "http.80")
    assert built.references == ()
    (host,) = table(database(istio_gateway(http_server("a.com"))), gateway(), "http.80").virtual_hosts
    assert tree(host) == {"name": "blackhole:80", "domains": ["*"]}


def test_case_14_the_default_port_of_a_destination_is_its_services_only_one() -> None:
    db = database(
        istio_gateway(http_server("*")),
        virtual_service("vs", bound("a.com"), namespace="edge"),
        service("web", "http-8080", namespace="edge"),
    )
    assert clusters_of(table(db, gateway(), "http.80")) == {"a.com:80": ["outbound|8080||web.edge.svc.cluster.local"]}
    assert resource(db, gateway(), "http.80").references == (
        Reference(CLUSTER, "outbound|8080||web.edge.svc.cluster.local"),
    )


def test_a_destination_is_looked_up_in_the_rules_namespace_first() -> None:
    db = database(
        istio_gateway(http_server("*")),
        virtual_service("vs", bound("a.com", http="[{route: [{destination: {host: x.com}}]}]"), namespace="app"),
        networking(
            "ServiceEntry", "x", "{hosts: [x.com], ports: [{number: 81, name: h, protocol: HTTP}]}", namespace="a"
        ),
        networking(
            "ServiceEntry", "x", "{hosts: [x.com], ports: [{number: 82, name: h, protocol: HTTP}]}", namespace="app"
        ),
    )
    assert clusters_of(table(db, gateway(), "http.80")) == {"a.com:80": ["outbound|82||x.com"]}


def test_two_servers_of_one_table_do_not_repeat_a_rule() -> None:
    db = database(
        istio_gateway(http_server("a.com"), http_server("*.com", "a.com")),
        virtual_service("vs", bound("a.com"), namespace="edge"),
    )
    (host,) = table(db, gateway(), "http.80").virtual_hosts
    assert len(host.routes) == 1


def test_matches_name_the_port_of_the_gateway_and_not_that_of_the_workload() -> None:
    http = "[{match: [{port: 80}], route: [{destination: {host: web}}]}]"
    db = database(istio_gateway(http_server("*")), virtual_service("vs", bound("a.com", http=http), namespace="edge"))
    port = ServicePort(80, "", Protocol.HTTP, 8080)
    view = gateway(targets=(ServiceTarget("gw.edge.svc.cluster.local", "edge", port, 8080),))
    assert list(domains_of(table(db, view, "http.8080"))) == ["a.com:80"]


def test_behind_tls_a_redirect_knows_the_scheme() -> None:
    https = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}}"
    http = "[{redirect: {authority: b.com, derivePort: FROM_REQUEST_PORT}}]"
    db = database(istio_gateway(https), virtual_service("vs", bound("a.com", http=http), namespace="edge"))
    (host,) = table(db, gateway(), "https.443.https.web.edge").virtual_hosts
    assert tree(host.routes[0].redirect) == {"host_redirect": "b.com"}


def test_an_ipv6_host_is_bracketed() -> None:
    rule = virtual_service("vs", bound("2001:db8::1"), namespace="edge")
    built = table(database(istio_gateway(http_server("*")), rule), gateway(), "http.80")
    assert domains_of(built) == {"[2001:db8::1]:80": ["[2001:db8::1]"]}


def test_rules_that_do_not_apply_leave_no_host_behind() -> None:
    http = "[{match: [{sourceLabels: {app: other}}], route: [{destination: {host: web}}]}]"
    db = database(
        istio_gateway(http_server("*")),
        virtual_service("vs", bound("a.com", http=http), namespace="edge"),
        virtual_service("tcp", "{hosts: [b.com], gateways: [edge/web], tcp: [{route: []}]}", namespace="edge"),
    )
    assert list(domains_of(table(db, gateway(), "http.80"))) == ["blackhole:80"]
