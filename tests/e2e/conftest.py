"""The stage of the scenarios: a mesh per module and kind of stream, with a client's sidecar and an ingress gateway.

All tests of one process share an event loop, so that fixtures of any scope may hold processes.
"""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from tests.e2e.stage import Entry, open_mesh, start_ingress

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as starting real Envoys, and run them in the session's event loop."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.envoy)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="module", params=list(Stream), ids=[stream.name.lower() for stream in Stream])
def stream(request: pytest.FixtureRequest) -> Stream:
    """How the proxies of this run speak with the control plane."""
    return Stream(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory, stream: Stream) -> AsyncIterator[LocalMesh]:
    """The mesh of a module."""
    async with open_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: LocalMesh, stream: Stream) -> Proxy:
    """The sidecar of a pod that only calls others."""
    return await mesh.start_client("sleep", stream=stream)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ingress(mesh: LocalMesh, stream: Stream) -> Proxy:
    """An ingress gateway; its Service maps 80 and 8080 to ports that are free on this machine."""
    return await start_ingress(mesh, stream)


@pytest_asyncio.fixture(params=["sidecar", "gateway"], loop_scope="session")
async def entry(request: pytest.FixtureRequest, sleep: Proxy, ingress: Proxy) -> AsyncIterator[Entry]:
    """The way into the mesh: through the client's sidecar on port 8000, or through the gateway on port 80."""
    proxy, port = (sleep, 8000) if request.param == "sidecar" else (ingress, 80)
    async with proxy.client(port) as client:
        yield Entry(proxy, client)
