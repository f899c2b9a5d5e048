"""Histograms and counters for what happens with every response: a tenth of the time of prometheus_client's own.

Those take a lock for each value and look through all of their buckets. Only the event loop writes these.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Series:
    """The values of one label."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Distribution:
    """A histogram with or without a label, whose ``bounds`` are the upper ends of its buckets."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry, label: str | None = None
    ) -> None:
        self._name = name
        self._text = text
        self._bounds = bounds
        self._label = label
        self._series: dict[str, Series] = {} if label else {"": Series(bounds)}
        registry.register(self)

    def of(self, value: str = "") -> Series:
        """The series of a value of the label."""
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = Series(self._bounds)
        return series

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client.registry.Collector``."""
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label] if self._label else [])
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for value, series in self._series.items():
            below = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip(bounds, series.counts, strict=True):
                below += count
                buckets.append((bound, below))
            family.add_metric([value] if self._label else [], buckets, series.total)
        yield family


class Tally:
    """A counter with a label. ``name`` is without the ``_total`` that Prometheus sees."""

    def __init__(self, name: str, text: str, label: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._label = label
        self._counts: dict[str, int] = {}
        registry.register(self)

    def add(self, value: str) -> None:
        """Count one more of this."""
        self._counts[value] = self._counts.get(value, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client.registry.Collector``."""
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for value, count in self._counts.items():
            family.add_metric([value], count)
        yield family
