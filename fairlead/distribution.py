"""Histograms for what happens with every response: a tenth of the time of prometheus_client's own.

Those take a lock for each value and look through all of their buckets. Only the event loop writes these.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Series:
    """Values, counted in buckets whose upper ends are ``bounds``."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, as often as it was seen."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def tell(self, family: HistogramMetricFamily, labels: Sequence[str] = (), *, only: Sequence[float] = ()) -> None:
        """Add the series to a histogram, with all of its buckets or with those that end ``only`` here."""
        below = dict(zip(self._bounds, accumulate(self._counts), strict=False))
        wanted = only or self._bounds
        buckets: list[tuple[str, float]] = list(
            zip(map(floatToGoString, wanted), map(below.__getitem__, wanted), strict=True)
        )
        family.add_metric(labels, [*buckets, ("+Inf", self.count)], self._total)


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
        for value, series in self._series.items():
            series.tell(family, [value] if self._label else [])
        yield family
