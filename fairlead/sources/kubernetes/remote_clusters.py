"""Clusters that Secrets bring: added, changed and removed while everything else goes on.

Istio: a Secret with the label ``istio/multiCluster: "true"`` in the root namespace holds kubeconfigs, each under the
name of its cluster.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from fairlead.sources.kubernetes.access import ClusterAccess, EmbeddedAccess
from fairlead.sources.kubernetes.cluster import Cluster
from fairlead.sources.kubernetes.informer import Informer
from fairlead.sources.kubernetes.reflector import Change, Identity
from fairlead.sources.kubernetes.served import Collection
from translator.objects.core import Secret
from translator.objects.registry import Kind

LABEL: Final = "istio/multiCluster=true"

MakeCluster = Callable[[str, ClusterAccess], Cluster]


class RemoteClusters:
    """Follows the clusters of remote secrets. ``taken`` are names that no Secret may claim."""

    def __init__(self, home: Cluster, namespace: str, taken: frozenset[str], make: MakeCluster) -> None:
        collection = Collection(Kind.SECRET, "", "v1", "secrets", namespace=namespace, labels=LABEL)
        self.informer = Informer(home.connection, collection, self, timing=home.timing)
        self.clusters: dict[str, Cluster] = {}
        self._taken = taken
        self._make = make
        self._secrets: dict[Identity, dict[str, bytes]] = {}
        self._in_force: dict[str, bytes] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._log: Any = structlog.get_logger("fairlead.kubernetes")

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self.informer.run()

    async def receive(self, collection: Collection, changes: list[Change], received: float) -> None:  # noqa: ARG002 - a Receiver
        """Secrets came, went or changed."""
        for change in changes:
            if change.raw is None:
                self._secrets.pop(change.identity, None)
                continue
            try:
                self._secrets[change.identity] = msgspec.json.decode(change.raw, type=Secret).data
            except msgspec.DecodeError as error:
                # What it said before stays in force.
                self._log.error("cluster.secret.unreadable", secret="/".join(change.identity), reason=str(error))
        await self._adjust(self._wanted())

    def _wanted(self) -> dict[str, bytes]:
        """The kubeconfigs by the names of their clusters; of several the one of the first Secret by name counts."""
        wanted: dict[str, bytes] = {}
        for identity, data in sorted(self._secrets.items()):
            for name, content in sorted(data.items()):
                if name in self._taken:
                    continue
                if name in wanted:
                    self._log.warning(
                        "cluster.secret.ignored",
                        cluster=name,
                        secret="/".join(identity),
                        reason="another Secret holds a kubeconfig for this cluster",
                    )
                    continue
                wanted[name] = content
        return wanted

    async def _adjust(self, wanted: dict[str, bytes]) -> None:
        for name in self._in_force.keys() - wanted.keys():
            await self._remove(name)
        for name, content in wanted.items():
            if self._in_force.get(name) != content:
                await self._put(name, EmbeddedAccess(content=content))
        self._in_force = wanted

    async def _put(self, name: str, access: EmbeddedAccess) -> None:
        """Follow a cluster, or go on with it by other credentials: what is known of it stays until it is compared."""
        cluster = self.clusters.get(name)
        if cluster is None:
            cluster = self.clusters[name] = self._make(name, access)
            self._log.info("cluster.added", cluster=name)
        else:
            await self._halt(name)
            await cluster.replace(access)
            self._log.info("cluster.changed", cluster=name)
        if self._group is not None:
            self._tasks[name] = self._group.create_task(cluster.run(), name=f"cluster {name}")

    async def _remove(self, name: str) -> None:
        await self._halt(name)
        cluster = self.clusters.pop(name)
        await cluster.withdraw()
        await cluster.connection.close()
        self._log.info("cluster.removed", cluster=name)

    async def _halt(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
