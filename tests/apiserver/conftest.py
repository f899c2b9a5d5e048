"""The clusters that the conformance tests run against."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.apiserver import real
from tests.apiserver.cluster import Cluster
from tests.apiserver.server import ApiServer


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """The stand-in."""
    async with ApiServer() as server:
        yield server


# Nobody needs to read of every test that it was not repeated.
@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["stand-in"] if real.missing() else ["stand-in", "real"]
)
async def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A cluster for the tests of a module: the stand-in, and a real API server where KUBEBUILDER_ASSETS says so."""
    if request.param == "real":
        async with real.real_cluster(tmp_path_factory.mktemp("real")) as cluster:
            yield cluster
        return
    async with ApiServer() as server, Cluster(server.url) as cluster:

        async def compact() -> None:
            server.compact()

        cluster.compact = compact
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def namespace(cluster: Cluster) -> str:
    """The path of a namespace of the test's own."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}}
    created = await cluster.create("/api/v1/namespaces", body)
    return f"namespaces/{created['metadata']['name']}"
