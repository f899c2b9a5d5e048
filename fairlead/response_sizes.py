"""How many responses were sent and how large they are, by type: counted once, told under our names and istiod's."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from fairlead.distribution import Series
from xds.encoder import Label
from xds.types import TypeUrl, short_name

_BYTES: Final = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 40_000_000)
# Istio: the buckets of this histogram.
_ISTIO_BYTES: Final = (1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000)
_ALL: Final = tuple(sorted({*_BYTES, *_ISTIO_BYTES}))


class ResponseSizes:
    """The sizes of all responses. A collector of the registry that it is made for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._types: dict[TypeUrl, Series] = {}
        # The newest response, and to how many streams it went that are not counted yet: often it is a thousand.
        self._newest: Label | None = None
        self._uncounted = 0
        registry.register(self)

    def note(self, label: Label) -> None:
        """A response was sent."""
        if label is not self._newest:
            self._count()
            self._newest = label
        self._uncounted += 1

    def _count(self) -> None:
        newest = self._newest
        if newest is None or not self._uncounted:
            return
        series = self._types.get(newest.type_url)
        if series is None:
            series = self._types[newest.type_url] = Series(_ALL)
        series.observe(newest.size, self._uncounted)
        self._uncounted = 0

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client.registry.Collector``."""
        self._count()
        responses = CounterMetricFamily("fairlead_responses", "Responses sent to proxies", labels=["type"])
        sizes = HistogramMetricFamily("fairlead_response_bytes", "Size of responses", labels=["type"])
        # Istio's counters have no "_total", see fairlead.istio_metrics; its sizes have the full URL as their type.
        pushes = Metric("pilot_xds_pushes", "Responses sent to proxies, by type", "unknown")
        istio_sizes = HistogramMetricFamily("pilot_xds_config_size_bytes", "Size of responses", labels=["type"])
        for type_url, series in sorted(self._types.items()):
            short = short_name(type_url)
            responses.add_metric([short], series.count)
            series.tell(sizes, [short], only=_BYTES)
            pushes.add_sample("pilot_xds_pushes", {"type": short}, series.count)
            series.tell(istio_sizes, [type_url], only=_ISTIO_BYTES)
        yield from (responses, sizes, pushes, istio_sizes)
