"""The control plane's figures under istiod's names, so that dashboards and alerts made for Istio go on working.

Only figures that mean the same here are given. Istio's counters have no ``_total``, which prometheus_client
insists on, so they are collected by hand and have no type.
"""

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from time import time
from typing import Final

from google.protobuf.json_format import MessageToDict
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from fairlead.distribution import Distribution
from translator.objects.registry import Kind, ObjectKey
from translator.objects.service_entry import ServiceEntry
from translator.store import Write
from xds.client import Client
from xds.errors import Code
from xds.events import (
    Nacked,
    Observer,
    RequestExpired,
    RequestReceived,
    StreamClosed,
    StreamOpened,
    selective,
)
from xds.types import SECRET, short_name

# Istio: the buckets of this histogram.
_CONVERGENCE: Final = (0.1, 0.5, 1, 3, 5, 10, 20, 30)

_SUMS: Final = {
    "pilot_push_triggers": "Changes that led to pushes, by what changed",
    "pilot_inbound_updates": "Changes that came in, by what changed",
    "pilot_total_xds_rejects": "Responses that proxies refused, by type",
    "pilot_xds_expired_nonce": "Requests that answered an outdated response, by type",
    "pilot_xds_write_timeout": "Streams that were ended because the proxy did not read or say who it is",
    "pilot_total_xds_internal_errors": "Streams that were ended by a fault of the control plane",
    "pilot_sds_certificate_errors_total": "Secrets that proxies asked for and that they could not be given",
}
_SERVICES: Final = (Kind.SERVICE, Kind.SERVICE_ENTRY)
_ENDPOINTS: Final = (Kind.ENDPOINT_SLICE, Kind.POD, Kind.WORKLOAD_ENTRY)
_TRIGGERS: Final = {
    **dict.fromkeys(_SERVICES, "service"),
    **dict.fromkeys(_ENDPOINTS, "endpoint"),
    Kind.SECRET: "secret",
    Kind.NAMESPACE: "namespace",
}


class IstioMetrics:
    """Counts what happens. An observer of the server, and a collector of the registry that it is made for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sums: dict[str, Counter[str]] = {name: Counter() for name in _SUMS}
        self._largest_request = 0
        self._versions: dict[int, str] = {}
        self._missing_secrets: dict[int, frozenset[str]] = {}
        self._hosts: dict[ObjectKey, int] = {}
        self._started = time()
        self.version = version("fairlead")
        self.convergence = Distribution(
            "pilot_proxy_convergence_time",
            "Seconds from a change in force to a response that brings it",
            _CONVERGENCE,
            registry,
        ).of()
        registry.register(self)

    def note_write(self, write: Write) -> None:
        """Count an object that changed."""
        key, value = write
        self._add("pilot_push_triggers", _TRIGGERS.get(key.kind, "config"))
        self._add("pilot_inbound_updates", _update(key.kind, is_deletion=value is None))
        if value is None:
            self._hosts.pop(key, None)
        elif key.kind in (*_SERVICES, Kind.VIRTUAL_SERVICE):
            self._hosts[key] = len(value.spec.hosts) if isinstance(value, ServiceEntry) else 1

    @property
    def observers(self) -> tuple[Observer, ...]:
        """For each kind of events that it wants to see the one that takes it."""
        return (
            selective(self.note_request, RequestReceived),
            selective(self.note_refusal, Nacked),
            selective(self.note_expiry, RequestExpired),
            selective(self.note_start, StreamOpened),
            selective(self.note_end, StreamClosed),
        )

    def collect(self) -> Iterator[Metric]:
        """See ``prometheus_client.registry.Collector``."""
        for name, text in _SUMS.items():
            metric = Metric(name, text, "unknown")
            for label, value in sorted(self._sums[name].items()):
                metric.add_sample(name, {"type": label} if label else {}, value)
            yield metric
        proxies = GaugeMetricFamily(
            "pilot_xds", "Connected proxies by the Istio version that they name", None, ["version"]
        )
        for istio_version, count in sorted(Counter(self._versions.values()).items()):
            proxies.add_metric([istio_version], count)
        yield proxies
        yield _labelled("pilot_info", "The version of the control plane", {"version": self.version})
        yield _labelled("istio_build", "The version of the control plane", {"component": "pilot", "tag": self.version})
        yield GaugeMetricFamily("istiod_uptime_seconds", "Age of the control plane", time() - self._started)
        yield GaugeMetricFamily("pilot_xds_recv_max", "Bytes of the largest request so far", self._largest_request)
        services = sum(count for key, count in self._hosts.items() if key.kind in _SERVICES)
        rules = sum(key.kind is Kind.VIRTUAL_SERVICE for key in self._hosts)
        yield GaugeMetricFamily("pilot_services", "Known services", services)
        yield GaugeMetricFamily("pilot_virt_services", "VirtualServices in force", rules)

    def _add(self, name: str, label: str = "") -> None:
        self._sums[name][label] += 1

    def note_request(self, event: RequestReceived) -> None:
        """A request has come: for Secrets that do not exist, perhaps."""
        self._largest_request = max(self._largest_request, event.size)
        if event.request.type_url != SECRET or event.client.view is None:
            return
        # State-of-the-world requests name everything every time: a name counts when it was not missing before.
        missing = frozenset(event.names) - event.client.view.resources(SECRET).keys()
        before = self._missing_secrets.get(event.client.id, frozenset())
        for _ in missing - before:
            self._add("pilot_sds_certificate_errors_total")
        self._missing_secrets[event.client.id] = missing

    def note_refusal(self, event: Nacked) -> None:
        """A proxy has refused a response."""
        self._add("pilot_total_xds_rejects", short_name(event.type_url))

    def note_expiry(self, event: RequestExpired) -> None:
        """A request answered an outdated response."""
        self._add("pilot_xds_expired_nonce", short_name(event.type_url))

    def note_start(self, event: StreamOpened) -> None:
        """A proxy has come."""
        self._versions[event.client.id] = _istio_version(event.client)

    def note_end(self, event: StreamClosed) -> None:
        """A proxy has gone, or its stream was ended."""
        self._versions.pop(event.client.id, None)
        self._missing_secrets.pop(event.client.id, None)
        if event.code is Code.DEADLINE_EXCEEDED:
            self._add("pilot_xds_write_timeout")
        elif event.code is Code.INTERNAL:
            self._add("pilot_total_xds_internal_errors")


def _update(kind: Kind, *, is_deletion: bool) -> str:
    if kind in _SERVICES:
        return "svcdelete" if is_deletion else "svc"
    return "eds" if kind in _ENDPOINTS else "config"


def _istio_version(client: Client) -> str:
    named = MessageToDict(client.node.message.metadata).get("ISTIO_VERSION")
    return named if isinstance(named, str) and named else "unknown"


def _labelled(name: str, text: str, labels: dict[str, str]) -> Metric:
    metric = GaugeMetricFamily(name, text)
    metric.add_sample(name, labels, 1)
    return metric
