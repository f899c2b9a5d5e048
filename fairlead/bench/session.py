"""A control plane with its load and its proxies, ready to be measured, and one change made and seen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic, time
from typing import Final

import msgspec

from fairlead.bench.clients import ClientClock
from fairlead.bench.destination import Destination
from fairlead.bench.failure import BenchError
from fairlead.bench.filling import open_destination
from fairlead.bench.fleet import Connected, Fleet
from fairlead.bench.load import Change, ChangeKind, Load
from fairlead.bench.messages import Expect, Totals
from fairlead.bench.nodes import encode_node, encode_node_as_json, identities
from fairlead.bench.peers.servers import peer_subject
from fairlead.bench.peers.translated import TranslatedLoad
from fairlead.bench.plan import Peer, Plan
from fairlead.bench.polls import check_pace, describe_polls
from fairlead.bench.real import real_envoy
from fairlead.bench.subject import Subject, foreign_subject, own_subject
from fairlead.bench.workdir import open_workdir
from fairlead.identity import ProxyIdentity

_QUIET: Final = 0.25
_ROUNDS: Final = 3

Tell = Callable[[str, float], None]
"""Takes what is being done, and how far it is (0 to 1)."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One change: when it was made, by the monotonic and the wall clock, and when each proxy acknowledged it."""

    change: Change
    made: float
    made_at: float
    times: list[float]

    @property
    def first(self) -> float:
        """Milliseconds to the first ACK."""
        return (self.times[0] - self.made) * 1e3

    @property
    def last(self) -> float:
        """Milliseconds to the last ACK."""
        return (self.times[-1] - self.made) * 1e3


class Session:
    """Everything a mode of measuring works with."""

    def __init__(self, plan: Plan, subject: Subject, fleet: Fleet, destination: Destination, tell: Tell) -> None:
        self.plan = plan
        self.load = Load(plan.shape)
        self.subject = subject
        self.fleet = fleet
        self.destination = destination
        self.tell = tell
        self.clients = ClientClock(fleet)
        self._number = 0
        self._turns: dict[ChangeKind, int] = {}

    async def connect(self) -> Connected:
        """Connect all proxies, spread as planned, and wait until they are configured and nothing comes any more."""
        connecting = asyncio.create_task(self.fleet.connect(self.plan.over, self.plan.timeout))
        with self.clients.running():
            while not connecting.done():
                self.tell("connecting", self.fleet.configured / self.fleet.size)
                await asyncio.wait([connecting], timeout=0.2)
        try:
            connected = await connecting
        except BenchError as error:
            polls = (await self.fleet.totals()).polls
            raise BenchError(f"{error}{describe_polls(polls, self.plan.timeout)}") from error
        await self.settle()
        return connected

    async def settle(self) -> Totals:
        """Wait until no more responses come."""
        async with asyncio.timeout(self.plan.timeout):
            seen = await self.fleet.totals()
            while True:
                await asyncio.sleep(_QUIET)
                totals = await self.fleet.totals()
                if totals.responses == seen.responses:
                    return totals
                seen = totals

    def next_change(self, kind: ChangeKind) -> Change:
        """The next change of a kind."""
        self._number += 1
        turn = self._turns[kind] = self._turns.get(kind, -1) + 1
        return self.load.change(kind, self._number, turn)

    async def make(self, change: Change) -> Sample:
        """Make a change and wait until all whom it concerns have acknowledged it. BenchError if that is nobody."""
        timeout = self.plan.timeout
        if not await self.fleet.expect(announcement(change), timeout):
            raise BenchError(
                f"no proxy knows {change.sibling}, so nobody would see a changed {change.kind}: "
                "does the control plane read the load that was written?"
            )
        write = self.destination.prepare(change.documents)
        with self.clients.running():
            made_at, made = time(), monotonic()
            await write()
            times = await self.fleet.seen(change.number, timeout)
        return Sample(change=change, made=made, made_at=made_at, times=times)

    async def check_pace(self) -> None:
        """BenchError when proxies that ask over REST cannot be answered as often as they ask."""
        interval = self.subject.endpoint.poll
        if not interval:
            return
        self.tell("watching how fast polls are answered", 0.0)
        before, started = await self.fleet.totals(), monotonic()
        await asyncio.sleep(_ROUNDS * interval)
        after, elapsed = await self.fleet.totals(), monotonic() - started
        if before.polls and after.polls:
            check_pace(before.polls, after.polls, interval, elapsed)


def announcement(change: Change) -> Expect:
    """A change as the proxies' processes are told of it."""
    return Expect(change.number, change.host, change.sibling, change.routed)


@asynccontextmanager
async def stage(plan: Plan, tell: Tell) -> AsyncIterator[Session]:
    """Write the load, start the control plane if it is to be ours, and the processes of the proxies."""
    with open_workdir(plan) as workdir:
        config = plan.folder if plan.target and plan.folder else workdir / "config"
        async with AsyncExitStack() as stack:
            destination = await stack.enter_async_context(open_destination(config, plan.kubeconfig, yaml=plan.yaml))
            if plan.target is None or plan.folder or plan.kubeconfig is not None:
                tell("writing the load", 0.0)
                await destination.fill(Load(plan.shape).documents())
            tell("starting", 0.0)
            subject = (
                foreign_subject(plan.target, delta=plan.delta)
                if plan.target
                else await stack.enter_async_context(own_subject(plan, config, workdir))
            )
            fleet = await stack.enter_async_context(_fleet(plan, subject, workdir))
            if plan.envoy:
                tell("configuring a real Envoy", 0.0)
                await stack.enter_async_context(real_envoy(plan, subject.endpoint, workdir))
            yield Session(plan, subject, fleet, destination, tell)


@asynccontextmanager
async def stage_peer(peer: Peer, plan: Plan, tell: Tell) -> AsyncIterator[Session]:
    """As ``stage``, with a peer in the place of the control plane."""
    with open_workdir(plan) as workdir:
        tell(f"translating the load for {peer}", 0.0)
        load = TranslatedLoad(Load(plan.shape).documents(), _identities(plan))
        async with AsyncExitStack() as stack:
            subject, destination = await stack.enter_async_context(peer_subject(peer, plan, load, workdir))
            fleet = await stack.enter_async_context(_fleet(plan, subject, workdir))
            yield Session(plan, subject, fleet, destination, tell)


def _identities(plan: Plan) -> Iterator[ProxyIdentity]:
    return identities(plan.sidecars, plan.gateways, plan.shape.namespaces)


def _fleet(plan: Plan, subject: Subject, workdir: Path) -> Fleet:
    endpoint = subject.endpoint
    nodes = [
        encode_node_as_json(each) if endpoint.poll else encode_node(each, delta=endpoint.delta)
        for each in _identities(plan)
    ]
    return Fleet(endpoint, nodes, workdir, connections=plan.connections, processes=plan.processes)
