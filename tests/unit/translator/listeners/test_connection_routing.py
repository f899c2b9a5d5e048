"""Connections routed by VirtualService, with the limits that DestinationRules set."""

import pytest
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    chains,
    external,
    host,
    istio,
    kube_service,
    listeners,
    matching,
    proxies,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, rule
from translator.listeners.connection_routing import connection_rules

TCP = kube_service("db", "{name: tcp, port: 5432}", ip="10.0.0.1")
TLS = external("secure.example.com", "443/TLS")


TO_OTHER = "route: [{destination: {host: other}}]"


def routed(spec: str, **extra: str) -> str:
    """A VirtualService."""
    return istio("VirtualService", "vs", spec, **extra)


def test_case_07_a_tls_routes_by_sni_and_weight() -> None:
    mesh = Mesh(
        TLS,
        routed(
            """
            hosts: [secure.example.com]
            tls:
            - match: [{port: 443, sniHosts: [z.example.com, a.example.com]}]
              route:
              - {destination: {host: one}, weight: 30}
              - {destination: {host: two}, weight: 70}
              - {destination: {host: three}, weight: 0}
            - match: [{sniHosts: [secure.example.com]}]
              route: [{destination: {host: secure.example.com, port: {number: 8443}, subset: v1}}]
            """
        ),
    )
    listener = listeners(mesh)["0.0.0.0_443"]
    first, second, default = chains(listener)
    assert (first["sni"], first["to"]) == (
        ["a.example.com", "z.example.com"],
        {f"outbound|443||{host('one')}": 30, f"outbound|443||{host('two')}": 70},
    )
    assert (second["sni"], second["to"]) == (["secure.example.com"], "outbound|8443|v1|secure.example.com")
    assert default["to"] == "PassthroughCluster"
    assert [each.stat_prefix for each in proxies(listener)][:2] == ["vs.default", second["to"]]
    config = listener.filter_chains[0].metadata.filter_metadata["istio"]["config"]
    assert config == "/apis/networking.istio.io/v1/namespaces/default/virtual-service/vs"


def test_case_07_b_subnets_of_a_rule_that_are_the_service_s_own() -> None:
    mesh = Mesh(
        external("net.example.com", "5432/TCP", addresses="[10.1.0.0/16]"),
        routed(f"{{hosts: [net.example.com], tcp: [{{match: [{{destinationSubnets: [10.1.2.3/16]}}], {TO_OTHER}}}]}}"),
    )
    found = chains(listeners(mesh)["0.0.0.0_5432"])
    assert [(each["prefixes"], each["to"]) for each in found] == [
        (["10.1.0.0/16"], f"outbound|5432||{host('other')}"),
        ([], "PassthroughCluster"),
    ]


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ("{}", True),
        ("{port: 5432}", True),
        ("{port: 1}", False),
        ("{sourceLabels: {app: other}}", False),
        ("{sourceLabels: {app: client}}", True),
        ("{sourceNamespace: default}", True),
        ("{sourceNamespace: other}", False),
        ("{gateways: [mesh]}", True),
        ("{gateways: [some-gateway]}", False),
    ],
)
def test_case_08_b_conditions_on_the_client(match: str, applies: bool) -> None:  # noqa: FBT001
    block = f"{{match: [{match}], {TO_OTHER}}}"
    mesh = Mesh(TCP, routed(f"{{hosts: [db], gateways: [mesh, some-gateway], tcp: [{block}]}}"))
    proxy = replace(SIDECAR, labels=(("app", "client"),))
    (chain,) = chains(listeners(mesh, proxy)["10.0.0.1_5432"])
    assert chain["to"] == f"outbound|5432||{host('other' if applies else 'db')}"


@pytest.mark.parametrize(
    "block",
    [
        f"http: [{{{TO_OTHER}}}]",
        f"tls: [{{match: [{{sniHosts: [db.example.com]}}], {TO_OTHER}}}]",
        "tcp: [{match: [{port: 5432}], route: []}]",
    ],
)
def test_case_08_a_blocks_that_say_nothing_about_tcp_are_ignored(block: str) -> None:
    vs = routed(f"{{hosts: [db, '*.example.com'], {block}}}")
    assert [each["to"] for each in chains(listeners(Mesh(TCP, vs))["10.0.0.1_5432"])] == [
        f"outbound|5432||{host('db')}"
    ]


def test_tcp_routes_stop_at_the_first_that_takes_everything() -> None:
    mesh = Mesh(
        TCP,
        routed(
            """
            hosts: [db]
            tcp:
            - match: [{destinationSubnets: [10.2.0.0/16]}, {destinationSubnets: [10.1.0.0/16]}]
              route: [{destination: {host: subnet}}]
            - route: [{destination: {host: rest}}]
            - route: [{destination: {host: never}}]
            """
        ),
    )
    found = chains(listeners(mesh)["10.0.0.1_5432"])
    assert [(each["prefixes"], each["to"]) for each in found] == [
        (["10.1.0.0/16", "10.2.0.0/16"], f"outbound|5432||{host('subnet')}"),
        ([], f"outbound|5432||{host('rest')}"),
    ]


def test_an_exact_rule_comes_before_a_public_wildcard_only_by_precedence() -> None:
    mesh = Mesh(
        TCP,
        istio(
            "VirtualService",
            "wide",
            "{hosts: ['*.default.svc.cluster.local'], tcp: [{route: [{destination: {host: wide}}]}]}",
        ),
        istio("VirtualService", "own", "{hosts: [db], exportTo: [.], tcp: [{route: [{destination: {host: own}}]}]}"),
    )
    assert [each["to"] for each in chains(listeners(mesh)["10.0.0.1_5432"])] == [f"outbound|5432||{host('own')}"]


def test_rules_that_a_sidecar_does_not_import_do_not_apply() -> None:
    mesh = Mesh(
        TCP,
        routed(
            "{hosts: [db.default.svc.cluster.local], tcp: [{route: [{destination: {host: other}}]}]}",
            namespace="elsewhere",
        ),
        istio("Sidecar", "default", "egress: [{hosts: ['./*']}]"),
    )
    assert [each["to"] for each in chains(listeners(mesh)["10.0.0.1_5432"])] == [f"outbound|5432||{host('db')}"]
    mesh.add(istio("Sidecar", "default", "egress: [{hosts: ['./*', 'elsewhere/*']}]"))
    assert [each["to"] for each in chains(listeners(mesh)["10.0.0.1_5432"])] == [
        "outbound|5432||other.elsewhere.svc.cluster.local"
    ]


def test_the_port_of_a_destination_is_the_only_one_of_its_service() -> None:
    mesh = Mesh(
        TCP,
        kube_service("single", "{name: tcp, port: 6000}", ip="10.0.0.2"),
        kube_service("alias", "{name: tcp, port: 6000}", ip="", type="ExternalName", externalName=host("single")),
        routed(
            """
            hosts: [db]
            tcp: [{route: [{destination: {host: single}, weight: 1}, {destination: {host: alias}, weight: 2}]}]
            """
        ),
    )
    (chain,) = chains(listeners(mesh)["10.0.0.1_5432"])
    assert set(chain["to"]) == {f"outbound|6000||{host('single')}"}


def test_wildcard_services_follow_rules_for_their_names() -> None:
    mesh = Mesh(
        external("*.example.com", "443/TLS"),
        routed(f"{{hosts: [a.example.com], tls: [{{match: [{{sniHosts: [a.example.com]}}], {TO_OTHER}}}]}}"),
    )
    assert (
        matching(chains(listeners(mesh)["0.0.0.0_443"]), sni=["a.example.com"])[0]["to"]
        == f"outbound|443||{host('other')}"
    )


def test_http_rules_are_none_of_a_listener_s_business() -> None:
    mesh = Mesh(
        TCP,
        routed(
            "{hosts: [db], http: [{route: [{destination: {host: x}}]}], tcp: [{route: [{destination: {host: y}}]}]}"
        ),
    )
    before = connection_rules(mesh.db, "default", host("db"))
    mesh.add(
        routed("{hosts: [db], http: [{route: [{destination: {host: z}}]}], tcp: [{route: [{destination: {host: y}}]}]}")
    )
    assert connection_rules(mesh.db, "default", host("db")) == before


@pytest.mark.parametrize(
    ("policy", "field", "value"),
    [
        ("trafficPolicy: {connectionPool: {tcp: {idleTimeout: 90s}}}", "idle_timeout", "90s"),
        (
            "trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 5m}}}",
            "max_downstream_connection_duration",
            "300s",
        ),
    ],
)
def test_limits_of_connections(policy: str, field: str, value: str) -> None:
    mesh = Mesh(TCP, rule(f"{{host: db, {policy}}}"))
    (proxy,) = proxies(listeners(mesh)["10.0.0.1_5432"])
    assert getattr(proxy, field).ToJsonString() == value


def test_connections_hashed_by_source() -> None:
    hashing = "{loadBalancer: {consistentHash: {useSourceIp: true}}}"
    simple = "{loadBalancer: {simple: RANDOM}}"
    mesh = Mesh(TCP, rule(f"{{host: db, trafficPolicy: {hashing}, subsets: [{{name: v1, trafficPolicy: {simple}}}]}}"))
    assert proxies(listeners(mesh)["10.0.0.1_5432"])[0].hash_policy[0].HasField("source_ip")
    mesh.add(routed("{hosts: [db], tcp: [{route: [{destination: {host: db, subset: v1}}]}]}"))
    assert not proxies(listeners(mesh)["10.0.0.1_5432"])[0].hash_policy


def test_tunnels() -> None:
    tunnel = "{tunnel: {protocol: POST, targetHost: 'fd00::1', targetPort: 443}}"
    mesh = Mesh(TCP, rule(f"{{host: db, trafficPolicy: {tunnel}, subsets: [{{name: v1}}]}}"))
    config = proxies(listeners(mesh)["10.0.0.1_5432"])[0].tunneling_config
    assert (config.hostname, config.use_post) == ("[fd00::1]:443", True)
    mesh.add(routed("{hosts: [db], tcp: [{route: [{destination: {host: db, subset: v1}}]}]}"))
    assert not proxies(listeners(mesh)["10.0.0.1_5432"])[0].HasField("tunneling_config")


@pytest.mark.parametrize(("labels", "to"), [("app: client", "other"), ("app: other", "secure.example.com")])
def test_case_08_b_conditions_on_the_client_of_a_tls_host(labels: str, to: str) -> None:
    block = f"{{match: [{{sniHosts: [secure.example.com], sourceLabels: {{{labels}}}}}], {TO_OTHER}}}"
    mesh = Mesh(external("secure.example.com", "443/TLS"), routed(f"{{hosts: [secure.example.com], tls: [{block}]}}"))
    proxy = replace(SIDECAR, labels=(("app", "client"),))
    (chain,) = matching(chains(listeners(mesh, proxy)["0.0.0.0_443"]), sni=["secure.example.com"])
    assert chain["to"] == f"outbound|443||{host('other') if to == 'other' else to}"
