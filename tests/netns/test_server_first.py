"""Servers that speak first, on ports that do not say so: known by their number, or after some waiting."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.netns.applications import GREETING, serve_lines
from tests.netns.test_protocols import exchange
from translator.model.proxy import Capture

HTTP, LINES = 8080, 3306
PORTS = (StandInPort(3306, LINES, "db"), StandInPort(7777, LINES, "odd"), StandInPort(80, HTTP, "odd-http"))
# What nobody has declared is taken for bytes when the client has said nothing for so long.
PATIENCE = {"protocolDetectionTimeout": "300ms"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory, capture: Capture) -> AsyncIterator[NamespaceMesh]:
    async with NamespaceMesh(tmp_path_factory.mktemp("mesh"), PATIENCE, capture) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(mesh: NamespaceMesh) -> Workload:
    def build(instance: Instance) -> object:
        speaks_first = instance.port == LINES
        return serve_lines(instance, greeting=GREETING) if speaks_first else httpbin.build_backend(instance)

    workload = mesh.workload("server", ports=PORTS, build_server=build)  # type: ignore[arg-type]
    await workload.add()
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(mesh: NamespaceMesh, server: Workload) -> NetworkNamespace:
    sleep = await mesh.start_client()
    assert sleep.clients is not None
    namespace = sleep.clients

    async def served() -> None:
        try:
            await exchange(namespace, server.service.cluster_ip, 3306, greeting=GREETING)
        except OSError as error:
            raise NotYetError(str(error)) from error

    await wait_until(served, context=mesh.describe)
    return namespace


async def test_a_well_known_port_needs_no_declaration(caller: NetworkNamespace, server: Workload) -> None:
    assert await exchange(caller, server.service.cluster_ip, 3306, greeting=GREETING)


async def test_any_other_is_found_out_by_waiting(caller: NetworkNamespace, server: Workload) -> None:
    assert await exchange(caller, server.service.cluster_ip, 7777, greeting=GREETING)


async def test_http_is_still_detected(mesh: NamespaceMesh, caller: NetworkNamespace, server: Workload) -> None:
    async with HttpClient(f"{server.service.cluster_ip}:80", caller) as client:
        answer = await client.wait_ok(Request("/ip", server.service.host), "server", context=mesh.describe)
    assert "X-Request-ID" in answer.json["headers"]
