"""One change at a time, while nothing else goes on: how long until the proxies have it. Also with all concerned."""

import asyncio
from typing import Any, Final

from fairlead.bench.failure import BenchError
from fairlead.bench.gauge import Gauge
from fairlead.bench.load import ChangeKind
from fairlead.bench.messages import Totals
from fairlead.bench.polls import poll_distributions, poll_figures
from fairlead.bench.result import Distribution, Figure, Result
from fairlead.bench.session import Sample, Session
from fairlead.bench.settings import describe_plan
from fairlead.bench.stages import ledger_acks, stages_of
from fairlead.bench.timeline import Timeline

_WARM_UP: Final = 10


async def measure_push(session: Session) -> Result:
    """Make the planned changes, kind after kind, each when all proxies have the one before."""
    plan = session.plan
    if ChangeKind.STATUS in plan.kinds:
        raise BenchError("a changed status is to reach nobody: measure it with 'fairlead bench churn --change status'")
    await session.connect()
    await session.check_pace()
    begin = await session.fleet.totals(mark=True)
    session.clients.restart()
    timeline = Timeline(session.fleet)
    gauge = Gauge(session.subject)
    samples: dict[ChangeKind, list[Sample]] = {}
    figures: list[Figure] = []
    total, made = len(plan.kinds) * plan.changes, 0
    for kind in plan.kinds:
        samples[kind] = []
        for _ in range(min(_WARM_UP, plan.changes)):
            await session.make(session.next_change(kind))
            await asyncio.sleep(plan.pause)
        await session.settle()
        before = await session.fleet.totals(mark=True)
        for _ in range(plan.changes):
            sample = await session.make(session.next_change(kind))
            samples[kind].append(sample)
            made += 1
            session.tell(f"changing one {kind} at a time", made / total)
            await timeline.note(1)
            await asyncio.sleep(plan.pause)
        figures += _reach(kind, samples[kind], before, await session.settle(), session.fleet.size)
    end = await session.fleet.totals()
    pushes, loop = await session.subject.pushes(), await gauge.loop()
    everything = [each for kind in samples for each in samples[kind]]
    return Result(
        mode=plan.mode.value,
        server=session.subject.name,
        settings=describe_plan(plan, session.subject.endpoint),
        distributions=[
            *(
                each
                for kind, found in samples.items()
                for each in _distributions(kind, found, pushes, envoy=plan.envoy)
            ),
            *poll_distributions(end.polls),
        ],
        figures=[
            *figures,
            *poll_figures(begin.polls, end.polls, session.subject.endpoint.poll, gauge.elapsed),
            *gauge.figures(),
            *session.clients.figures(),
            *loop.figures,
        ],
        stages=stages_of(pushes, everything),
        seconds=timeline.seconds,
        held=loop.held,
        warnings=session.clients.warnings(),
    )


def _distributions(
    kind: ChangeKind, samples: list[Sample], pushes: list[dict[str, Any]], *, envoy: bool
) -> list[Distribution]:
    distributions = [
        Distribution(name=f"{kind}: change -> first ACK", samples=[each.first for each in samples]),
        Distribution(name=f"{kind}: change -> last ACK", samples=[each.last for each in samples]),
        Distribution(name=f"{kind}: first ACK -> last ACK", samples=[each.last - each.first for each in samples]),
    ]
    if envoy:
        # By the server's ledger: nobody else sees when Envoy answers. It is the slowest of them.
        acks = ledger_acks(pushes, samples, others=1)
        distributions.append(Distribution(name=f"{kind}: change -> last ACK, a real Envoy's included", samples=acks))
    return distributions


def _reach(kind: ChangeKind, samples: list[Sample], before: Totals, after: Totals, proxies: int) -> list[Figure]:
    """Whom the changes reached, and with how much."""
    changes = len(samples)
    concerned = sum(len(each.times) for each in samples) / changes
    return [
        Figure(f"{kind}: proxies concerned by a change", concerned),
        Figure(f"{kind}: responses per change", (after.responses - before.responses) / changes),
        Figure(
            f"{kind}: bytes per response", (after.bytes - before.bytes) / max(1, after.responses - before.responses)
        ),
        Figure(f"{kind}: proxies that received nothing", proxies - after.touched),
    ]
