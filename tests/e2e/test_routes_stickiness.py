"""Consistent hashing: who shows the same header, cookie, address or parameter comes to the same pod."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from tests.simulation.echo import RawClient

PODS = 5
VALUES = 20
KINDS = {
    "header": "{httpHeaderName: x-user}",
    "cookie": "{httpCookie: {name: session, ttl: 60s}}",
    "browser": "{httpCookie: {name: session, ttl: 0s}}",
    "source": "{useSourceIp: true}",
    "parameter": "{httpQueryParameterName: user}",
}
RULES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  subsets: [SUBSETS]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [ROUTES]
"""


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Hashing does not depend on the variant of the protocol."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(mesh: LocalMesh, sleep: Proxy) -> str:
    """Where the service is called; the first segment of the path chooses what is hashed."""
    workload = mesh.workload("web")
    await workload.add("v1", replicas=PODS)
    subsets = ", ".join(
        f"{{name: {name}, labels: {{app: web}}, trafficPolicy: {{loadBalancer: {{consistentHash: {what}}}}}}}"
        for name, what in KINDS.items()
    )
    routes = ", ".join(
        f"{{match: [{{uri: {{prefix: /{name}}}}}], route: [{{destination: {{host: web, subset: {name}}}}}]}}"
        for name in KINDS
    )
    mesh.folder.apply_yaml(RULES.replace("SUBSETS", subsets).replace("ROUTES", routes), "default")
    async with HttpClient(sleep.address(8000)) as client:
        for name in KINDS:
            await client.wait_ok(Request(f"/{name}", "web"), "web", context=mesh.describe)
            await sleep.wait_healthy_hosts(workload.service.cluster_name(name), workload.ready_addresses)
    return sleep.address(8000)


@pytest_asyncio.fixture(loop_scope="session")
async def client(address: str) -> AsyncIterator[RawClient]:
    async with RawClient(address) as client:
        yield client


async def instances(client: RawClient, path: str, *headers: tuple[str, str], count: int = 5) -> set[str]:
    """Which pods answered some equal requests."""
    replies = [await client.send("GET", path, [("host", "web"), *headers]) for _ in range(count)]
    return {reply.headers["x-instance"] for reply in replies}


async def test_by_header(client: RawClient) -> None:
    found = [await instances(client, "/header", ("x-user", f"user-{number}")) for number in range(VALUES)]
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) > 1


async def test_by_query_parameter(client: RawClient) -> None:
    found = [await instances(client, f"/parameter?user={number}") for number in range(VALUES)]
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) > 1


@pytest.mark.parametrize(("path", "age"), [("/cookie", "Max-Age=60"), ("/browser", "")])
async def test_case_23_by_a_cookie_that_the_proxy_sets(client: RawClient, path: str, age: str) -> None:
    found = []
    for _ in range(VALUES):
        first = await client.send("GET", path, [("host", "web")])
        cookie = first.headers["set-cookie"]
        assert (age in cookie, "Max-Age" in cookie) == (True, bool(age))
        name = cookie.partition(";")[0]
        assert name.startswith("session=")
        assert await instances(client, path, ("cookie", name)) == {first.headers["x-instance"]}
        found.append(first.headers["x-instance"])
        assert "set-cookie" not in (await client.send("GET", path, [("host", "web"), ("cookie", name)])).headers
    assert len(found) == VALUES


async def test_by_the_address_of_the_client(mesh: LocalMesh, address: str) -> None:
    found = []
    for _ in range(VALUES):
        async with RawClient(address, source=mesh.addresses.ip()) as client:
            found.append(await instances(client, "/source"))
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) > 1


async def test_without_what_is_hashed_any_pod_will_do(client: RawClient) -> None:
    assert len(await instances(client, "/header", count=60)) > 1
