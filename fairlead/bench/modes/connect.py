"""Many proxies come at once: how long until each has its first response and all of its configuration."""

from fairlead.bench.gauge import Gauge
from fairlead.bench.polls import NO_POLLS, poll_distributions, poll_figures
from fairlead.bench.result import Distribution, Figure, Result
from fairlead.bench.session import Session
from fairlead.bench.settings import describe_plan


async def measure_connect(session: Session) -> Result:
    """Connect all proxies within the planned time."""
    plan, subject = session.plan, session.subject
    loaded = subject.usage()
    gauge = Gauge(subject)
    connected = await session.connect()
    totals, loop = await session.fleet.totals(), await gauge.loop()
    figures = [
        Figure("all configured after", connected.elapsed, "s"),
        Figure("slowest first response", max(connected.first), "s"),
        Figure("responses", totals.responses),
        Figure("bytes", totals.bytes),
        Figure("reconnections", totals.reconnections),
    ]
    if totals.polls is not None:
        figures += poll_figures(NO_POLLS, totals.polls, subject.endpoint.poll, gauge.elapsed)
    if loaded is not None:
        figures += [Figure("server: seconds to load", subject.loaded, "s")]
        figures += [Figure("server: memory before", loaded.memory, "MB")]
    return Result(
        mode=plan.mode.value,
        server=subject.name,
        settings=describe_plan(plan, session.subject.endpoint) | {"over": plan.over},
        distributions=[
            Distribution(name="connecting -> first response", samples=[each * 1e3 for each in connected.first]),
            Distribution(name="connecting -> configured", samples=[each * 1e3 for each in connected.complete]),
            *poll_distributions(totals.polls),
        ],
        figures=[*figures, *gauge.figures(), *session.clients.figures(), *loop.figures],
        held=loop.held,
        warnings=session.clients.warnings(),
    )
