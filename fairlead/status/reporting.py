"""Puts the writing of statuses together, and tells it what happens on the streams."""

import asyncio

from fairlead.proxies import Proxies
from fairlead.sources.source import ClusterSource
from fairlead.status.election import Election
from fairlead.status.exchange import ReportExchange, ReportTiming
from fairlead.status.gathering import FactGatherer, FindingsOf
from fairlead.status.lease import LeaseKeeper
from fairlead.status.writer import Limits, StatusWriter
from translator.objects.registry import ObjectKey
from translator.translator import Translator
from xds.events import Acked, Event, Nacked, StreamClosed, StreamRefused

LEASE = "fairlead-status"


class StatusReporting:
    """The statuses of the primary cluster's objects. An observer of the server."""

    def __init__(
        self, source: ClusterSource, translator: Translator, proxies: Proxies, mesh_findings: FindingsOf
    ) -> None:
        settings = source.settings
        connection = source.connection
        election = Election(settings.identity, settings.lease_duration, settings.lease_duration * 0.6)
        retry = settings.lease_duration / 5
        self.lease = LeaseKeeper(connection, settings.root_namespace, LEASE, election, retry=retry)
        gatherer = FactGatherer(translator, proxies, source.findings_of, mesh_findings)
        limits = Limits(settle=min(1.0, settings.status_interval), interval=settings.status_interval)
        # A report outlives two renewals that are missed.
        timing = ReportTiming(
            renewal=settings.lease_duration / 2, lifetime=settings.lease_duration * 1.5, gap=limits.settle
        )
        self.exchange = ReportExchange(connection, settings.root_namespace, self.lease, timing)
        self.writer = StatusWriter(connection, gatherer, self.lease, self.exchange, limits)
        self._translator = translator
        self._proxies = proxies
        # By stream, the objects that are blamed for what its proxy refused.
        self._blamed: dict[int, set[ObjectKey]] = {}
        source.observer = self.writer.observe

    async def run(self) -> None:
        """Write statuses whenever this replica holds the Lease, and reports whenever another does, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.lease.run(), name="lease")
            group.create_task(self.exchange.run(), name="status reports")
            group.create_task(self.writer.run(), name="status writer")

    def observe(self, event: Event | StreamRefused) -> None:
        """See refusals come and go."""
        match event:
            case Nacked():
                self._blame(event)
            case Acked() | StreamClosed():
                for key in self._blamed.pop(event.client.id, ()):
                    self.writer.mark(key)
            case _:
                pass

    def _blame(self, event: Nacked) -> None:
        binding = self._proxies.binding_of(event.client)
        if binding is None:
            return
        blamed = self._blamed.setdefault(event.client.id, set())
        for name in event.rejected or event.names:
            blamed.update(self._translator.origins(binding.view, event.type_url, name))
        for key in blamed:
            self.writer.mark(key)
