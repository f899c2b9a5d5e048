"""Scopes: what the proxies of a namespace may reach, with and without a Sidecar."""

import msgspec
import pytest
import yaml

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, service
from translator.model.proxy import Proxy
from translator.model.scope import (
    EgressScope,
    ScopeKey,
    egress_rules,
    egress_scopes,
    outbound_traffic_policy,
    rule_namespaces,
    scope_key,
    scope_service,
    scope_services,
)
from translator.objects.sidecar import CaptureMode, OutboundTrafficMode

SERVICES = (
    service("web"),
    service("api", namespace="prod", ports="{name: http, port: 80}, {name: admin, port: 9090}"),
    service("db", namespace="data", ports="{name: tcp, port: 5432}"),
)


def sidecar(
    spec: object, *, name: str = "sidecar", namespace: str = "default", created: str = "2026-01-01T00:00:00Z"
) -> str:
    """A Sidecar."""
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": spec,
        }
    )


def hosts(*patterns: str) -> dict[str, object]:
    """A specification with one catch-all egress listener."""
    return {"egress": [{"hosts": list(patterns)}]}


def virtual_service(host: str, *destinations: str, namespace: str = "default", export: str = "*") -> str:
    """A VirtualService that sends to hosts, ``host:port`` for one port of them; the second one is a mirror."""
    parsed = []
    for text in destinations:
        name, _, port = text.partition(":")
        parsed.append({"host": name, **({"port": {"number": int(port)}} if port else {})})
    route: dict[str, object] = {"route": [{"destination": parsed[0]}]}
    if len(parsed) > 1:
        route["mirror"] = parsed[1]
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "route", "namespace": namespace},
            "spec": {"hosts": [host], "exportTo": [export], "http": [route]},
        }
    )


def key(mesh: Mesh, proxy: Proxy = SIDECAR) -> ScopeKey:
    """The scope of a proxy."""
    return scope_key(mesh.db, mesh.view(proxy))


def reached(mesh: Mesh, proxy: Proxy = SIDECAR) -> dict[str, list[int]]:
    """Names and ports of the services in scope."""
    found = scope_services(mesh.db, key(mesh, proxy))
    return {each.hostname.partition(".")[0]: [port.number for port in each.ports] for each in found}


EVERYTHING = {"web": [80], "api": [80, 9090], "db": [5432]}


def test_without_a_sidecar_everything_that_is_exported_is_in_scope() -> None:
    hidden = service("hidden", namespace="prod").replace(
        "name: hidden\n", "name: hidden\n  annotations: {networking.istio.io/exportTo: .}\n", 1
    )
    mesh = Mesh(*SERVICES, hidden)
    assert reached(mesh) == EVERYTHING
    assert "hidden" in reached(mesh, msgspec.structs.replace(SIDECAR, namespace="prod"))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("*/*",), {"web", "api", "db"}),
        (("./*",), {"web"}),
        (("prod/*",), {"api"}),
        (("prod/*", "./*"), {"web", "api"}),
        (("*/api.prod.svc.cluster.local",), {"api"}),
        (("data/api.prod.svc.cluster.local",), set()),
        (("*/*.prod.svc.cluster.local",), {"api"}),
        (("*/*.API.cluster.local", "./WEB.default.svc.cluster.local"), {"web"}),
        (("~/*",), set()),
        (("*/*", "~prod/*"), {"web", "db"}),
        (("*/*", "~./*"), {"api", "db"}),
        (("*/*", "~*/*.prod.svc.cluster.local"), {"web", "db"}),
    ],
)
def test_case_41_hosts_of_an_egress_listener(patterns: tuple[str, ...], expected: set[str]) -> None:
    assert set(reached(Mesh(*SERVICES, sidecar(hosts(*patterns))))) == expected


def test_an_empty_egress_is_everything() -> None:
    assert reached(Mesh(*SERVICES, sidecar({"outboundTrafficPolicy": {}}))) == EVERYTHING


def test_case_42_listeners_with_a_port() -> None:
    listener = {"port": {"number": 9090, "protocol": "HTTP", "name": "admin"}, "hosts": ["*/*"], "bind": "127.0.0.1"}
    mesh = Mesh(*SERVICES, sidecar({"egress": [listener, {"hosts": ["./*"], "captureMode": "NONE"}]}))
    first, second = egress_scopes(mesh.db, key(mesh))
    assert (first.port, first.port_name, first.bind) == (9090, "admin", "127.0.0.1")
    assert [(each.hostname, [port.number for port in each.ports]) for each in first.services] == [
        ("api.prod.svc.cluster.local", [9090])
    ]
    assert (second.port, second.capture_mode) == (0, CaptureMode.NONE)
    assert reached(mesh) == {"web": [80], "api": [9090]}


def test_an_http_proxy_listener_reaches_every_port() -> None:
    listener = {"port": {"number": 15080, "protocol": "HTTP_PROXY", "name": "proxy"}, "hosts": ["prod/*"]}
    assert reached(Mesh(*SERVICES, sidecar({"egress": [listener]}))) == {"api": [80, 9090]}


def test_ports_of_several_listeners_are_merged() -> None:
    listeners = [
        {"port": {"number": number, "protocol": "HTTP", "name": f"p{number}"}, "hosts": ["prod/*"]}
        for number in (9090, 80)
    ]
    assert reached(Mesh(*SERVICES, sidecar({"egress": listeners}))) == {"api": [9090, 80]}


def test_case_42_destinations_of_imported_rules_are_reachable() -> None:
    mesh = Mesh(
        *SERVICES,
        sidecar(hosts("./*")),
        virtual_service(
            "web.default.svc.cluster.local", "api.prod.svc.cluster.local:9090", "db.data.svc.cluster.local"
        ),
    )
    assert reached(mesh) == {"web": [80], "api": [9090], "db": [5432]}


def test_destinations_without_the_port_are_not_reachable() -> None:
    route = virtual_service("web.default.svc.cluster.local", "api.prod.svc.cluster.local:1")
    assert reached(Mesh(*SERVICES, sidecar(hosts("./*")), route)) == {"web": [80]}


def test_rules_are_imported_by_their_namespace_and_host() -> None:
    foreign = virtual_service("web.default.svc.cluster.local", "web.default.svc.cluster.local", namespace="prod")
    for patterns, expected in [(("./*",), 0), (("prod/*",), 1), (("prod/*.com",), 0), (("*/*", "~prod/*"), 0)]:
        mesh = Mesh(*SERVICES, foreign, sidecar(hosts(*patterns)))
        assert len(egress_rules(mesh.db, key(mesh), 0)) == expected
    mesh = Mesh(*SERVICES, foreign)
    assert len(egress_rules(mesh.db, key(mesh), 0)) == 1


@pytest.mark.parametrize(
    "patterns",
    [["*/*"], ["./*"], ["prod/*", "data/db.data.svc.cluster.local"], ["~data/*", "*/*"], ["~/*"], ["*/*.local"]],
)
def test_a_service_asked_for_by_name_is_the_one_that_is_listed(patterns: list[str]) -> None:
    other = service("web", namespace="prod")
    for mesh in (Mesh(*SERVICES, other), Mesh(*SERVICES, other, sidecar(hosts(*patterns)))):
        (listener,) = egress_scopes(mesh.db, key(mesh))
        listed = {each.hostname: each for each in listener.services}
        names = {f"{name}.svc.cluster.local" for name in ("web.default", "web.prod", "api.prod", "db.data", "x.y")}
        found = {name: each for name in names if (each := scope_service(mesh.db, key(mesh), 0, name))}
        assert found == listed


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [(["*/*"], None), (["./*", "prod/*"], ("default", "prod")), (["~data/*", "prod/*"], ("prod",))],
)
def test_namespaces_from_which_rules_are_imported(patterns: list[str], expected: tuple[str, ...] | None) -> None:
    mesh = Mesh(*SERVICES)
    assert rule_namespaces(mesh.db, key(mesh), 0) is None
    mesh.add(sidecar(hosts(*patterns)))
    assert rule_namespaces(mesh.db, key(mesh), 0) == expected


def test_case_43_which_sidecar_applies() -> None:
    proxy = msgspec.structs.replace(SIDECAR, labels=(("app", "a"),))
    older = sidecar({**hosts("prod/*"), "workloadSelector": {"labels": {"app": "a"}}}, name="older")
    younger = sidecar(
        {**hosts("data/*"), "workloadSelector": {"labels": {"app": "a"}}}, name="a", created="2026-02-01T00:00:00Z"
    )
    general = sidecar(hosts("./*"), name="general", created="2025-01-01T00:00:00Z")
    root = sidecar(hosts("data/*"), name="root", namespace="istio-system")
    mesh = Mesh(*SERVICES, older, younger, general, root)
    assert set(reached(mesh, proxy)) == {"api"}
    assert set(reached(mesh)) == {"web"}
    mesh.remove(older)
    assert set(reached(mesh, proxy)) == {"db"}
    mesh.remove(younger)
    assert set(reached(mesh, proxy)) == {"web"}
    mesh.remove(general)
    assert set(reached(mesh, proxy)) == {"db"}


def test_the_sidecar_of_the_root_namespace_means_each_namespace_in_turn() -> None:
    mesh = Mesh(*SERVICES, sidecar(hosts("./*"), namespace="istio-system"))
    assert set(reached(mesh)) == {"web"}
    assert set(reached(mesh, msgspec.structs.replace(SIDECAR, namespace="prod"))) == {"api"}


def test_gateways_know_no_sidecars() -> None:
    assert reached(Mesh(*SERVICES, sidecar(hosts("./*"))), GATEWAY) == EVERYTHING


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, OutboundTrafficMode.ALLOW_ANY),
        ({"outboundTrafficPolicy": {}}, OutboundTrafficMode.REGISTRY_ONLY),
        ({"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}, OutboundTrafficMode.ALLOW_ANY),
        ({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}, OutboundTrafficMode.REGISTRY_ONLY),
    ],
)
def test_case_50_traffic_to_unknown_hosts(spec: dict[str, object], expected: OutboundTrafficMode) -> None:
    mesh = Mesh(sidecar({**hosts("*/*"), **spec}))
    assert outbound_traffic_policy(mesh.db, key(mesh)).mode is expected


def test_case_50_an_egress_proxy() -> None:
    policy = {"mode": "ALLOW_ANY", "egressProxy": {"host": "proxy.com", "port": {"number": 3128}}}
    found = outbound_traffic_policy((mesh := Mesh(sidecar({"outboundTrafficPolicy": policy}))).db, key(mesh))
    assert found.egress_proxy is not None
    assert found.egress_proxy.host == "proxy.com"


def test_services_are_ordered_by_age() -> None:
    mesh = Mesh(service("b").replace("2026-01-01", "2025-01-01"), service("c"), service("a"))
    (scope,) = egress_scopes(mesh.db, key(mesh))
    assert isinstance(scope, EgressScope)
    assert [each.hostname[0] for each in scope.services] == ["b", "a", "c"]
