"""How many responses were sent and how large they are, by type: counted once, told under our names and istiod's."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from fairlead.distribution import Series
from xds.types import TypeUrl, short_name

_BYTES: Final = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 40_000_000)
# Istio: the buckets of this histogram.
_ISTIO_BYTES: Final = (1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000)
_ALL: Final = tuple(sorted({*_BYTES, *_ISTIO_BYTES}))


class ResponseSizes:
    """The sizes of all responses. A collector of the registry that it is made for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._types: dict[TypeUrl, Series] = {}
        registry.register(self)

    def note(self, type_url: TypeUrl, size: int) -> None:
        """A response was sent."""
        series = self._types.get(type_url)
        if series is None:
            series = self._types[type_url] = Series(_ALL)
        series.observe(size)

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client.registry.Collector``."""
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
