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
from tests.e2e.outside import Authority
from tests.e2e.test_s15_tls_gateway import server, tls_secret

LABELS = {"app": "http3-gateway", "istio": "http3-gateway"}
HOST, MUTUAL = "three.example.com", "mutual.example.com"
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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: LocalMesh, stream: Stream, authority: Authority) -> Proxy:
    mesh.folder.apply(
        tls_secret("three", authority.issue(HOST)),
        tls_secret("mutual", authority.issue(MUTUAL), ca_crt=authority.roots),
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


def bootstrap(admin: str, listened: str, gateway: str, roots: Path) -> dict[str, Any]:
    """An Envoy that sends what it gets over plain HTTP to a gateway, over HTTP/3."""

    def address(text: str, protocol: str = "TCP") -> dict[str, Any]:
        host, _, port = text.rpartition(":")
        return {"socket_address": {"address": host, "port_value": int(port), "protocol": protocol}}

    route = {"match": {"prefix": "/"}, "route": {"cluster": "gateway"}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    tls = {
        "common_tls_context": {"validation_context": {"trusted_ca": {"filename": str(roots)}}},
        "auto_sni_san_validation": True,
    }
    options = {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "upstream_http_protocol_options": {"auto_sni": True},
        "explicit_http_config": {"http3_protocol_options": {}},
    }
    quic = {"@type": f"{TYPES}.transport_sockets.quic.v3.QuicUpstreamTransport", "upstream_tls_context": tls}
    endpoint = {"endpoint": {"address": address(gateway, "UDP")}}
    cluster = {
        "name": "gateway",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "gateway", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "transport_socket": {"name": "envoy.transport_sockets.quic", "typed_config": quic},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "client", "address": address(listened), "filter_chains": [chain]}
    return {
        "admin": {"address": address(admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(
    mesh: LocalMesh, gateway: Proxy, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HttpClient]:
    ip, config = mesh.addresses.ip(), tmp_path_factory.mktemp("client") / "client.json"
    admin = f"{ip}:9901"
    config.write_text(json.dumps(bootstrap(admin, f"{ip}:8080", gateway.address(443), authority.roots)))
    async with EnvoyProcess("http3-client", config, admin), HttpClient(f"{ip}:8080") as client:
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


async def test_a_server_that_asks_for_certificates_is_not_to_be_had_without(client: HttpClient) -> None:
    assert (await client.get("/ip", MUTUAL)).status == 503
