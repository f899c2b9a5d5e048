"""What Prometheus is told about clusters: read when it asks, so that it is always true."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fairlead.sources.kubernetes.cluster import ClusterState


class ClusterMetrics(Collector):
    """Metrics of all clusters. The name of the configuration's cluster is that which proxies say."""

    def __init__(self, states: Callable[[], Sequence[ClusterState]], primary: str) -> None:
        self._states = states
        self._primary = primary

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        labels = ["cluster"]
        synced = GaugeMetricFamily("fairlead_cluster_synced", "Whether everything was read once", labels=labels)
        faults = GaugeMetricFamily("fairlead_cluster_faults", "Kinds that cannot be followed now", labels=labels)
        silence = GaugeMetricFamily(
            "fairlead_cluster_silence_seconds",
            "Since when the API server said nothing, of the quietest kind",
            labels=labels,
        )
        restarts = CounterMetricFamily("fairlead_cluster_watch_failures", "Watches and lists that broke", labels=labels)
        objects = GaugeMetricFamily("fairlead_cluster_objects", "Objects that are followed", labels=[*labels, "kind"])
        # Istio's name, for dashboards that know it.
        managed = GaugeMetricFamily("istiod_managed_clusters", "Clusters that are followed", labels=["cluster_type"])
        states = self._states()
        for state in states:
            name = [state.name or self._primary]
            synced.add_metric(name, float(state.synced))
            faults.add_metric(name, len(state.faults))
            silence.add_metric(name, state.silence)
            restarts.add_metric(name, state.restarts)
            for kind, count in state.objects.items():
                objects.add_metric([*name, kind], count)
        managed.add_metric(["local"], sum(not state.name for state in states))
        managed.add_metric(["remote"], sum(bool(state.name) for state in states))
        yield from (synced, faults, silence, restarts, objects, managed)
