"""What is told of proxies that ask over REST."""

from array import array
from collections.abc import Sequence
from typing import Final

from fairlead.bench.failure import BenchError
from fairlead.bench.messages import Polls
from fairlead.bench.result import Distribution, Figure

# Envoy: the interval, and up to as much again at random.
_MEAN: Final = 1.5
NO_POLLS: Final = Polls(0, 0, 0, 0, b"")
_ENOUGH: Final = 0.8


def join_polls(found: Sequence[Polls]) -> Polls | None:
    """Those of several processes; None if their proxies do not ask."""
    if not found:
        return None
    return Polls(
        subscriptions=sum(each.subscriptions for each in found),
        answered=sum(each.answered for each in found),
        unchanged=sum(each.unchanged for each in found),
        failed=sum(each.failed for each in found),
        milliseconds=b"".join(each.milliseconds for each in found),
    )


def poll_distributions(polls: Polls | None) -> list[Distribution]:
    """How long answers took."""
    if polls is None or not polls.milliseconds:
        return []
    return [Distribution(name="one poll -> its answer", samples=array("d", polls.milliseconds).tolist())]


def poll_figures(before: Polls | None, after: Polls | None, interval: float, seconds: float) -> list[Figure]:
    """How much was asked within some seconds."""
    if before is None or after is None:
        return []
    return [
        Figure("polling interval (and up to as much again at random)", interval, "s"),
        Figure("polls", after.answered - before.answered),
        Figure("polls per second", (after.answered - before.answered) / seconds),
        Figure("polls that failed", after.failed - before.failed),
        Figure("subscriptions, each polled by itself", after.subscriptions),
    ]


def describe_polls(polls: Polls | None, seconds: float) -> str:
    """How far a server has come within some seconds, as the end of a sentence; empty for one with streams."""
    if polls is None or not polls.answered:
        return ""
    return (
        f". It has answered {polls.answered:,} polls, {polls.answered / seconds:,.0f} per second, "
        f"and {polls.subscriptions:,} subscriptions are polled"
    )


def check_pace(before: Polls, after: Polls, interval: float, seconds: float) -> None:
    """BenchError when within some seconds clearly less was answered than the subscriptions ask."""
    answered = (after.answered - before.answered) / seconds
    asked = after.subscriptions / (_MEAN * interval)
    if answered < _ENOUGH * asked:
        raise BenchError(
            f"it answers {answered:,.0f} polls per second, and {after.subscriptions:,} subscriptions that are polled "
            f"every {interval:g} s (and up to as much again) want {asked:,.0f}: a round takes "
            f"{after.subscriptions / max(answered, 1):,.1f} s. Fewer --services or --sidecars, or a longer --poll"
        )
