"""The control plane: builds everything that it consists of, starts it, and ends it in order."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from fairlead.address import Address
from fairlead.admin.istio_pages import IstioPages
from fairlead.admin.page import Page
from fairlead.admin.pages import describe_findings, describe_proxies, describe_pushes
from fairlead.admin.server import AdminServer, Readiness
from fairlead.analysis import LiveAnalysis
from fairlead.blame import Blame
from fairlead.discovery import MeshDiscovery
from fairlead.findings import FindingBoard
from fairlead.ingest import Ingest
from fairlead.ledger import PushLedger
from fairlead.memory import CollectorPause, MemoryReturn, settle_memory, tune_collector
from fairlead.mesh_findings import find_in_mesh
from fairlead.metrics import Metrics
from fairlead.proxies import Proxies
from fairlead.pusher import Pusher
from fairlead.settings import ServeSettings
from fairlead.sources.directory import DirectorySource
from fairlead.sources.mesh_file import MeshFile
from fairlead.sources.names import NameSource
from fairlead.sources.source import ClusterSource, Source
from fairlead.watchdog import LoopWatchdog, describe_loop
from translator.model.network import resolved_gateways
from translator.translator import Translator
from xds.client import Client
from xds.events import Acked, Nacked, Observer, StreamClosed, StreamOpened, StreamRefused, selective
from xds.options import ServerOptions
from xds.resource import Resource
from xds.server import XdsServer

if TYPE_CHECKING:
    from fairlead.status.reporting import StatusReporting
    from fairlead.trust import MeshTrust

# The worker thread gives the interpreter back to the event loop within this time (seconds).
_SWITCH_INTERVAL: Final = 0.0005


class ListenError(Exception):
    """An address cannot be listened on; the text names it."""


class ControlPlane:
    """One control plane on one source. ``run`` is its whole life."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        # Where it really listens, once it does.
        self.xds_address = settings.xds
        self.secure_address: Address | None = None
        self.admin_address = settings.admin
        self.listening = asyncio.Event()
        self.ready = asyncio.Event()
        self._log: Any = structlog.get_logger("fairlead.serve")
        self.metrics = Metrics()
        self.trust = self._open_trust(settings)
        disclosing = msgspec.structs.replace(
            settings.mesh,
            discloses_secrets=settings.discloses_secrets,
            issues_certificates=self.trust is not None,
        )
        self.translator = Translator(disclosing)
        self.proxies = Proxies()
        self.metrics.proxies.set_function(lambda: len(self.proxies))
        self.metrics.views.set_function(lambda: len(tuple(self.translator.views)))
        self.ledger = PushLedger(self.metrics)
        self.watchdog = LoopWatchdog(self.metrics)
        self.board = FindingBoard(self.metrics)
        self.board.replace("mesh", find_in_mesh(settings.mesh.mesh))
        self._memory = MemoryReturn()
        self._blame = Blame(self.translator, self.proxies)
        self._pause = CollectorPause(self.proxies)
        self.pusher = Pusher(self.translator, self.proxies, self.ledger, self._blame, self._pause)
        self._discovery = MeshDiscovery(self.translator, self.proxies, self.pusher, self.trust)
        self._source = _make_source(settings, self.translator)
        self._names = NameSource(self.translator.db)
        self.analysis = LiveAnalysis(self.translator, self.pusher, self.board, self._source)
        self._reporting = _make_reporting(self._source, self.translator, self.proxies, self.analysis)
        observers: list[Observer] = [
            *self.ledger.observers,
            *self.metrics.istio.observers,
            selective(self._blame.observe, Nacked, StreamOpened, StreamClosed, StreamRefused),
            selective(self._memory.observe, StreamOpened, StreamClosed),
        ]
        if self._reporting is not None:
            observers.append(selective(self._reporting.observe, Acked, Nacked, StreamClosed))
        self._server = self._build_server(observers)
        self._ingest = Ingest(self.translator, self.pusher, self.analysis, self.board, self.metrics)

    def stop(self) -> None:
        """Have ``run`` return, after proxies were told to go elsewhere."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until ``stop``. Raises ListenError when an address is taken."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self.watchdog)
            self.admin_address = await self._open_admin(stack)
            if not self._settings.shares_port:
                await self._listen(stack)
            self.listening.set()
            await stack.enter_async_context(self._source)
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self.pusher.run(self._server), name="pusher"),
                    tasks.create_task(self.analysis.run(), name="analysis"),
                    tasks.create_task(self._run_source(stack), name="source"),
                    tasks.create_task(self._report(), name="status"),
                    tasks.create_task(self._names.run(self._ingest), name="names"),
                    tasks.create_task(self._memory.run(), name="memory"),
                ]
                if self._settings.mesh_file is not None:
                    file = MeshFile(self._settings.mesh_file, self.board)
                    running.append(tasks.create_task(file.follow(self._ingest), name="mesh file"))
                if self.trust is not None:
                    running.append(tasks.create_task(self.trust.follow(), name="ca"))
                await self._stopping.wait()
                self._discovery.is_open = False
                self._log.info("serve.stopping", proxies=len(self.proxies))
                await self._server.stop(self._settings.grace)
                self._blame.finish()
                for task in running:
                    task.cancel()

    def _open_trust(self, settings: ServeSettings) -> "MeshTrust | None":
        """The CA and what depends on it, if there is to be one."""
        if settings.trust.ca_dir is None:
            return None
        from fairlead.trust import MeshTrust, open_folder  # noqa: PLC0415 - cryptography is 8 MB

        folder = open_folder(settings.trust, settings.mesh.mesh.trust_domain)
        if folder is None:
            return None
        return MeshTrust(settings.trust, folder, settings.xds, settings.secure_xds, self._give)

    def _give(self, client: Client, resources: Iterable[Resource]) -> None:
        self._server.give(client, resources)

    def _build_server(self, observers: Iterable[Observer]) -> XdsServer:
        trust, plain = self.trust, ServerOptions(reuse_port=self._settings.shares_port)
        if trust is None:
            return XdsServer(self._discovery, options=plain, observers=observers, on_call=self._pause.suspect)
        if isinstance(self._source, ClusterSource):
            trust.reviewer = self._source.token_verifier(self._settings.trust.token_audience)
        serves_tls = self._settings.trust.tls
        return XdsServer(
            self._discovery,
            options=trust.server_options(plain, self._settings.own_namespace) if serves_tls else plain,
            observers=(*observers, selective(trust.enrolment.observe, Acked, Nacked, StreamClosed)),
            authenticator=trust.authenticator(lambda: self.translator.db.settings.mesh),
            on_call=self._pause.suspect,
        )

    async def _run_source(self, stack: AsyncExitStack) -> None:
        """Read everything for the first time, open for proxies, and follow."""
        started = perf_counter()
        await self._source.load(self._ingest)
        # Asks for the names of gateways: the first proxies would lose what is behind them until they are known.
        resolved_gateways(self.translator.db)
        await self._names.settled()
        await settle_memory()
        self._discovery.is_open = True
        if self._settings.shares_port:
            # Whoever connects before goes to another process, which can answer.
            await self._listen(stack)
        self._log.info(
            "serve.ready",
            xds=str(self.xds_address),
            **({"secure_xds": str(self.secure_address)} if self.secure_address else {}),
            admin=str(self.admin_address),
            **self._source.describe(),
            objects=len(self.translator.db.store),
            seconds=round(perf_counter() - started, 3),
        )
        if not self._settings.discloses_secrets and self.secure_address is None:
            self._log.warning(
                "serve.secrets.withheld",
                xds=str(self.xds_address),
                reason="other machines reach this address, and nobody has to prove there who they are",
                effect="gateways get no certificates from Secrets; with --secure-xds or --plaintext-secrets they do",
            )
        self.ready.set()
        await self._source.follow(self._ingest)

    async def _report(self) -> None:
        """Write statuses, once there is something to say."""
        await self.ready.wait()
        if self._reporting is not None:
            await self._reporting.run()

    async def _listen(self, stack: AsyncExitStack) -> None:
        """Listen for proxies, in plain text and over TLS, whatever is asked for and possible."""
        stack.push_async_callback(self._server.stop, 0.0)
        settings = self._settings
        self.xds_address = await self._listen_on(settings.xds)
        if settings.secure_xds is None:
            return
        if self.trust is None:
            self._log.warning(
                "serve.secure.off",
                xds=str(settings.secure_xds),
                reason=f"there is no CA in {settings.trust.ca_dir}",
                effect="xDS is served in plain text only; put a CA there and start again",
            )
            return
        secured = self.trust.server_options(self._server.options, settings.own_namespace)
        self.secure_address = await self._listen_on(settings.secure_xds, secured)

    async def _listen_on(self, address: Address, options: ServerOptions | None = None) -> Address:
        try:
            port = await self._server.start(str(address), options)
        except OSError as error:
            raise ListenError(f"cannot serve xDS on {address}: is the port taken?") from error
        return address._replace(port=port)

    async def _open_admin(self, stack: AsyncExitStack) -> Address:
        pages: dict[str, Page] = {
            "/debug/proxies": lambda _: describe_proxies(self.proxies),
            "/debug/pushes": lambda _: describe_pushes(self.ledger),
            "/debug/loop": lambda _: describe_loop(self.watchdog),
            "/debug/findings": lambda _: describe_findings(self.board),
            **IstioPages(self.translator, self.proxies).pages(),
        }
        if isinstance(self._source, ClusterSource):
            self.metrics.register(self._source.collector())
            states = self._source.states
            pages["/debug/clusters"] = lambda _: states()
        readiness = Readiness(lambda: self._discovery.is_open, self._source.complaint)
        admin = AdminServer(self._settings.admin, self.metrics, readiness, pages)
        try:
            await stack.enter_async_context(admin)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ListenError(f"cannot serve the admin pages on {self._settings.admin}: {reason}") from error
        return self._settings.admin._replace(port=admin.port)


def _make_source(settings: ServeSettings, translator: Translator) -> Source:
    if settings.kubernetes is not None:
        from fairlead.sources.kubernetes.source import KubernetesSource  # noqa: PLC0415 - the client takes a while

        return KubernetesSource(settings.kubernetes, translator.db)
    if settings.config_dir is None:
        raise ValueError("neither a folder nor a cluster to follow")
    return DirectorySource(settings.config_dir, file_limit=settings.file_limit)


def _make_reporting(
    source: Source, translator: Translator, proxies: Proxies, analysis: LiveAnalysis
) -> "StatusReporting | None":
    if not isinstance(source, ClusterSource) or not source.settings.writes_status:
        return None
    from fairlead.status.reporting import StatusReporting  # noqa: PLC0415 - the client takes a while

    reporting = StatusReporting(source, translator, proxies, analysis.findings_of)
    analysis.noted = reporting.writer.mark
    return reporting


Attend = Callable[[ControlPlane], Coroutine[Any, Any, None]]


def run_control_plane(settings: ServeSettings) -> None:
    """Serve until SIGINT or SIGTERM. Raises ListenError."""
    run_plane(settings, None)


def run_plane(settings: ServeSettings, attend: Attend | None) -> None:
    """``run_control_plane`` with somebody who attends to it for as long as it runs."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    tune_collector()
    with asyncio.Runner(loop_factory=make_loop()) as runner:
        runner.run(_run(settings, attend))


async def _run(settings: ServeSettings, attend: Attend | None) -> None:
    plane = ControlPlane(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, plane.stop)
    attending = asyncio.ensure_future(attend(plane)) if attend else None
    try:
        await plane.run()
    except ExceptionGroup as group:
        # One failed task ends all; tell the reason, not the group.
        raise group.exceptions[0] from group
    finally:
        if attending is not None:
            attending.cancel()


def make_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop of a process."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - not available everywhere

    return uvloop.new_event_loop
