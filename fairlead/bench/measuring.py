"""From a plan to its result."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fairlead.bench.failure import BenchError
from fairlead.bench.modes.churn import measure_churn
from fairlead.bench.modes.connect import measure_connect
from fairlead.bench.modes.memory import measure_memory
from fairlead.bench.modes.push import measure_push
from fairlead.bench.plan import Mode, Plan
from fairlead.bench.result import Result
from fairlead.bench.session import Session, Tell, stage, stage_peer
from fairlead.mesh.process import ProcessEndedError
from fairlead.mesh.waiting import DeadlineExceededError

_MEASURES: Final[Mapping[Mode, Callable[[Session], Awaitable[Result]]]] = {
    Mode.PUSH: measure_push,
    Mode.FANOUT: measure_push,
    Mode.CHURN: measure_churn,
    Mode.CONNECT: measure_connect,
    Mode.MEMORY: measure_memory,
}


async def measure(plan: Plan, tell: Tell) -> list[Result]:
    """Set everything up, measure, and take everything down, for the subject of the plan and then for each peer.

    BenchError, with what to do, when it cannot be done. A peer that fails is a result that says so.
    """
    run = _MEASURES[plan.mode]
    async with stage(plan, tell) as session:
        results = [await run(session)]
    for peer in plan.peers:
        try:
            async with stage_peer(peer, plan, tell) as session:
                results.append(await run(session))
        except (BenchError, ProcessEndedError, DeadlineExceededError) as error:
            # What the others did is worth knowing all the same.
            results.append(Result(mode=plan.mode.value, server=peer.value, settings={}, failure=str(error)))
    return results
