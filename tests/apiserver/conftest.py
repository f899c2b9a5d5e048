"""The clusters that the conformance tests run against."""

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.server import ApiServer

_NAMES = itertools.count(1)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """The stand-in."""
    async with ApiServer() as server:
        yield server


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    """A cluster."""
    async with Cluster(server.url) as cluster:
        yield cluster


@pytest.fixture
async def namespace(cluster: Cluster) -> str:
    """The path of a namespace of the test's own."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": f"test-{next(_NAMES)}-"}}
    created = await cluster.create("/api/v1/namespaces", body)
    return f"namespaces/{created['metadata']['name']}"
