"""Thousands of pods that answer for real: each has an address of its own, and one socket serves them all."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from fairlead.address import Address
from fairlead.mesh.addresses import Addresses
from fairlead.mesh.documents import (
    StandInPod,
    StandInPort,
    StandInService,
    endpoint_slice_document,
    pod_document,
    service_document,
)
from fairlead.mesh.folder import MeshObjects
from fairlead.mesh.netns_addresses import NamespaceAddresses
from fairlead.mesh.services.backend import INSTANCE_HEADER

PORT: Final = 8000
# At most so long is between two steps (seconds).
_PAUSE: Final = 0.02


class Fleet:
    """Services with many pods; an async context manager that answers while its block runs.

    A pod that is gone still answers, and is found out by it.
    """

    def __init__(
        self, objects: MeshObjects, addresses: Addresses | NamespaceAddresses, services: int, replicas: int
    ) -> None:
        """Write the services and their pods."""
        self._objects = objects
        self._addresses = addresses
        self._target = addresses.port()
        self._numbers = itertools.count()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1)
        self.pods: dict[StandInService, list[StandInPod]] = {}
        for number in range(services):
            ports = (StandInPort(PORT, self._target),)
            service = StandInService(f"fleet-{number}", "default", ports, addresses.cluster_ips()[0])
            objects.apply(service_document(service))
            self.pods[service] = [self._pod(service) for _ in range(replicas)]
            self._write(service, self.pods[service])

    @property
    def services(self) -> tuple[StandInService, ...]:
        """The services."""
        return tuple(self.pods)

    def instances(self, service: StandInService) -> frozenset[str]:
        """Where the pods of a service answer (``ip:port``)."""
        return frozenset(str(Address(pod.ip, self._target)) for pod in self.pods[service])

    @property
    def all_instances(self) -> frozenset[str]:
        """Where all pods answer."""
        return frozenset().union(*map(self.instances, self.pods))

    async def roll(self, batch: int, dice: random.Random) -> None:
        """Replace every pod: a batch of new ones comes, then as many old ones go; services in turns."""
        steps = [(service, old) for service, pods in self.pods.items() for old in _batches(pods, batch)]
        dice.shuffle(steps)
        for service, old in steps:
            new = [self._pod(service) for _ in old]
            self._write(service, [*self.pods[service], *new])
            await asyncio.sleep(dice.uniform(0, _PAUSE))
            gone = {pod.name for pod in old}
            self.pods[service] = [pod for pod in self.pods[service] if pod.name not in gone] + new
            self._write(service, self.pods[service])
            self._objects.delete(*map(pod_document, old))
            await asyncio.sleep(dice.uniform(0, _PAUSE))

    def _pod(self, service: StandInService) -> StandInPod:
        name = f"{service.name}-{next(self._numbers)}"
        pod = StandInPod(name, service.namespace, self._addresses.ip(), {**service.selector, "version": "v1"})
        self._objects.apply(pod_document(pod))
        return pod

    def _write(self, service: StandInService, pods: list[StandInPod]) -> None:
        self._objects.apply(endpoint_slice_document(service, pods))

    @staticmethod
    def _application() -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            host, port = request.get_extra_info("sockname")[:2]
            return web.Response(text="ok", headers={INSTANCE_HEADER: str(Address(host, port))})

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        return application

    async def __aenter__(self) -> Self:
        """Answer."""
        await self._runner.setup()
        # Every loopback address is local: this one socket is the port of all pods.
        await web.TCPSite(self._runner, "0.0.0.0", self._target).start()  # noqa: S104 - as said
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self._runner.cleanup()


def _batches(pods: list[StandInPod], size: int) -> Iterator[list[StandInPod]]:
    for start in range(0, len(pods), size):
        yield pods[start : start + size]
