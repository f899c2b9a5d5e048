"""One VirtualService for several Gateways, several hosts on one Gateway, several VirtualServices for one host."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import Document
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy

SERVICES = ("alpha", "beta", "gamma")


def gateway(name: str, port: int, hosts: list[str]) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: {name}
spec:
  selector:
    istio: ingressgateway
  servers:
  - port: {{number: {port}, name: http, protocol: HTTP}}
    hosts: {hosts}
"""


def virtual_service(name: str, created: str, gateways: list[str], hosts: list[str], prefixes: dict[str, str]) -> str:
    rules = "".join(
        f"""
  - match: [{{uri: {{prefix: {prefix}}}}}]
    route:
    - destination: {{host: {service}, port: {{number: 8000}}}}"""
        for prefix, service in prefixes.items()
    )
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  creationTimestamp: "{created}"
spec:
  hosts: {hosts}
  gateways: {gateways}
  http:{rules}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    for name in SERVICES:
        await mesh.workload(name).add("v1")


@pytest.fixture
def documents(mesh: LocalMesh) -> Iterator[list[Document]]:
    applied: list[Document] = []
    yield applied
    mesh.folder.delete(*applied)


@pytest_asyncio.fixture(loop_scope="session")
async def port_80(ingress: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(ingress.address(80), keep_alive=False) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def port_8080(ingress: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(ingress.address(8080), keep_alive=False) as client:
        yield client


async def test_one_virtual_service_serves_several_gateways(
    mesh: LocalMesh, documents: list[Document], port_80: HttpClient, port_8080: HttpClient
) -> None:
    for text in (
        gateway("public", 80, ["*"]),
        gateway("partner", 8080, ["*.partner.example.org"]),
        virtual_service(
            "shared", "2026-01-01T00:00:00Z", ["public", "partner"], ["shop.partner.example.org"], {"/": "alpha"}
        ),
    ):
        documents += mesh.folder.apply_yaml(text, "default")
    request = Request("/", "shop.partner.example.org")
    for client in (port_80, port_8080):
        await client.wait_ok(request, "alpha", context=mesh.describe)
        assert (await client.get("/", "other.example.org")).status == 404


async def test_one_gateway_serves_several_hosts(
    mesh: LocalMesh, documents: list[Document], port_80: HttpClient
) -> None:
    for text in (
        gateway("public", 80, ["one.example.org", "two.example.org", "*.example.net"]),
        virtual_service("one", "2026-01-01T00:00:00Z", ["public"], ["one.example.org"], {"/": "alpha"}),
        virtual_service("two", "2026-01-01T00:00:00Z", ["public"], ["two.example.org"], {"/": "beta"}),
        # For every host of the gateway, but the others are older.
        virtual_service("any", "2026-02-01T00:00:00Z", ["public"], ["*"], {"/": "gamma"}),
    ):
        documents += mesh.folder.apply_yaml(text, "default")
    for host, service in (
        ("one.example.org", "alpha"),
        ("two.example.org", "beta"),
        ("any.example.net", "gamma"),
        ("ONE.example.org", "alpha"),
    ):
        await port_80.wait_ok(Request("/", host), service, context=mesh.describe)
    assert (await port_80.get("/", "three.example.org")).status == 404


async def test_virtual_services_for_one_host_are_merged_oldest_first_and_catch_all_routes_last(
    mesh: LocalMesh, ingress: Proxy, documents: list[Document], port_80: HttpClient
) -> None:
    hosts = ["shop.example.org"]
    for text in (
        gateway("public", 80, ["*.example.org"]),
        # The names are in the opposite order of the ages, and the oldest holds the catch-all route.
        virtual_service("c", "2024-01-01T00:00:00Z", ["public"], hosts, {"/": "gamma"}),
        virtual_service("b", "2025-01-01T00:00:00Z", ["public"], hosts, {"/both": "beta", "/b": "beta"}),
        virtual_service("a", "2026-01-01T00:00:00Z", ["public"], hosts, {"/both": "alpha", "/a": "alpha"}),
    ):
        documents += mesh.folder.apply_yaml(text, "default")
    for path, service in (("/a", "alpha"), ("/b", "beta"), ("/both", "beta"), ("/other", "gamma")):
        await port_80.wait_ok(Request(path, "shop.example.org"), service, context=mesh.describe)
    routes = (await ingress.admin.config()).routes[f"http.{ingress.ports[80]}"]
    (host,) = (host for host in routes["virtual_hosts"] if "shop.example.org" in host["domains"])
    assert [route["route"]["cluster"].split("|")[3].partition(".")[0] for route in host["routes"]] == [
        "beta",
        "beta",
        "alpha",
        "alpha",
        "gamma",
    ]
