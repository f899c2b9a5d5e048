"""Secrets and ConfigMaps, each followed by its name, and only those that the mesh asks for."""

import asyncio
from typing import Final

# Here, for a Secret of a cluster is read on the event loop, which must not wait for what looks into it.
import translator.secrets.pem  # noqa: F401
from fairlead.sources.kubernetes.cluster import Cluster
from fairlead.sources.kubernetes.informer import Informer, Receiver
from fairlead.sources.kubernetes.served import Collection
from translator.database import Database
from translator.objects.registry import Kind, ObjectKey

_COLLECTIONS: Final = {
    Kind.SECRET: Collection(Kind.SECRET, "", "v1", "secrets"),
    Kind.CONFIG_MAP: Collection(Kind.CONFIG_MAP, "", "v1", "configmaps"),
}
# How often to let go of what nothing needs any more (seconds).
_PRUNE: Final = 30.0
# What cannot be read for so long is taken to be missing (seconds).
_PATIENCE: Final = 5.0


class OnDemandObjects:
    """Follows what queries have read by name. Least privilege: no request reaches beyond these names."""

    def __init__(self, cluster: Cluster, database: Database, receiver: Receiver) -> None:
        self._cluster = cluster
        self._database = database
        self._receiver = receiver
        self._informers: dict[ObjectKey, Informer] = {}
        self._tasks: dict[ObjectKey, asyncio.Task[None]] = {}
        self._grown = asyncio.Event()
        # Set while all that is asked for is being followed.
        self._adjusted = asyncio.Event()
        database.demand.grown = self._note_growth

    def __len__(self) -> int:
        """How many objects are followed."""
        return len(self._informers)

    async def run(self) -> None:
        """Follow until cancelled."""
        self._grown.set()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    async with asyncio.timeout(_PRUNE):
                        await self._grown.wait()
                except TimeoutError:
                    self._database.demand.prune(self._database.is_read)
                self._grown.clear()
                await self._adjust(group)
                if not self._grown.is_set():
                    self._adjusted.set()

    async def settled(self) -> None:
        """Wait until everything asked for was looked up, as far as the API server answers."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._adjusted.wait()
                for informer in tuple(self._informers.values()):
                    await informer.is_synced.wait()
        except TimeoutError:
            return

    def _note_growth(self) -> None:
        self._adjusted.clear()
        self._grown.set()

    async def _adjust(self, group: asyncio.TaskGroup) -> None:
        wanted = self._database.demand.keys
        for key in self._informers.keys() - wanted:
            task = self._tasks.pop(key)
            task.cancel()
            await asyncio.wait([task])
            await self._informers.pop(key).clear()
        for key in wanted - self._informers.keys():
            collection = _COLLECTIONS[key.kind].named(key.namespace, key.name)
            informer = Informer(self._cluster.connection, collection, self._receiver, timing=self._cluster.timing)
            self._informers[key] = informer
            self._tasks[key] = group.create_task(informer.run(), name=f"informer {key}")
