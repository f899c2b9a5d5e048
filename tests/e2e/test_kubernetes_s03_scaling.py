"""The scenario of the folder, unchanged, on an API server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.proxy import Proxy, Stream
from tests.e2e.cluster_mesh import ClusterMesh, open_cluster_mesh
from tests.e2e.stage import Entry
from tests.e2e.test_s03_scaling import *  # noqa: F403


@pytest.fixture(scope="module")
def stream() -> Stream:
    """How the proxies speak with the control plane."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory, stream: Stream) -> AsyncIterator[ClusterMesh]:
    """The mesh of the module."""
    async with open_cluster_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


# What comes from the API server is the same for both ways into the mesh.
@pytest_asyncio.fixture(loop_scope="session")
async def entry(sleep: Proxy) -> AsyncIterator[Entry]:
    """The way into the mesh: through the client's sidecar."""
    async with sleep.client(8000) as client:
        yield Entry(sleep, client)
