"""Where the time of a change went, by the ledger of our own control plane."""

from typing import Any, Final

from fairlead.bench.result import Stage, median
from fairlead.bench.session import Sample

_SKEW: Final = 0.002
# As the ledger has them, in their order; it says what each is.
_STAGES: Final = ("source", "store", "engine", "queue", "encode", "wire", "client")


def stages_of(pushes: list[dict[str, Any]], samples: list[Sample]) -> list[Stage]:
    """The medians over all changes whose push the ledger still has; empty for a foreign control plane."""
    rows = [_stages(sample, push) for sample in samples if (push := _push_of(sample, pushes)) is not None]
    if not rows:
        return []
    return [Stage(name, median([row[name] for row in rows])) for name in rows[0]]


def ledger_acks(pushes: list[dict[str, Any]], samples: list[Sample], *, others: int) -> list[float]:
    """Milliseconds from each change to the last ACK that the server read, of the proxies and of ``others`` beside."""
    found = []
    for sample in samples:
        push = _push_of(sample, pushes)
        if push is not None and push["acks"] >= len(sample.times) + others:
            found.append((push["at"] - sample.made_at) * 1e3 + push["last_ack_ms"])
    return found


def _push_of(sample: Sample, pushes: list[dict[str, Any]]) -> dict[str, Any] | None:
    until = sample.made_at + sample.last / 1e3
    return next((push for push in pushes if sample.made_at - _SKEW <= push["at"] <= until and push["acks"]), None)


def _stages(sample: Sample, push: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of each stage. The ledger begins when the source notices; until then it is the kernel's turn."""
    found: dict[str, float] = {"notice": max(0.0, (push["at"] - sample.made_at) * 1e3)}
    return found | {name: float(push["stages_ms"][name]) for name in _STAGES}
