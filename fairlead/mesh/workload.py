"""The pods of one Service: backends on loopback addresses, and the documents that tell of them."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace

from fairlead.address import Address
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.documents import (
    StandInPod,
    StandInService,
    endpoint_slice_document,
    pod_document,
    service_document,
)
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.folder import MeshObjects
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Instance

BuildServer = Callable[[Instance], AbstractAsyncContextManager[object]]
StartSidecar = Callable[[StandInPod], Awaitable[EnvoyProcess]]


class Workload:
    """Adds pods to a Service, takes them away and alters their readiness, as a deployment would.

    The server of a pod that was removed goes on until the workload is closed: whoever still sends to it gets an
    answer, and is found out by it.
    """

    def __init__(
        self,
        service: StandInService,
        objects: MeshObjects,
        addresses: Addresses | NamespaceAddresses,
        build_server: BuildServer = httpbin.build_backend,
        start_sidecar: StartSidecar | None = None,
    ) -> None:
        """Write the Service, with no pods. ``start_sidecar`` is called for each pod before it is ready."""
        self.service = service
        self._objects = objects
        self._addresses = addresses
        self._build_server = build_server
        self._start_sidecar = start_sidecar
        self._sidecars: list[EnvoyProcess] = []
        self._servers = AsyncExitStack()
        self._numbers = itertools.count(1)
        self._pods: dict[str, StandInPod] = {}
        # When the endpoints were last written, in seconds since the epoch.
        self.endpoints_written = 0.0
        objects.apply(service_document(service))
        self._write_endpoints()

    @property
    def pods(self) -> tuple[StandInPod, ...]:
        """The pods there are, ready or not."""
        return tuple(self._pods.values())

    @property
    def ready_addresses(self) -> frozenset[str]:
        """The addresses (``ip:port``) of the ready pods on the first port."""
        return frozenset(self.address(pod) for pod in self._pods.values() if pod.ready)

    def address(self, pod: StandInPod) -> str:
        """Where a pod serves the first port (``ip:port``)."""
        return str(Address(pod.ip, self.service.ports[0].target))

    async def add(
        self, version: str = "v1", replicas: int = 1, *, ready: bool = True, labels: Mapping[str, str] | None = None
    ) -> tuple[StandInPod, ...]:
        """Start pods of a version: they serve on every target port before anybody is told."""
        pods = tuple([await self._start(version, ready, labels or {}) for _ in range(replicas)])
        if self._start_sidecar is not None:
            self._objects.apply(*(pod_document(replace(pod, ready=False)) for pod in pods))
            self._sidecars += await asyncio.gather(*map(self._start_sidecar, pods))
        self._pods |= {pod.name: pod for pod in pods}
        self._objects.apply(*map(pod_document, pods))
        self._write_endpoints()
        return pods

    def remove(self, *pods: StandInPod) -> None:
        """Take pods away, first from the endpoints."""
        for pod in pods:
            del self._pods[pod.name]
        self._write_endpoints()
        self._objects.delete(*map(pod_document, pods))

    def mark_ready(self, *pods: StandInPod, ready: bool = True) -> None:
        """Let pods become ready, or unready."""
        changed = [replace(pod, ready=ready) for pod in pods]
        self._pods |= {pod.name: pod for pod in changed}
        self._objects.apply(*map(pod_document, changed))
        self._write_endpoints()

    async def scale(self, replicas: int, version: str = "v1") -> None:
        """Add pods of a version, or remove the oldest of it, until there are so many."""
        present = [pod for pod in self._pods.values() if pod.labels["version"] == version]
        if surplus := present[: max(0, len(present) - replicas)]:
            self.remove(*surplus)
        if len(present) < replicas:
            await self.add(version, replicas - len(present))

    async def close(self) -> None:
        """Stop every server and every sidecar; the documents stay."""
        await asyncio.gather(*(sidecar.close() for sidecar in self._sidecars))
        self._sidecars.clear()
        await self._servers.aclose()

    async def _start(self, version: str, ready: bool, labels: Mapping[str, str]) -> StandInPod:  # noqa: FBT001
        ip = self._addresses.ip()
        namespace, others = self._addresses.namespace(ip), self._addresses.all_ips(ip)[1:]
        for port in {port.target for port in self.service.ports}:
            # The application serves each of its addresses with the same socket.
            listening = namespace.listen(ip if not others else "::", port) if namespace else None
            instance = Instance(self.service.name, version, ip, port, listening)
            await self._servers.enter_async_context(self._build_server(instance))
        name = f"{self.service.name}-{version.replace('.', '-')}-{next(self._numbers)}"
        own_labels = {**self.service.selector, "version": version, **labels}
        return StandInPod(name, self.service.namespace, ip, own_labels, ready, other_ips=others)

    def _write_endpoints(self) -> None:
        self.endpoints_written = time.time()
        pods = self._pods.values()
        self._objects.apply(*(endpoint_slice_document(self.service, pods, each) for each in self._addresses.versions))
