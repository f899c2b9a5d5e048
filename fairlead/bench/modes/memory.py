"""What the objects and the proxies cost in memory."""

import asyncio
from typing import Final

from fairlead.bench.failure import BenchError
from fairlead.bench.gauge import Gauge
from fairlead.bench.result import Figure, Result
from fairlead.bench.session import Session
from fairlead.bench.settings import describe_plan

# A server may give memory back when it has been quiet for a while.
_AT_REST: Final = 3.0


async def measure_memory(session: Session) -> Result:
    """Memory after loading, with all proxies connected, and when they have gone; each when it has come to rest."""
    plan, subject = session.plan, session.subject
    loaded = subject.usage()
    if loaded is None:
        raise BenchError("the memory of a process elsewhere cannot be seen: --self measures our own")
    await session.connect()
    await asyncio.sleep(_AT_REST)
    connected = subject.usage() or loaded
    await session.fleet.disconnect()
    await session.settle()
    await asyncio.sleep(_AT_REST)
    left = subject.usage() or connected
    proxies, loop = session.fleet.size, await Gauge(subject).loop()
    return Result(
        mode=plan.mode.value,
        server=subject.name,
        settings=describe_plan(plan, session.subject.endpoint),
        figures=[
            Figure("seconds to load", subject.loaded, "s"),
            Figure("memory, loaded", loaded.memory, "MB"),
            Figure("memory, all proxies configured", connected.memory, "MB"),
            Figure("memory of one proxy", (connected.memory - loaded.memory) / proxies * 1000, "kB"),
            Figure("memory, the most ever", connected.peak, "MB"),
            Figure("memory, all proxies gone", left.memory, "MB"),
            *session.clients.figures(),
            *loop.figures,
        ],
        held=loop.held,
    )
