"""A VirtualService sends two prefixes of one host to two services, with rewritten paths."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy

HOST = "httpbin.default.svc.cluster.local"
VIRTUAL_SERVICE = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: httpbin
spec:
  hosts: [{HOST}]
  http:
  - match: [{{uri: {{prefix: /one}}}}]
    rewrite: {{uri: /ip}}
    route:
    - destination: {{host: httpbin.default.svc.cluster.local}}
  - match: [{{uri: {{prefix: /two}}}}]
    rewrite: {{uri: /user-agent}}
    route:
    - destination: {{host: httpbin-2.default.svc.cluster.local}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    for name in ("httpbin", "httpbin-2"):
        await mesh.workload(name).add("v1")
    mesh.folder.apply_yaml(VIRTUAL_SERVICE, "default")


@pytest_asyncio.fixture(loop_scope="session")
async def client(mesh: LocalMesh, sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        for service, path in (("httpbin", "/one"), ("httpbin-2", "/two")):
            await client.wait_ok(Request(path, HOST), service, context=mesh.describe)
        yield client


@pytest.mark.parametrize("host", [HOST, f"{HOST}:8000", "httpbin", "httpbin:8000"])
async def test_each_prefix_reaches_its_service_with_the_rewritten_path(client: HttpClient, host: str) -> None:
    one = await client.get("/one", host)
    assert (one.status, one.service, one.json["path"]) == (200, "httpbin", "/ip")
    assert "origin" in one.json
    two = await client.get("/two", host, {"user-agent": "sample"})
    assert (two.status, two.service, two.json["path"]) == (200, "httpbin-2", "/user-agent")
    assert two.json["user-agent"] == "sample"


@pytest.mark.parametrize("path", ["/", "/ip", "/three", "/ones/../three"])
async def test_any_other_path_is_not_found(client: HttpClient, path: str) -> None:
    assert (await client.get(path, HOST)).status == 404


async def test_the_other_service_keeps_its_own_routes(client: HttpClient) -> None:
    answer = await client.get("/headers", "httpbin-2:8000")
    assert (answer.status, answer.service) == (200, "httpbin-2")
