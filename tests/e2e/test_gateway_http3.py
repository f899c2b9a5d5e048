"""HTTP/3 at a gateway, asked by a second Envoy: a QUIC client that needs no library of its own."""

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from tests.e2e.authority import Authority, KeyPair
from tests.e2e.test_s15_tls_gateway import server, tls_secret

LABELS = {"app": "http3-gateway", "istio": "http3-gateway"}
HOST, MUTUAL, PARTNER, OPTIONAL, ANYBODY = (
    f"{name}.example.com" for name in ("three", "mutual", "partner", "optional", "anybody")
)
# Where the client is asked to show no certificate, one of the authority, or one of somebody else.
NOBODY, SOMEBODY, STRANGER = 8080, 8081, 8082
TYPES = "type.googleapis.com/envoy.extensions"
GATEWAY = (
    """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: http3}
spec:
  selector: {istio: http3-gateway}
  servers:
"""
    + server(HOST, "mode: SIMPLE, credentialName: three")
    + server(MUTUAL, "mode: MUTUAL, credentialName: mutual")
    + server(PARTNER, "mode: MUTUAL, credentialName: partner")
    + server(OPTIONAL, "mode: OPTIONAL_MUTUAL, credentialName: mutual")
    + server(ANYBODY, "mode: MUTUAL, credentialName: mutual, insecureSkipVerify: true")
    + """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: http3}
spec:
  hosts: ["*.example.com"]
  gateways: [http3]
  http: [{route: [{destination: {host: httpbin, port: {number: 8000}}}]}]
"""
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of a partner, whom one of the hosts is for."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: LocalMesh, stream: Stream, authority: Authority, stranger: Authority) -> Proxy:
    mesh.folder.apply(
        tls_secret("three", authority.issue(HOST)),
        tls_secret("mutual", authority.issue("*.example.com"), ca_crt=authority.roots),
        tls_secret("partner", authority.issue("*.example.com"), ca_crt=stranger.roots),
    )
    mesh.folder.apply_yaml(GATEWAY, "default")
    await mesh.workload("httpbin").add()
    port = mesh.addresses.port()
    mesh.folder.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "http3", "namespace": "istio-system"},
            "spec": {
                "clusterIP": mesh.addresses.cluster_ips()[0],
                "selector": LABELS,
                "ports": [{"name": "http3", "port": 443, "targetPort": port, "protocol": "UDP"}],
            },
        }
    )
    return await mesh.start_gateway({443: port}, name="http3-gateway", labels=LABELS, stream=stream)


def address(text: str, protocol: str = "TCP") -> dict[str, Any]:
    host, _, port = text.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port), "protocol": protocol}}


def build_listener(listened: str, cluster: str) -> dict[str, Any]:
    """One that sends what it gets over plain HTTP to a cluster."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": cluster, "address": address(listened), "filter_chains": [chain]}


def build_cluster(name: str, gateway: str, roots: Path, pair: KeyPair | None) -> dict[str, Any]:
    """A gateway over HTTP/3, which is shown a certificate."""
    common: dict[str, Any] = {"validation_context": {"trusted_ca": {"filename": str(roots)}}}
    if pair is not None:
        files = {"certificate_chain": {"filename": str(pair.certificate)}, "private_key": {"filename": str(pair.key)}}
        common["tls_certificates"] = [files]
    tls = {"common_tls_context": common, "auto_sni_san_validation": True}
    options = {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "upstream_http_protocol_options": {"auto_sni": True},
        "explicit_http_config": {"http3_protocol_options": {}},
    }
    quic = {"@type": f"{TYPES}.transport_sockets.quic.v3.QuicUpstreamTransport", "upstream_tls_context": tls}
    endpoint = {"endpoint": {"address": address(gateway, "UDP")}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "transport_socket": {"name": "envoy.transport_sockets.quic", "typed_config": quic},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client_ip(
    mesh: LocalMesh,
    gateway: Proxy,
    authority: Authority,
    stranger: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """The address of an Envoy that sends what it gets to the gateway, over HTTP/3."""
    ip, config = mesh.addresses.ip(), tmp_path_factory.mktemp("client") / "client.json"
    admin = f"{ip}:9901"
    shown = {NOBODY: None, SOMEBODY: authority.issue("somebody"), STRANGER: stranger.issue("stranger")}
    target = gateway.address(443)
    resources = {
        "listeners": [build_listener(f"{ip}:{port}", str(port)) for port in shown],
        "clusters": [build_cluster(str(port), target, authority.roots, pair) for port, pair in shown.items()],
    }
    config.write_text(json.dumps({"admin": {"address": address(admin)}, "static_resources": resources}))
    async with EnvoyProcess("http3-client", config, admin):
        yield ip


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, client_ip: str) -> AsyncIterator[HttpClient]:
    """Shows no certificate."""
    async with HttpClient(f"{client_ip}:{NOBODY}") as client:
        await client.wait_ok(Request("/ip", HOST), "httpbin", context=mesh.describe)
        yield client


async def test_requests_over_http3(gateway: Proxy, client: HttpClient) -> None:
    before = sum((await gateway.admin.stats(r"downstream_rq_http3_total$")).values())
    for _ in range(5):
        answer = await client.get("/ip", HOST)
        assert (answer.status, answer.service) == (200, "httpbin")
    assert sum((await gateway.admin.stats(r"downstream_rq_http3_total$")).values()) >= before + 5


async def test_what_is_served_over_tcp_says_that_there_is_http3(
    gateway: Proxy, client: HttpClient, authority: Authority
) -> None:
    context = ssl.create_default_context(cafile=str(authority.roots))
    headers = {"host": HOST}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"https://{gateway.address(443)}/ip", ssl=context, server_hostname=HOST, headers=headers
        ) as response,
    ):
        assert response.status == 200
        assert response.headers["alt-svc"] == 'h3=":443"; ma=86400'


@pytest.mark.parametrize(
    ("host", "port", "status"),
    [
        (MUTUAL, NOBODY, 503),
        (MUTUAL, SOMEBODY, 200),
        (MUTUAL, STRANGER, 503),
        (PARTNER, NOBODY, 503),
        (PARTNER, SOMEBODY, 503),
        (PARTNER, STRANGER, 200),
        (OPTIONAL, NOBODY, 200),
        (OPTIONAL, SOMEBODY, 200),
        (OPTIONAL, STRANGER, 503),
        (ANYBODY, NOBODY, 503),
        (ANYBODY, STRANGER, 200),
    ],
)
async def test_certificates_of_clients_are_verified_by_the_roots_of_the_host(
    client: HttpClient, client_ip: str, host: str, port: int, status: int
) -> None:
    async with HttpClient(f"{client_ip}:{port}") as caller:
        answer = await caller.get("/headers", host)
    assert answer.status == status, answer
    if status == 200:
        told = {name.lower() for name in answer.json["headers"]}
        assert ("x-forwarded-client-cert" in told) is (port != NOBODY)
