"""The whole load, written where a control plane reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.bench.cluster import ClusterDestination
from fairlead.bench.destination import Destination, FolderDestination
from fairlead.bench.load import Load, LoadShape


@asynccontextmanager
async def open_destination(folder: Path, kubeconfig: str | None, *, yaml: bool) -> AsyncIterator[Destination]:
    """A folder, or a cluster if there is a ``kubeconfig``; an empty one is kubectl's own."""
    if kubeconfig is None:
        yield FolderDestination(folder, yaml=yaml)
        return
    cluster = ClusterDestination(kubeconfig)
    try:
        yield cluster
    finally:
        await cluster.close()


async def write_load(shape: LoadShape, folder: Path, kubeconfig: str | None, *, yaml: bool) -> int:
    """Write all objects of a load; how many they are. BenchError when a cluster does not take them."""
    documents = list(Load(shape).documents())
    async with open_destination(folder, kubeconfig, yaml=yaml) as destination:
        await destination.fill(documents)
    return len(documents)
