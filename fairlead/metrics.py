"""What Prometheus is told. Every control plane has its own registry, so that two fit into one process."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.registry import Collector

from fairlead.distribution import Distribution, Series
from fairlead.istio_metrics import IstioMetrics
from fairlead.response_sizes import ResponseSizes

_LATENCY: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LAG: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class Metrics:
    """The metrics of one control plane."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.objects = Gauge("fairlead_objects", "Objects in force", registry=registry)
        self.proxies = Gauge("fairlead_proxies", "Connected proxies", registry=registry)
        self.views = Gauge("fairlead_views", "Views that proxies are served from", registry=registry)
        self.findings = Gauge("fairlead_findings", "What is wrong with the input now", ["severity"], registry=registry)
        self.writes = Counter("fairlead_object_writes", "Objects that were changed", registry=registry)
        self.pushes = Counter("fairlead_pushes", "Pushes after changes", registry=registry)
        self.responses = ResponseSizes(registry)
        self.rejects = Counter("fairlead_rejects", "Responses that proxies refused (NACK)", ["type"], registry=registry)
        self.refused = Counter(
            "fairlead_refused_streams", "Streams that were not admitted", ["code"], registry=registry
        )
        self.apply_time = self._latency("fairlead_apply_seconds", "Change noticed until it is in the store")
        self.push_time = self._latency("fairlead_push_seconds", "Change in the store until its last View is published")
        self.ack_time = self._latency("fairlead_ack_seconds", "Change noticed until a proxy acknowledged it")
        self.stage_time = Distribution(
            "fairlead_push_stage_seconds", "What of a push took how long", _LATENCY, registry, "stage"
        )
        self.loop_lag = Distribution("fairlead_loop_lag_seconds", "How late the event loop came", _LAG, registry).of()
        self.loop_longest_block = Gauge(
            "fairlead_loop_longest_block_seconds", "The longest that the event loop was held up", registry=registry
        )
        self.istio = IstioMetrics(registry)

    def register(self, collector: Collector) -> None:
        """Tell what a collector has to say as well."""
        self._registry.register(collector)

    def exposition(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    def count_findings(self, by_severity: Mapping[str, int]) -> None:
        """Set the number of findings of each severity."""
        self.findings.clear()
        for severity, count in by_severity.items():
            self.findings.labels(severity).set(count)

    def _latency(self, name: str, text: str) -> Series:
        return Distribution(name, text, _LATENCY, self._registry).of()
