"""The stage of the scenarios with interception: every pod is a network namespace with a sidecar of its own."""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy, Stream
from tests.e2e.stage import Entry
from translator.model.proxy import Capture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run those with coroutines in the session's event loop."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.netns)
            item.add_marker(pytest.mark.envoy)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="module", params=[Capture.REDIRECT, Capture.TPROXY], ids=["redirect", "tproxy"])
def capture(request: pytest.FixtureRequest) -> Capture:
    """How traffic gets into the sidecars of this run."""
    return Capture(request.param)


@pytest.fixture(scope="module")
def stream() -> Stream:
    """How the proxies speak with the control plane."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory, capture: Capture) -> AsyncIterator[NamespaceMesh]:
    """A control plane on an empty folder, in a network of namespaces."""
    async with NamespaceMesh(tmp_path_factory.mktemp("mesh"), capture=capture) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh) -> Proxy:
    """The sidecar of a pod that only calls others."""
    return await mesh.start_client("sleep")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ingress(mesh: NamespaceMesh) -> Proxy:
    """An ingress gateway."""
    return await mesh.start_gateway({80: mesh.addresses.port(), 8080: mesh.addresses.port()})


@pytest_asyncio.fixture(params=["sidecar", "gateway"], loop_scope="session")
async def entry(request: pytest.FixtureRequest, sleep: Proxy, ingress: Proxy) -> AsyncIterator[Entry]:
    """The way into the mesh: through the client's sidecar, or through the gateway on port 80."""
    proxy, port = (sleep, 8000) if request.param == "sidecar" else (ingress, 80)
    async with proxy.client(port) as client:
        yield Entry(proxy, client)
