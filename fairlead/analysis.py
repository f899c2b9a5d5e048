"""Keeps the cross-object findings of a running mesh up to date, when there is nothing more urgent to do."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from fairlead.finding import Finding, Place
from fairlead.findings import FindingBoard
from fairlead.pace import Pace
from fairlead.pusher import Pusher
from fairlead.sources.source import Source
from translator.analysis.findings import ANALYZERS, object_findings
from translator.diagnostics import Diagnostic
from translator.engine import QueryFailedError
from translator.node import Node
from translator.objects.registry import ObjectKey
from translator.translator import Translator

# Findings wait for pushes, and take shorter turns than they do (seconds): what streams do may be in the same round.
_SLICE: Final = 0.001

PlaceOf = Callable[[ObjectKey, str], Place | None]


def locate(diagnostics: Iterable[Diagnostic], place_of: PlaceOf) -> tuple[Finding, ...]:
    """Diagnostics as findings, with the places of their objects."""
    return tuple(
        Finding(
            severity=diagnostic.severity,
            code=diagnostic.code,
            subject=str(diagnostic.key) if diagnostic.key else "",
            path=diagnostic.path,
            message=diagnostic.message,
            place=place_of(diagnostic.key, diagnostic.path) if diagnostic.key else None,
            key=diagnostic.key,
        )
        for diagnostic in diagnostics
    )


class LiveAnalysis:
    """Watches the findings of every object that can have any. A watcher of the engine.

    ``noted`` is called with every object whose findings are others than before.
    """

    def __init__(
        self,
        translator: Translator,
        pusher: Pusher,
        board: FindingBoard,
        source: Source,
    ) -> None:
        self._db = translator.db
        self._pusher = pusher
        self._board = board
        self._source = source
        self._nodes: dict[ObjectKey, Node] = {}
        self._stale: dict[ObjectKey, None] = {}
        self._findings: dict[ObjectKey, tuple[Finding, ...]] = {}
        self._due = asyncio.Event()
        self.noted: Callable[[ObjectKey], None] = lambda _: None
        self._log: Any = structlog.get_logger("fairlead.analysis")

    def findings_of(self, key: ObjectKey) -> tuple[Finding, ...]:
        """The findings of one object."""
        return self._findings.get(key, ())

    def note(self, key: ObjectKey) -> None:
        """An object was written: watch it, or forget it if it is gone."""
        if key.kind not in ANALYZERS:
            return
        exists = self._db.store.get(key) is not None
        if exists and key not in self._nodes:
            self._nodes[key] = self._db.watch(object_findings, (key,), self)
        elif not exists and key in self._nodes:
            self._db.unwatch(self._nodes.pop(key), self)
        self._mark(key)

    def invalidated(self, node: Node) -> None:
        """Called by the engine: the findings of an object may be others now."""
        self._mark(node.args[0])

    async def run(self) -> None:
        """Look at whatever may have changed, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            changed = await self._catch_up()
            # What was just asked for by name may be there all the same.
            await self._source.settled()
            while self._stale:
                changed |= await self._catch_up()
            if changed:
                self._board.replace("analysis", (each for found in self._findings.values() for each in found))

    def _mark(self, key: ObjectKey) -> None:
        self._stale[key] = None
        self._due.set()

    async def _catch_up(self) -> bool:
        """Look at everything stale; returns whether any finding is another one now."""
        changed = False
        pace = Pace(_SLICE)
        await self._pusher.idle()
        while self._stale:
            key = next(iter(self._stale))
            del self._stale[key]
            changed |= self._look_at(key)
            if pace.is_due:
                await pace.rest()
                await self._pusher.idle()
        return changed

    def _look_at(self, key: ObjectKey) -> bool:
        node = self._nodes.get(key)
        found: tuple[Finding, ...] = ()
        if node is not None:
            try:
                found = locate(self._db.pull(node), self._source.place_of)
            except QueryFailedError as error:
                self._log.error("analysis.failed", object=str(key), query=error.failed, exc_info=error.__cause__)
        if found == self._findings.get(key, ()):
            return False
        if found:
            self._findings[key] = found
        else:
            del self._findings[key]
        self.noted(key)
        return True
