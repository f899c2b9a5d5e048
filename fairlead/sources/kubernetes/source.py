"""Clusters as the source of the mesh: one that holds its configuration, and others for their services."""

import asyncio
from collections.abc import Iterator
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import structlog

from fairlead.finding import Finding, Place
from fairlead.settings import KubernetesSettings
from fairlead.sources.batch import Batch, Sink
from fairlead.sources.kubernetes.access import ClusterAccess
from fairlead.sources.kubernetes.cluster import Cluster, ClusterState
from fairlead.sources.kubernetes.cluster_metrics import ClusterMetrics
from fairlead.sources.kubernetes.connection import ApiConnection
from fairlead.sources.kubernetes.faults import FaultBook
from fairlead.sources.kubernetes.informer import Informer
from fairlead.sources.kubernetes.mesh_config_map import MeshConfigReader
from fairlead.sources.kubernetes.on_demand import OnDemandObjects
from fairlead.sources.kubernetes.reader import ObjectReader, Observer
from fairlead.sources.kubernetes.remote_clusters import RemoteClusters
from fairlead.sources.kubernetes.served import Collection
from fairlead.sources.kubernetes.token_review import TokenReviewer
from translator.database import Database
from translator.demand import ON_DEMAND
from translator.objects.registry import PRIMARY, SERVICE_KINDS, Kind, ObjectKey

# Findings are told when they have lasted so long (seconds): what a reconnect mends is not worth a word.
_GATHER: Final = 0.5


class KubernetesSource:
    """Follows all clusters. What an API server said last stays in force while it cannot be reached.

    ``observer`` sees the documents of the primary cluster's objects.
    """

    def __init__(self, settings: KubernetesSettings, database: Database) -> None:
        self.settings = settings
        self.observer: Observer = _look_away
        self._faults = FaultBook()
        self._sink: Sink | None = None
        self.primary = self._make(PRIMARY, settings.primary)
        self._others = {name: self._make(name, access) for name, access in settings.others.items()}
        taken = frozenset({settings.cluster_id, *self._others})
        self._remotes = RemoteClusters(self.primary, settings.root_namespace, taken, self._make)
        mesh = MeshConfigReader(
            settings.root_namespace, settings.mesh_config, settings.networks, self._faults, self._hand_over
        )
        self._mesh = Informer(self.primary.connection, mesh.collection, mesh)
        self._on_demand = OnDemandObjects(self.primary, database, ObjectReader(PRIMARY, self._faults, self._hand_over))
        self._running: asyncio.Task[None] | None = None
        self._log: Any = structlog.get_logger("fairlead.kubernetes")

    def place_of(self, key: ObjectKey, path: str = "") -> Place | None:  # noqa: ARG002 - a Source
        """Objects of an API server stand nowhere but in themselves."""
        return None

    def describe(self) -> dict[str, Any]:
        """What is followed: fields of a log record."""
        return {"clusters": [state.name or self.settings.cluster_id for state in self.states()]}

    @property
    def connection(self) -> ApiConnection:
        """The connection to the configuration's cluster."""
        return self.primary.connection

    def findings_of(self, key: ObjectKey) -> tuple[Finding, ...]:
        """What is wrong with the newest version of an object, in force or not."""
        return self._faults.about(key)

    def states(self) -> list[ClusterState]:
        """How every cluster is doing."""
        return [cluster.state() for cluster in self._clusters()]

    def token_verifier(self, audience: str) -> TokenReviewer:
        """Who verifies tokens for an audience: the API server of the configuration's cluster."""
        return TokenReviewer(self.primary.connection, audience)

    def collector(self) -> ClusterMetrics:
        """What Prometheus is told about the clusters."""
        return ClusterMetrics(self.states, self.settings.cluster_id)

    def complaint(self) -> str:
        """Why what is known may be old or incomplete; empty if all is well."""
        waiting = [cluster for cluster in self._clusters() if not cluster.synced.is_set()]
        faulty = [(cluster, cluster.fault) for cluster in self._clusters() if cluster.fault]
        named = {cluster.name: f"cluster {cluster.name or self.settings.cluster_id}" for cluster in self._clusters()}
        texts = [f"{named[cluster.name]}: {fault}" for cluster, fault in faulty]
        texts += [f"{named[each.name]}: not read completely yet" for each in waiting if not each.fault]
        return "; ".join(texts)

    async def load(self, sink: Sink) -> None:
        """Start to follow all clusters, and wait until the first lists are complete.

        Istio: the cluster of the configuration is waited for however long it takes, others for a while only.
        """
        self._sink = sink
        self._running = asyncio.create_task(self._run(), name="kubernetes")
        loaded = asyncio.create_task(self._wait_for_first_lists(), name="first lists")
        try:
            await asyncio.wait([self._running, loaded], return_when=asyncio.FIRST_COMPLETED)
        finally:
            loaded.cancel()
        if self._running.done():
            await self._running

    async def follow(self, sink: Sink) -> None:  # noqa: ARG002 - a Source; it is the one that was loaded into
        """Go on until cancelled."""
        if self._running is not None:
            await self._running

    async def settled(self) -> None:
        """Wait until the Secrets and ConfigMaps that the mesh asked for were looked up."""
        await self._on_demand.settled()

    async def __aenter__(self) -> Self:
        """Load the credentials of the configuration's cluster. Raises AccessError."""
        await self.primary.connection.open()
        for cluster in self._others.values():
            await cluster.connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        for cluster in self._clusters():
            await cluster.connection.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_findings(), name="findings")
            group.create_task(self._mesh.run(), name="mesh configuration")
            for cluster in (self.primary, *self._others.values()):
                group.create_task(cluster.run(), name=f"cluster {cluster.name}")
            group.create_task(self._remotes.run(), name="remote secrets")
            group.create_task(self._on_demand.run(), name="on demand")

    async def _wait_for_first_lists(self) -> None:
        await self._mesh.is_synced.wait()
        await self.primary.synced.wait()
        await self._remotes.informer.is_synced.wait()
        others = [cluster for cluster in self._clusters() if cluster is not self.primary]
        waits = [asyncio.ensure_future(cluster.synced.wait()) for cluster in others]
        if waits:
            _, late = await asyncio.wait(waits, timeout=self.settings.sync_timeout)
            for wait in late:
                wait.cancel()
            names = [cluster.name for cluster in others if not cluster.synced.is_set()]
            if names:
                self._log.warning("kubernetes.sync.timeout", clusters=names, effect="serving without them for now")

    async def _tell_findings(self) -> None:
        while True:
            await self._faults.changed.wait()
            await asyncio.sleep(_GATHER)
            await self._hand_over(Batch([], perf_counter(), self._faults.take()))

    async def _hand_over(self, batch: Batch) -> None:
        if self._sink is not None:
            await self._sink(batch)

    def _make(self, name: str, access: ClusterAccess) -> Cluster:
        kinds = SERVICE_KINDS if name else frozenset(Kind) - ON_DEMAND
        observer = None if name else self._observe
        return Cluster(name, access, kinds, ObjectReader(name, self._faults, self._hand_over, observer), self._faults)

    def _observe(self, collection: Collection, key: ObjectKey, raw: msgspec.Raw | None) -> None:
        self.observer(collection, key, raw)

    def _clusters(self) -> Iterator[Cluster]:
        yield self.primary
        yield from self._others.values()
        yield from self._remotes.clusters.values()


def _look_away(collection: Collection, key: ObjectKey, raw: msgspec.Raw | None) -> None:
    """Nobody wants to know more than what the mesh reads."""
