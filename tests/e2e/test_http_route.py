"""HTTPRoutes of the Gateway API, attached to a gateway and to a service, through real Envoys."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from tests.e2e.stage import Entry
from tests.simulation.echo import RawClient

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: front
  namespace: istio-system
spec:
  gatewayClassName: istio
  # The workloads behind this Service are the gateway.
  addresses: [{type: Hostname, value: istio-ingressgateway}]
  listeners:
  - {name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs:
  - {name: front, namespace: istio-system}
  - {group: "", kind: Service, name: shop}
  rules:
  - matches: [{path: {value: /ready}}]
    backendRefs: [{name: shop, port: 8000}]
  - matches: [{path: {value: /foo}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
    backendRefs: [{name: shop, port: 8000}]
  - matches: [{path: {value: /gone}}]
    backendRefs: [{name: gone, port: 8000}]
  - matches: [{path: {value: /half}}]
    backendRefs: [{name: shop, port: 8000}, {name: gone, port: 8000}]
  - matches: [{path: {value: /away}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: away.example.com}}]
"""
HOST = "shop.default.svc.cluster.local"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def shop(mesh: LocalMesh) -> None:
    await mesh.workload("shop").add("v1")
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(ROUTE, "default")


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, entry: Entry) -> AsyncIterator[HttpClient]:
    await entry.client.wait_ok(Request("/ready", HOST), "shop", context=mesh.describe)
    # The default route of the service answers here until the HTTPRoute is in force.
    await entry.proxy.wait_config(lambda config: "default.shop.1" in str(config.routes))
    yield entry.client


@pytest.mark.parametrize(
    ("path", "status", "seen"),
    [("/foo", 200, "/"), ("/foo/", 200, "/"), ("/foo/bar", 200, "/bar"), ("/foobar", 404, ""), ("/other", 404, "")],
)
async def test_case_13_a_prefix_is_a_whole_segment(client: HttpClient, path: str, status: int, seen: str) -> None:
    answer = await client.get(path, HOST)
    assert answer.status == status
    if seen:
        assert answer.json["path"] == seen


async def test_case_15_a_backend_that_is_missing_answers_500_for_its_share(client: HttpClient) -> None:
    assert (await client.get("/gone", HOST)).status == 500
    traffic = await send_many(lambda: client.get("/half", HOST), 200)
    statuses = traffic.by_status()
    assert set(statuses) == {200, 500}
    assert 60 <= statuses[500] <= 140


async def test_a_redirect_keeps_the_port_of_the_listener(client: HttpClient, entry: Entry) -> None:
    assert (await client.get("/away", HOST)).status == 302
    is_gateway = bool(entry.proxy.ports)
    async with RawClient(entry.proxy.address(80 if is_gateway else 8000)) as raw:
        reply = await raw.send("GET", "/away", [("host", HOST)])
    port = "" if is_gateway else ":8000"
    assert reply.headers.get("location") == f"http://away.example.com{port}/away"


async def test_what_a_route_no_longer_says_is_gone(mesh: LocalMesh, ingress: Proxy) -> None:
    mesh.folder.apply_yaml(ROUTE.replace("value: /foo", "value: /new"), "default")
    async with ingress.client(80) as client:
        await client.wait_ok(Request("/new/x", HOST), "shop", context=mesh.describe)
        assert (await client.get("/foo", HOST)).status == 404
    mesh.folder.apply_yaml(ROUTE, "default")
