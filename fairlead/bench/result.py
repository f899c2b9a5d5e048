"""What a run found."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import msgspec

_BINS: Final = 30
_TOLD_CALLS: Final = 3
SMALLEST: Final = 0.001
"""Milliseconds below which nothing is told apart."""


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one thing, in milliseconds."""

    name: str
    samples: list[float]

    def quantile(self, share: float) -> float:
        """The sample below which a share (0 to 1) of them lies, by the nearest rank."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def summary(self) -> dict[str, Any]:
        """The figures that people compare."""
        return {
            "name": self.name,
            "count": len(self.samples),
            "p50": round(self.quantile(0.5), 3),
            "p90": round(self.quantile(0.9), 3),
            "p99": round(self.quantile(0.99), 3),
            "max": round(max(self.samples), 3),
        }

    def histogram(self) -> tuple[list[float], list[int]]:
        """The upper edges of bins of equal ratio, as latencies want, and how many samples are in each."""
        low, high = max(min(self.samples), SMALLEST), max(*self.samples, SMALLEST)
        ratio = max(high / low, 1.0001) ** (1 / _BINS)
        edges = [low * ratio ** (place + 1) for place in range(_BINS)]
        counts = [0] * _BINS
        for sample in self.samples:
            counts[min(_BINS - 1, bisect_left(edges, sample))] += 1
        return edges, counts


class Figure(msgspec.Struct, frozen=True):
    """One number that was observed."""

    name: str
    value: float
    unit: str = ""

    def __str__(self) -> str:
        text = f"{self.value:,.0f}" if self.value == int(self.value) or self.value >= 1000 else f"{self.value:,.3g}"
        return f"{text} {self.unit}".rstrip()


class Second(msgspec.Struct, frozen=True):
    """What happened within one second of a run."""

    at: float
    changes: int
    responses: int
    bytes: int


class Stage(msgspec.Struct, frozen=True):
    """Milliseconds of the median change that were spent in one place."""

    name: str
    milliseconds: float


class Held(msgspec.Struct, frozen=True):
    """One time that the event loop of the control plane was held up, in milliseconds, and its innermost calls then."""

    ms: float
    cpu_ms: float
    doing: list[str]

    def __str__(self) -> str:
        return " < ".join(self.doing[:_TOLD_CALLS]) or "nobody looked"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one run on one control plane.

    ``failure`` says why there is nothing, ``warnings`` what to know before the figures are believed. ``held`` are the
    newest times that the event loop was held up by what it computed itself.
    """

    mode: str
    server: str
    settings: dict[str, Any]
    distributions: list[Distribution] = []
    figures: list[Figure] = []
    stages: list[Stage] = []
    seconds: list[Second] = []
    held: list[Held] = []
    warnings: list[str] = []
    failure: str = ""

    def figure(self, name: str) -> float:
        """A figure by its name. LookupError when there is none."""
        for figure in self.figures:
            if figure.name == name:
                return figure.value
        raise LookupError(name)

    def distribution(self, name: str) -> Distribution:
        """A distribution by its name. LookupError when there is none."""
        for distribution in self.distributions:
            if distribution.name == name:
                return distribution
        raise LookupError(name)

    def document(self) -> dict[str, Any]:
        """As JSON: summaries instead of samples."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        document["distributions"] = [each.summary() for each in self.distributions if each.samples]
        document["figures"] = {each.name: round(each.value, 3) for each in self.figures}
        document["stages"] = {each.name: round(each.milliseconds, 3) for each in self.stages}
        return document


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]
