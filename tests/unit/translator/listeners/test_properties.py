"""What holds for the listeners of any mesh: a real Envoy takes them, their order is fixed, and changes stay small."""

import json
import random
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from msgspec.structs import replace

from tests.unit.translator.listeners.listener_kit import (
    DUAL,
    UNCAPTURED,
    V6,
    chains,
    external,
    gateway,
    host,
    istio,
    kube_service,
    listeners,
    resources,
    sharing,
)
from tests.unit.translator.mesh_kit import SIDECAR, Mesh, endpoint, endpoint_slice, rule
from tests.unit.translator.model.test_gateway import gw, https, server
from translator.clusters.selection import cluster_references
from translator.listeners.inbound import InboundInputs, build_virtual_inbound
from translator.listeners.inbound_plan import InboundPort
from translator.listeners.settings import ListenerSettings
from translator.model.peer_authentication import MutualTLS
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, Proxy, Tuning
from translator.objects.duration import Duration
from translator.objects.mesh_config import (
    AccessLogEncoding,
    MeshConfig,
    MeshOutboundTrafficPolicy,
    NormalizationType,
    ProxyPathNormalization,
)
from translator.objects.sidecar import OutboundTrafficMode
from translator.routes.selection import route_references
from translator.settings import Settings
from xds.types import CLUSTER, ROUTE

ROUTES = """
hosts: [secure.example.com, db, '*.wild.example.com']
gateways: [mesh, edge]
tls:
- match: [{sniHosts: [secure.example.com]}, {sniHosts: [b.secure.example.com], destinationSubnets: [10.7.0.0/16]}]
  route:
  - {destination: {host: db, port: {number: 5432}}, weight: 1}
  - {destination: {host: web, port: {number: 80}}, weight: 9}
- match: [{sniHosts: ['*.wild.example.com'], port: 443}]
  route: [{destination: {host: wild.example.com, subset: v1}}]
tcp:
- match: [{destinationSubnets: [10.6.0.0/16]}]
  route: [{destination: {host: web, port: {number: 80}}}]
- route: [{destination: {host: db}}]
"""
SERVERS = (
    server(80, "HTTP"),
    server(80, "HTTP", "r.example.com", tls="httpsRedirect: true"),
    https("a.example.com"),
    https("b.example.com", name="b", tls="mode: MUTUAL, credentialName: c, subjectAltNames: [x.example.com]"),
    https("c.example.com", name="c", tls="mode: OPTIONAL_MUTUAL, credentialName: c, minProtocolVersion: TLSV1_2"),
    https("d.example.com", name="d", tls="mode: ISTIO_MUTUAL"),
    https("e.example.com", name="e", tls="mode: SIMPLE, credentialNames: [x, y], cipherSuites: [AES128-SHA]"),
    server(443, "TLS", "*.wild.example.com", tls="mode: PASSTHROUGH"),
    server(5432, "TCP", "db.default.svc.cluster.local"),
    server(15443, "TLS", "secure.example.com", tls="mode: ISTIO_MUTUAL"),
    server(15444, "TLS", "*.local", tls="mode: AUTO_PASSTHROUGH"),
    server(8080, "HTTP", bind="127.0.0.1"),
    server(27017, "MONGO", "db.default.svc.cluster.local"),
)
OBJECTS = (
    kube_service("web", "{name: http, port: 80, targetPort: 8080}, {name: grpc-web, port: 81, targetPort: 8081}"),
    kube_service("edge", "{name: https, port: 443}, {name: http3, port: 443, protocol: UDP}", selector={"app": "gw"}),
    kube_service("db", "{name: tcp, port: 5432}, {name: mongo, port: 27017}, {name: x, port: 9000}", ip="10.0.0.2"),
    kube_service("six", "{name: tcp, port: 5432}", ip="10.0.0.3", clusterIPs=["10.0.0.3", "fd00::3"]),
    kube_service("headless", "{name: tcp, port: 7000}, {name: x, port: 7001}", ip="None"),
    endpoint_slice("headless", endpoint("10.9.0.1"), endpoint("10.9.0.2"), service="headless", port="tcp"),
    external("secure.example.com", "443/TLS", "80/HTTP", "9000/something"),
    external("*.wild.example.com", "443/HTTPS"),
    external("*.dynamic.example.com", "443/TLS", "80/HTTP", resolution="DYNAMIC_DNS"),
    external("*.more.example.com", "80/HTTP", resolution="DYNAMIC_DNS"),
    external("net.example.com", "5432/TCP", "443/TLS", addresses="[10.5.0.0/16, 10.5.1.1, 'fd00:5::/32']"),
    external("any.example.com", "5432/TCP", "3306/MySQL", resolution="NONE"),
    istio("VirtualService", "routes", ROUTES),
    gw("edge", *SERVERS),
    rule(
        "{host: db, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 9s}}, tunnel: {targetHost: t, targetPort: 1}}}"
    ),
)
LOGGED = MeshConfig(
    outbound_traffic_policy=MeshOutboundTrafficPolicy(mode=OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS),
    access_log_file="/dev/null",
    access_log_encoding=AccessLogEncoding.JSON,
    proxy_http_port=15007,
    default_config={
        "gatewayTopology": {"proxyProtocol": {}, "numTrustedProxies": 1, "forwardClientCertDetails": "FORWARD_ONLY"},
        "proxyHeaders": {"preserveHttp1HeaderCase": True, "server": {"disabled": True}},
        "connectionSettings": {"profile": "EDGE", "httpDrainTimeout": "3s", "httpMaxStreamDuration": "1h"},
    },
    path_normalization=ProxyPathNormalization(normalization=NormalizationType.DECODE_AND_MERGE_SLASHES),
)
SIDECARS: Mapping[str, Proxy] = {
    "captured": replace(SIDECAR, labels=(("app", "web"),), http10=True),
    "tproxy": replace(SIDECAR, capture=Capture.TPROXY),
    "tuned": replace(
        SIDECAR, idle_timeout=Duration.of(seconds=9), balances_outbound=True, balances_inbound=True, http_proxy_port=9
    ),
    "uncaptured": UNCAPTURED,
    "v6": V6,
    "answering": replace(DUAL, answers_dns=True),
    "dual": DUAL,
}
PROXIES: Mapping[str, Proxy] = {**SIDECARS, "gateway": gateway(app="gw")}
SIDECAR_OBJECT = istio(
    "Sidecar",
    "default",
    """
    ingress:
    - {port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:8080"}
    - {port: {number: 9081, protocol: TCP, name: tcp}, defaultEndpoint: "127.0.0.1:8081", captureMode: NONE}
    egress:
    - {port: {number: 5432, protocol: TCP, name: tcp}, bind: 127.0.0.1, captureMode: NONE, hosts: ["*/*"]}
    - {port: {number: 0, protocol: HTTP, name: http}, bind: "unix:///tmp/s", hosts: ["*/*"]}
    - {hosts: ["*/*"]}
    """,
)


def all_inbound_forms() -> dict[str, Any]:
    """The virtual inbound listener with every form of chain there is."""
    protocols = (Protocol.HTTP, Protocol.TCP, Protocol.AUTO, Protocol.MONGO, Protocol.GRPC)
    ports = [
        InboundPort(
            bind="any", port=1000 + number, service_port=80, hostname="web", protocol=protocol, mode=mode, stat_name="x"
        )
        for number, (protocol, mode) in enumerate((each, mode) for each in protocols for mode in MutualTLS)
    ]
    inputs = InboundInputs(
        families=IpFamilies.V4,
        transparent=False,
        tuning=Tuning(),
        ports=tuple(ports),
        unknown=MutualTLS.PERMISSIVE,
        settings=ListenerSettings(),
    )
    return {**MessageToDict(build_virtual_inbound(inputs)), "name": "every-form"}


def on_port(listener: dict[str, Any], port: int) -> dict[str, Any]:
    """A listener of another proxy beside those of one Envoy: static ones may not share an address."""
    return {
        **listener,
        "name": f"{listener['name']}-{port}",
        "address": socket_address(port, listener["address"].get("socketAddress", {}).get("protocol", "TCP")),
        "additionalAddresses": [],
    }


def socket_address(port: int, protocol: str = "TCP") -> dict[str, Any]:
    """An address on loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": protocol}}


def bootstrap(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A bootstrap with these listeners."""
    http2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    xds = {
        "name": "xds",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(15010)}}]}],
        },
        "typed_extension_protocol_options": {
            http2: {
                "@type": f"type.googleapis.com/{http2}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    service = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
    }
    return {
        "node": {"id": "test", "cluster": "test"},
        "dynamic_resources": {"ads_config": service},
        "static_resources": {"clusters": [xds], "listeners": list(found)},
    }


@pytest.mark.envoy
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_case_34_b_a_real_envoy_takes_every_listener(proxy: Proxy, envoy_binary: Path, tmp_path: Path) -> None:
    found = [
        MessageToDict(each)
        for mesh in (Mesh(*OBJECTS), Mesh(*OBJECTS, SIDECAR_OBJECT, mesh=LOGGED), sharing(*OBJECTS))
        for each in listeners(mesh, proxy).values()
    ]
    moved = [on_port(each, 20000 + position) for position, each in enumerate((all_inbound_forms(), *found))]
    config = tmp_path / "bootstrap.json"
    config.write_text(json.dumps(bootstrap(moved)))
    assert "istio.envoy" not in config.read_text()
    command = [str(envoy_binary), "--mode", "validate", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_case_34_a_the_order_of_objects_does_not_matter(proxy: Proxy) -> None:
    expected = {name: each.body for name, each in resources(Mesh(*OBJECTS), proxy).items()}
    assert expected
    for seed in range(5):
        shuffled = list(OBJECTS)
        random.Random(seed).shuffle(shuffled)
        found = {name: each.body for name, each in resources(Mesh(*shuffled), proxy).items()}
        assert list(found) == list(expected)
        assert found == expected


@pytest.mark.parametrize("extra", [(), (SIDECAR_OBJECT,)], ids=["plain", "with-sidecar"])
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_everything_that_a_listener_refers_to_exists(proxy: Proxy, extra: tuple[str, ...]) -> None:
    mesh = Mesh(*OBJECTS, *extra)
    view = mesh.view(proxy)
    clusters = {each.name for each in cluster_references(mesh.db, view)}
    routes = {each.name for each in route_references(mesh.db, view)}
    dangling = {
        reference
        for each in resources(mesh, proxy).values()
        for reference in each.references
        if (reference.type_url == ROUTE and reference.name not in routes)
        # Rules may name what does not exist; that is the user's affair.
        or (reference.type_url == CLUSTER and reference.name not in clusters and "|v1|" not in reference.name)
    }
    assert not dangling


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_no_two_listeners_share_an_address(proxy: Proxy) -> None:
    addresses = [
        str(address)
        for each in listeners(Mesh(*OBJECTS, SIDECAR_OBJECT, mesh=LOGGED), proxy).values()
        for address in (each.address, *(other.address for other in each.additional_addresses))
    ]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_no_listener_has_two_chains_for_the_same_connections(proxy: Proxy) -> None:
    for listener in listeners(Mesh(*OBJECTS), proxy).values():
        matches = [
            tuple(map(str, (each["port"], each["prefixes"], each["sni"], each["transport"], each["alpn"])))
            for each in chains(listener)
        ]
        assert len(set(matches)) == len(matches)


class _Runs:
    """Which queries run while something changes."""

    def __init__(self, mesh: Mesh, proxy: Proxy) -> None:
        self.mesh = mesh
        self.proxy = proxy
        self.before = resources(mesh, proxy)

    def after(self, *texts: str) -> tuple[dict[str, int], set[str]]:
        """The runs per query of this package, and the listeners that are other ones, after adding objects."""
        counts = self.mesh.db.runs.copy()
        self.mesh.add(*texts)
        now = resources(self.mesh, self.proxy)
        changed = {name for name in now.keys() | self.before.keys() if now.get(name) is not self.before.get(name)}
        runs = (self.mesh.db.runs - counts).items()
        return {name.rpartition(".")[2]: count for name, count in runs if ".listeners." in name}, changed


def test_one_more_http_service_changes_no_listener() -> None:
    runs, changed = _Runs(Mesh(*OBJECTS), SIDECAR).after(kube_service("more", "{name: http, port: 80}"))
    assert changed == set()
    assert runs == {"outbound_plan": 1}


def test_one_more_tcp_service_builds_its_own_listener() -> None:
    runs, changed = _Runs(Mesh(*OBJECTS), SIDECAR).after(kube_service("more", "{name: tcp, port: 80}", ip="10.0.0.99"))
    assert changed == {"10.0.0.99_80"}
    assert runs.pop("outbound_inputs") == 1
    assert runs["backend_chains"] == 1


def test_endpoints_change_no_listener() -> None:
    slice_ = endpoint_slice("web", endpoint("10.9.1.1"), service="web")
    assert _Runs(Mesh(*OBJECTS), SIDECAR).after(slice_) == ({}, set())


def test_endpoints_of_headless_services_change_their_own_listeners() -> None:
    slice_ = endpoint_slice("headless-2", endpoint("10.9.0.3"), service="headless", port="tcp")
    runs, changed = _Runs(Mesh(*OBJECTS), SIDECAR).after(slice_)
    assert changed == {"10.9.0.3_7000"}
    assert "outbound_plan" not in runs


def test_readiness_of_headless_endpoints_changes_nothing() -> None:
    slice_ = endpoint_slice(
        "headless", endpoint("10.9.0.1", ready=False), endpoint("10.9.0.2"), service="headless", port="tcp"
    )
    assert _Runs(Mesh(*OBJECTS), SIDECAR).after(slice_)[1] == set()


def test_a_rule_about_requests_changes_no_listener() -> None:
    vs = istio(
        "VirtualService", "http", f"{{hosts: [{host('db')}], http: [{{route: [{{destination: {{host: web}}}}]}}]}}"
    )
    runs, changed = _Runs(Mesh(*OBJECTS), SIDECAR).after(vs)
    assert changed == set()
    assert "backend_chains" not in runs


def test_a_rule_about_connections_changes_the_listeners_of_its_host() -> None:
    vs = istio("VirtualService", "tcp", "{hosts: [six], tcp: [{route: [{destination: {host: web}}]}]}")
    runs, changed = _Runs(Mesh(*OBJECTS), SIDECAR).after(vs)
    assert changed == {"10.0.0.3_5432"}
    assert runs["backend_chains"] == 1


def test_settings_that_are_none_of_their_business_do_not_touch_listeners() -> None:
    mesh = Mesh(*OBJECTS)
    before = resources(mesh)
    mesh.db.replace_settings(Settings(mesh=MeshConfig(ingress_class="other")))
    assert all(now is before[name] for name, now in resources(mesh).items())


def test_workloads_of_a_namespace_share_their_outbound_listeners() -> None:
    mesh = Mesh(*OBJECTS)
    one = resources(mesh, SIDECAR)
    two = resources(mesh, SIDECARS["captured"])
    three = resources(mesh, replace(SIDECAR, labels=(("app", "web"),)))
    assert all(three[name] is each for name, each in one.items() if name != "virtualInbound")
    assert two.keys() == one.keys()
