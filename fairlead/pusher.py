"""Brings stale Views up to date and has them sent: at once when idle, all that gathered when busy."""

import asyncio
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, WeakSet

import structlog

from fairlead.blame import Blame
from fairlead.ledger import Cause, Push, PushLedger
from fairlead.memory import CollectorPause, spare_survivors
from fairlead.pace import Later, Pace
from fairlead.proxies import Proxies
from translator.engine import QueryFailedError
from translator.fiber import Due
from translator.translator import Binding, Translator
from translator.view import View
from xds.client import Client
from xds.turns import Turns, Wait
from xds.types import ENDPOINT
from xds.view import View as ServedView
from xds.view import ViewChange

# For so many slices in a row others may overtake the View that has been stale for longest.
_MOST_OVERTAKING: Final = 7
# A first response takes longer than others.
_SERVED_AT_ONCE: Final = 4


# A View's ``refresh`` or ``hasten``.
_Work = Callable[[Due], Iterator[None]]


class Publisher(Protocol):
    """The part of ``xds.server.XdsServer`` that sends."""

    def publish(
        self, view: ServedView, change: ViewChange, cause: object = None, losses: AbstractSet[str] = frozenset()
    ) -> None:
        """Announce what changed in a View."""

    def move(self, client: Client, view: ServedView, cause: object = None) -> None:
        """Serve a client from another View."""


class Pusher:
    """One task that refreshes Views, the ones that proxies wait for a change of before those nobody has seen yet.

    First of all it looks in all Views for endpoints that are gone, and when its turn is over proxies are told of these.
    """

    def __init__(
        self, translator: Translator, proxies: Proxies, ledger: PushLedger, blame: Blame, pause: CollectorPause
    ) -> None:
        self._translator = translator
        self._proxies = proxies
        self._ledger = ledger
        self._blame = blame
        self._log: Any = structlog.get_logger("fairlead.push")
        self._pause = pause
        self._later = Later()
        self._due = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._causes: list[Cause] = []
        # Views that were committed at least once: they have something to serve.
        self._warm: WeakSet[View] = WeakSet()
        self._waiting: WeakKeyDictionary[View, list[asyncio.Future[None]]] = WeakKeyDictionary()
        # Whoever waits for a View is served in the round in which its wait ends.
        self._turns = Turns(most=_SERVED_AT_ONCE)
        # In how many slices others have overtaken the View that has been stale for longest, and how many slices there
        # were since losses were last looked for.
        self._overtaken = 0
        self._slices = 0
        # Views that had a turn in this slice, and those of which losses went ahead of the rest in this push.
        self._advanced: dict[View, None] = {}
        self._ahead: set[View] = set()
        # Proxies whose View is another one now, with the View that they are served from until that is ready.
        self._moving: dict[Binding, View] = {}

    def push(self, cause: Cause) -> None:
        """Something was written to the translator."""
        self._causes.append(cause)
        self._wake()

    async def ready(self, binding: Binding) -> None:
        """Wait until the View of a binding can be served. Raises QueryFailedError when it never could."""
        while (view := binding.view) not in self._warm:
            ready = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(view, []).append(ready)
            self._wake()
            await ready

    def leave(self, binding: Binding) -> None:
        """A proxy is gone; what only it needed is dropped when there is nothing to push."""
        binding.close()
        if not self._translator.db.is_swept:
            self._wake()

    async def idle(self) -> None:
        """Wait until there is nothing to push, nor to drop."""
        await self._idle.wait()

    async def run(self, publisher: Publisher) -> None:
        """Push until cancelled."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                await self._drain(publisher)
                await self._sweep()
                if not self._due.is_set():
                    self._idle.set()
        finally:
            self._pause.end()

    def _wake(self) -> None:
        self._idle.clear()
        self._due.set()

    async def _drain(self, publisher: Publisher) -> None:
        """Push until nothing is stale; what is written meanwhile becomes part of the same push."""
        pace = Pace()
        push: Push | None = None
        runs = self._translator.db.runs.total()
        while True:
            self._rebind()
            push = self._absorb(push)
            turn = self._next_turn()
            if turn is None:
                break
            view, work = turn
            is_awaited, started = view in self._warm, perf_counter()
            if not is_awaited:
                spare_survivors()
            if self._advance(view, work, pace):
                self._commit(view, publisher, push, is_awaited=is_awaited)
            if push is not None and is_awaited:
                push.stages.engine += perf_counter() - started
            self._finish_moves(publisher, push)
            if pace.is_due:
                self._commit_losses(publisher, push)
                self._overtaken += 1
                self._slices += 1
                await pace.rest()
        self._advanced.clear()
        self._ahead.clear()
        self._finish_moves(publisher, push)
        self._blame.forget_dropped(self._translator.views)
        if push is not None:
            push.queries = self._translator.db.runs.total() - runs
            self._ledger.finish(push)
            self._later.do(partial(self._conclude, push))

    async def _sweep(self) -> None:
        """Drop what is not needed any more, as long as there is nothing to push."""
        pace = Pace()
        while not self._due.is_set() and not self._translator.db.sweep(lambda: pace.is_due):
            await pace.rest()

    def _conclude(self, push: Push) -> None:
        """What nobody waits for."""
        self._ledger.settle()
        summary = push.summary()
        wanted = ("push", "objects", "object_count", "applied_ms", "published_ms", "views", "resources", "queries")
        self._log.info("push.done", **{name: summary[name] for name in wanted})

    def _absorb(self, push: Push | None) -> Push | None:
        """Take in the causes that came up since the last time."""
        causes, self._causes = self._causes, []
        if causes and push is None:
            return self._ledger.begin(causes)
        if push is not None:
            for cause in causes:
                push.absorb(cause)
        return push

    def _next_turn(self) -> tuple[View, _Work] | None:
        """A View, and what is to be done about it; None if nothing is stale.

        Where proxies may send to endpoints that are gone, this is looked for first. Then come Views that proxies are
        served from, and among these the ones whose endpoints changed. Others that wait have a turn after a few.
        """
        losing, stale = self._translator.losing_views, self._translator.stale_views
        oldest = next(iter(stale), None)
        if oldest is None:
            return None
        if self._overtaken >= _MOST_OVERTAKING:
            self._overtaken = 0
            self._translator.put_back(oldest)
            return oldest, oldest.refresh
        if losing:
            view = next(iter(losing))
            return view, view.hasten
        view = next((view for view in chain(self._translator.urgent_views, stale) if view in self._warm), oldest)
        if view is oldest:
            # Who comes later waits until it is done, or all would be done as late as the last one.
            self._overtaken = 0
        return view, view.refresh

    def _advance(self, view: View, work: _Work, pace: Pace) -> bool:
        """Work on a View for what is left of the slice; returns whether it is up to date."""
        self._advanced[view] = None
        try:
            for _ in work(lambda: pace.is_due):
                if pace.is_due:
                    break
        except Exception:  # noqa: BLE001 - see below
            # A bug, not a failing query; that one resource stays as it was, everything else goes on.
            self._log.exception("push.failed", view=repr(view))
        self._translator.note_losses(view)
        return not view.is_stale

    def _commit_losses(self, publisher: Publisher, push: Push | None) -> None:
        """Put losses in force that were found in Views which are not up to date: their proxies are told now.

        All that a change takes away is one response; but where losses come without end, what is known is not kept back.
        """
        is_long = self._slices >= _MOST_OVERTAKING
        if is_long:
            self._slices = 0
        for view in tuple(self._advanced):
            if view.may_lose and not is_long:
                continue
            del self._advanced[view]
            losses = view.commit_losses()
            if losses:
                self._publish(view, {ENDPOINT: losses}, publisher, push)
                self._ahead.add(view)

    def _publish(self, view: View, change: ViewChange, publisher: Publisher, push: Push | None) -> None:
        publisher.publish(view, change, push, view.losses)
        if push is not None:
            again = view in self._ahead
            self._ledger.published(push, again=again)
            # When the streams have had their turn.
            describe = partial(self._ledger.describe, push, change, view, again=again)
            asyncio.get_running_loop().call_soon(describe)

    def _commit(self, view: View, publisher: Publisher, push: Push | None, *, is_awaited: bool) -> None:
        self._translator.settle(view)
        self._advanced.pop(view, None)
        change = view.commit()
        if change:
            if is_awaited:
                self._pause.begin()
            self._publish(view, change, publisher, push)
        if not is_awaited:
            self._warm.add(view)
        self._blame.report_failures(view)
        self._wake_waiters(view)

    def _rebind(self) -> None:
        """Find the Views of the proxies that may belong to another one now."""
        for binding in tuple(self._translator.stale_bindings):
            # Held, because streams are served from it until the new one is ready.
            before = self._translator.acquire(binding.view.key)
            try:
                moved = binding.rebind()
            except QueryFailedError as error:
                moved = False
                self._log.error("proxy.rebind.failed", proxy=binding.proxy.id, query=error.failed, exc_info=error)
            if moved and binding not in self._moving:
                self._moving[binding] = before
            else:
                self._translator.release(before)

    def _finish_moves(self, publisher: Publisher, push: Push | None) -> None:
        for binding, before in tuple(self._moving.items()):
            client = self._proxies.client_of(binding)
            if client is not None:
                if binding.view not in self._warm or binding.view.is_stale:
                    continue
                publisher.move(client, binding.view, push)
                self._log.info("proxy.moved", proxy=binding.proxy.id, view=repr(binding.view))
            del self._moving[binding]
            self._translator.release(before)
            self._wake_waiters(before)

    def _wake_waiters(self, view: View) -> None:
        """Whoever waits for a View looks again: it is ready, or the proxy has left it."""
        for ready in self._waiting.pop(view, ()):
            self._turns.give(Wait(ready))
