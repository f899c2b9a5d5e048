"""Requests to hosts that nobody has registered, where the mesh has them go where DNS says."""

import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.workload import Workload
from tests.e2e.outside import DnsServer
from tests.netns.applications import GREETING, serve_lines
from tests.netns.test_protocols import exchange

HOST = "unknown.example.test"
# An address of nobody, and a port on which no listener is.
ELSEWHERE, PORT, LINES = "192.0.2.7", 8123, 8124
POLICY = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    workdir = tmp_path_factory.mktemp("mesh")
    async with NamespaceMesh(workdir, POLICY, answers_dns=True) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outside(mesh: NamespaceMesh) -> AsyncIterator[str]:
    """A server outside of the mesh, known to DNS alone."""
    hub, ip = mesh.network.outside, mesh.network.ip()
    bound = hub.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((hub.ip, 53))
    namespace = mesh.network.namespace(ip)
    web = httpbin.build_backend(Instance("outside", "v1", ip, PORT, namespace.listen(ip, PORT)))
    lines = serve_lines(Instance("lines", "v1", ip, LINES, namespace.listen(ip, LINES)), greeting=GREETING)
    async with DnsServer(hub.ip, {HOST: (ip,)}, bound=bound), web, lines:
        yield ip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh) -> Proxy:
    return await mesh.start_client()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(mesh: NamespaceMesh) -> Workload:
    workload = mesh.workload("known", ports=(StandInPort(PORT, 8080, "http"),))
    await workload.add()
    return workload


async def test_the_host_counts_and_not_the_address(mesh: NamespaceMesh, sleep: Proxy, outside: str) -> None:
    async with HttpClient(f"{ELSEWHERE}:{PORT}", sleep.clients) as client:
        answer = await client.wait_ok(Request("/ip", f"{HOST}:{PORT}"), "outside", context=mesh.describe)
    assert answer.instance == f"{outside}:{PORT}"


async def test_beside_a_known_host_of_the_port(
    mesh: NamespaceMesh, sleep: Proxy, outside: str, known: Workload
) -> None:
    async with HttpClient(f"{known.service.cluster_ip}:{PORT}", sleep.clients) as client:
        await client.wait_ok(Request("/ip", known.service.host), "known", context=mesh.describe)
        answer = await client.wait_ok(Request("/ip", f"{HOST}:{PORT}"), "outside", context=mesh.describe)
    assert answer.instance == f"{outside}:{PORT}"


async def test_a_server_that_speaks_first_is_heard(sleep: Proxy, outside: str) -> None:
    assert sleep.clients is not None
    assert await exchange(sleep.clients, outside, LINES, greeting=GREETING)
