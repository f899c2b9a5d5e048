"""Starts workers, replaces those that die, answers for all of them at the admin port, and ends them in order.

The workers share the xDS ports (SO_REUSEPORT): the kernel spreads connections over them. A worker listens when it has
read everything, so a connection never finds one that cannot answer; when one dies, its proxies keep what they have
and connect to another.
"""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from fairlead.address import Address
from fairlead.admin.merged import MergedAdmin
from fairlead.app import ListenError, make_loop
from fairlead.settings import ServeSettings
from fairlead.workers.process import WorkerProcess, describe_exit

# A worker that lives for less than this (seconds) is not replaced at once: whatever kills it may do so again.
_HEALTHY: Final = 10.0
_SHORTEST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
# What a worker may take to end beside the grace that it gives its streams (seconds).
_PATIENCE: Final = 10.0


class WorkerError(Exception):
    """The workers cannot be started; the text says why."""


class Supervisor:
    """The parent of all workers. ``run`` is its whole life."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._log: Any = structlog.get_logger("fairlead.workers")
        self._workers: dict[int, WorkerProcess] = {}
        self._restarts: dict[int, int] = {}
        self._stopping = asyncio.Event()
        self._started = asyncio.Event()
        self.xds_address = settings.xds
        self.secure_address = settings.secure_xds
        self.admin_address = settings.admin

    def stop(self) -> None:
        """Have ``run`` return, after all workers have ended."""
        self._stopping.set()

    def workers(self) -> list[WorkerProcess]:
        """Those that run, by number."""
        return [worker for _, worker in sorted(self._workers.items())]

    def describe(self) -> list[dict[str, Any]]:
        """For the debug page."""
        return [
            {
                "worker": worker.number,
                "pid": worker.pid,
                "ready": worker.is_ready,
                "admin": str(worker.admin) if worker.admin else None,
                "seconds": round(monotonic() - worker.started_at, 1),
                "restarts": self._restarts.get(worker.number, 0),
            }
            for worker in self.workers()
        ]

    @property
    def is_ready(self) -> bool:
        """Whether proxies are served: all workers were ready once, and at least one is."""
        if not self._started.is_set() and self._has_all():
            self._started.set()
        return self._started.is_set() and any(worker.is_ready for worker in self.workers())

    async def run(self) -> None:
        """Keep the workers running until ``stop``. Raises ListenError and WorkerError."""
        async with AsyncExitStack() as stack:
            self.xds_address = _reserve(stack, self._settings.xds)
            if self._settings.secure_xds is not None:
                self.secure_address = _reserve(stack, self._settings.secure_xds)
            admin = MergedAdmin(self._settings.admin, self)
            try:
                await stack.enter_async_context(admin)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise ListenError(f"cannot serve the admin pages on {self._settings.admin}: {reason}") from error
            self.admin_address = self._settings.admin._replace(port=admin.port)
            self._log.info(
                "workers.starting", xds=str(self.xds_address), admin=str(self.admin_address), workers=self._number
            )
            async with asyncio.TaskGroup() as tasks:
                for number in range(1, self._number + 1):
                    tasks.create_task(self._keep(number), name=f"worker {number}")
                tasks.create_task(self._end_all(), name="end of workers")

    @property
    def _number(self) -> int:
        return self._settings.workers

    def _has_all(self) -> bool:
        return sum(worker.is_ready for worker in self.workers()) == self._number

    async def _keep(self, number: int) -> None:
        """Have a worker of this number, whatever happens to it."""
        wait = _SHORTEST_WAIT
        while not self._stopping.is_set():
            worker = WorkerProcess(self._settings_of(number))
            self._workers[number] = worker
            code = await worker.run()
            if self._stopping.is_set():
                return
            if not self.is_ready and not self._started.is_set():
                raise WorkerError(f"worker {number} ended with {describe_exit(code)} before it was ready")
            self._restarts[number] = self._restarts.get(number, 0) + 1
            lived = monotonic() - worker.started_at
            wait = _SHORTEST_WAIT if lived > _HEALTHY else min(2 * wait, _LONGEST_WAIT)
            self._log.error(
                "worker.died",
                worker=number,
                pid=worker.pid,
                reason=describe_exit(code),
                effect="its proxies keep what they have and connect to other workers; it is replaced",
            )
            if lived <= _HEALTHY:
                await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _end_all(self) -> None:
        await self._stopping.wait()
        self._log.info("workers.stopping", workers=len(self._workers))
        await asyncio.gather(*(worker.stop(self._settings.grace + _PATIENCE) for worker in self.workers()))

    def _settings_of(self, number: int) -> ServeSettings:
        kubernetes = self._settings.kubernetes
        if kubernetes is not None:
            # Only one of all workers may hold the Lease.
            kubernetes = msgspec.structs.replace(kubernetes, identity=f"{kubernetes.identity}-{number}")
        return msgspec.structs.replace(
            self._settings,
            workers=1,
            worker=number,
            xds=self.xds_address,
            secure_xds=self.secure_address,
            admin=Address("127.0.0.1", 0),
            kubernetes=kubernetes,
        )


def _reserve(stack: AsyncExitStack, address: Address) -> Address:
    """Hold on to a port for as long as the stack is open; the address with its number."""
    held = stack.enter_context(reserve_port(address))
    return address._replace(port=held.getsockname()[1])


def reserve_port(address: Address) -> socket.socket:
    """Hold on to a port that only processes of this user can share. Nobody connects to the socket: it never listens.

    Raises ListenError when somebody else has the port.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address.host, address.port))
    except OSError as error:
        held.close()
        raise ListenError(f"cannot serve xDS on {address}: is the port taken?") from error
    return held


def run_supervisor(settings: ServeSettings) -> None:
    """Serve with several workers until SIGINT or SIGTERM. Raises ListenError and WorkerError."""
    with asyncio.Runner(loop_factory=make_loop()) as runner:
        runner.run(_run(settings))


async def _run(settings: ServeSettings) -> None:
    supervisor = Supervisor(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    try:
        await supervisor.run()
    except ExceptionGroup as group:
        # One failed worker ends all; tell the reason, not the group.
        raise group.exceptions[0] from group
