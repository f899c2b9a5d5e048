"""Where the time of a change went, by the ledger of our own control plane and by the clocks of both sides."""

from typing import Any, Final

from fairlead.bench.result import Stage, median
from fairlead.bench.session import Sample

_SKEW: Final = 0.002


def stages_of(pushes: list[dict[str, Any]], samples: list[Sample]) -> list[Stage]:
    """The medians over all changes that a push of the ledger can be found for; empty for a foreign control plane."""
    rows = [_stages(sample, push) for sample in samples if (push := _push_of(sample, pushes)) is not None]
    if not rows:
        return []
    return [Stage(name, median([row[name] for row in rows])) for name in rows[0]]


def _push_of(sample: Sample, pushes: list[dict[str, Any]]) -> dict[str, Any] | None:
    until = sample.made_at + sample.last / 1e3
    return next(
        (push for push in pushes if sample.made_at - _SKEW <= push["at"] <= until and push["published_ms"] is not None),
        None,
    )


def _stages(sample: Sample, push: dict[str, Any]) -> dict[str, float]:
    """Consecutive parts of the time from the change to the last ACK."""
    noticed = max(0.0, (push["at"] - sample.made_at) * 1e3)
    applied, published = push["applied_ms"], push["published_ms"]
    return {
        "source: written -> noticed": noticed,
        "store: noticed -> applied": applied,
        "engine and encoding: applied -> published": max(0.0, published - applied),
        "wire and client: published -> first ACK": max(0.0, sample.first - noticed - published),
        "queue and wire: first ACK -> last ACK": sample.last - sample.first,
    }
