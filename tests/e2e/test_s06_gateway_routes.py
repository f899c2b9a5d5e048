"""A VirtualService bound to a Gateway sends two prefixes to two services."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from tests.e2e.stage import GATEWAY

VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: frontend
spec:
  hosts: ["*"]
  gateways: [frontend-gateway]
  http:
  - match: [{uri: {prefix: /one}}]
    rewrite: {uri: /ip}
    route:
    - destination: {host: httpbin.default.svc.cluster.local, port: {number: 8000}}
  - match: [{uri: {prefix: /two}}]
    rewrite: {uri: /user-agent}
    route:
    - destination: {host: httpbin-2.default.svc.cluster.local, port: {number: 8000}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    for name in ("httpbin", "httpbin-2"):
        await mesh.workload(name).add("v1")
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(VIRTUAL_SERVICE, "default")


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, ingress: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(ingress.address(80)) as client:
        for path in ("/one", "/two"):
            await client.wait_ok(Request(path), context=mesh.describe)
        yield client


@pytest.mark.parametrize("host", [None, "frontend.example.org", "frontend.example.org:30934"])
async def test_both_prefixes_answer_and_the_root_stays_not_found(client: HttpClient, host: str | None) -> None:
    one, two, root = [await client.get(path, host) for path in ("/one", "/two", "/")]
    assert (one.status, one.service, one.json["path"]) == (200, "httpbin", "/ip")
    assert (two.status, two.service, two.json["path"]) == (200, "httpbin-2", "/user-agent")
    assert root.status == 404


async def test_routes_have_the_names_that_users_look_for(client: HttpClient, ingress: Proxy) -> None:
    config = await ingress.admin.config()
    target = ingress.ports[80]
    routes = config.routes[f"http.{target}"]
    assert f"0.0.0.0_{target}" in config.listeners
    actions = [route["route"] for host in routes["virtual_hosts"] for route in host["routes"]]
    assert [(action["prefix_rewrite"], action["cluster"]) for action in actions] == [
        ("/ip", "outbound|8000||httpbin.default.svc.cluster.local"),
        ("/user-agent", "outbound|8000||httpbin-2.default.svc.cluster.local"),
    ]
