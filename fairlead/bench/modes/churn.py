"""Many changes per second for a while, as when everything is restarted: whether the control plane keeps up."""

import asyncio
from time import monotonic
from typing import Any, Final

from fairlead.bench.failure import BenchError
from fairlead.bench.fleet import Fleet
from fairlead.bench.gauge import Gauge
from fairlead.bench.load import ChangeKind
from fairlead.bench.messages import Totals
from fairlead.bench.polls import poll_distributions, poll_figures
from fairlead.bench.result import Distribution, Figure, Result, median
from fairlead.bench.session import Session, announcement
from fairlead.bench.settings import describe_plan
from fairlead.bench.timeline import Timeline

# Of each change so many proxies are taken as samples, evenly over the order of their ACKs.
_PER_CHANGE: Final = 20
_LOOK: Final = 0.05


class _Churn:
    """The changes that were made and when, and the ACKs of those that everybody has."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._made: dict[int, float] = {}
        self.first: list[float] = []
        self.last: list[tuple[int, float]] = []
        self.sampled: list[float] = []
        self.acks = 0

    @property
    def waiting(self) -> int:
        """How many changes are not everywhere yet."""
        return len(self._made)

    def made(self, number: int) -> None:
        """A change is made now."""
        self._made[number] = monotonic()

    def collect(self) -> None:
        """Take in what is known of the changes."""
        for number in [each for each in self._made if self._fleet.is_seen(each)]:
            made, times = self._made.pop(number), self._fleet.take_seen(number)
            if not times:
                raise BenchError("a change concerned no proxy: does the control plane read the load that was written?")
            self.first.append((times[0] - made) * 1e3)
            self.last.append((number, (times[-1] - made) * 1e3))
            self.sampled += ((each - made) * 1e3 for each in times[:: max(1, len(times) // _PER_CHANGE)])
            self.acks += len(times)


async def measure_churn(session: Session) -> Result:
    """Make changes at the planned rate for the planned time, and wait until the last one is everywhere."""
    plan, fleet = session.plan, session.fleet
    await session.connect()
    await session.check_pace()
    session.clients.restart()
    timeline = Timeline(fleet)
    before = await fleet.totals(mark=True)
    gauge = Gauge(session.subject)
    churn = _Churn(fleet)
    count = max(1, int(plan.rate * plan.duration))
    with session.clients.running():
        await _change(session, churn, count, timeline)
        took, left = gauge.elapsed, churn.waiting
        await _drain(session, churn)
    costs = gauge.figures()
    after, loop = await session.settle(), await gauge.loop()
    return Result(
        mode=plan.mode.value,
        server=session.subject.name,
        settings=describe_plan(plan, session.subject.endpoint) | {"rate": plan.rate, "duration": plan.duration},
        distributions=[
            Distribution(name="change -> first ACK", samples=churn.first),
            Distribution(name="change -> ACK, each proxy", samples=churn.sampled),
            Distribution(name="change -> last ACK", samples=[each for _, each in churn.last]),
            *poll_distributions(after.polls),
        ],
        figures=[
            *_flow(count, churn, before, after),
            Figure("changes made per second", count / took),
            Figure("changes not everywhere when the last was made", left),
            *poll_figures(before.polls, after.polls, session.subject.endpoint.poll, gauge.elapsed),
            *costs,
            *session.clients.figures(),
            *loop.figures,
            *_ledger_figures(await session.subject.pushes()),
        ],
        seconds=timeline.seconds,
        held=loop.held,
        warnings=session.clients.warnings(),
    )


async def _change(session: Session, churn: _Churn, count: int, timeline: Timeline) -> None:
    """Make so many changes, each in its time."""
    plan, started = session.plan, monotonic()
    for turn in range(count):
        await asyncio.sleep(max(0.0, started + turn / plan.rate - monotonic()))
        change = session.next_change(plan.kinds[turn % len(plan.kinds)])
        write = session.destination.prepare(change.documents)
        if change.kind is not ChangeKind.STATUS:
            session.fleet.announce(announcement(change))
            churn.made(change.number)
        await write()
        churn.collect()
        await timeline.note(1)
        session.tell(f"changing at {plan.rate:g}/s, {churn.waiting} not everywhere yet", turn / count)


async def _drain(session: Session, churn: _Churn) -> None:
    """Wait until every change is everywhere."""
    try:
        async with asyncio.timeout(session.plan.timeout):
            while churn.waiting:
                await asyncio.sleep(_LOOK)
                session.fleet.check()
                churn.collect()
    except TimeoutError as error:
        raise BenchError(
            f"{churn.waiting:,} changes are not everywhere {session.plan.timeout:g} s after the last one was made: "
            "the control plane does not keep up; try a lower --rate or a higher --timeout"
        ) from error


def _ledger_figures(pushes: list[dict[str, Any]]) -> list[Figure]:
    """What the newest pushes re-ran; the ledger keeps some hundreds."""
    if not pushes:
        return []
    return [
        Figure("server: queries re-run, median of the newest pushes", median([push["queries"] for push in pushes])),
        Figure("server: queries re-run, most of the newest pushes", max(push["queries"] for push in pushes)),
    ]


def _flow(count: int, churn: _Churn, before: Totals, after: Totals) -> list[Figure]:
    responses = after.responses - before.responses
    figures = [
        Figure("changes", count),
        Figure("responses", responses),
        Figure("bytes", after.bytes - before.bytes),
        Figure("proxies reached", after.touched),
        Figure("reconnections", after.reconnections - before.reconnections),
    ]
    quarter = len(churn.last) // 4
    if responses and quarter:
        ordered = [each for _, each in sorted(churn.last)]
        growth = median(ordered[-quarter:]) / median(ordered[:quarter])
        figures.append(Figure("changes that a response carries (coalescing)", churn.acks / responses))
        figures.append(Figure("last ACK: median of the last quarter / of the first", growth))
    return figures
