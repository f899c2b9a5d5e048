"""Istio's names for what happens."""

from types import SimpleNamespace
from typing import Any

from envoy.config.core.v3 import base_pb2
from prometheus_client import CollectorRegistry

from fairlead.istio_metrics import IstioMetrics
from tests.unit.translator.mesh_kit import entry, pod, service, writes
from translator.store import Write
from xds.errors import Code
from xds.events import RequestExpired, RequestReceived, StreamClosed, StreamOpened
from xds.types import CLUSTER, ENDPOINT, SECRET, TypeUrl
from xds.wire import DeltaRequest


def client(number: int = 1, version: str = "", secrets: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - stands for a Client
    node = base_pb2.Node()
    node.metadata.update({"ISTIO_VERSION": version})
    view = SimpleNamespace(resources=lambda _: dict.fromkeys(secrets))
    return SimpleNamespace(id=number, node=SimpleNamespace(message=node), view=view)


def request(who: Any, type_url: TypeUrl, *names: str, size: int = 10) -> RequestReceived:  # noqa: ANN401
    return RequestReceived(who, 0, DeltaRequest(type_url, subscribe=names), size)


class Figures:
    """The metrics of a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.metrics = IstioMetrics(self._registry)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


def test_proxies_are_counted_by_the_version_that_they_name() -> None:
    figures = Figures()
    for number, version in enumerate(("1.30.0", "1.30.0", "")):
        figures.metrics.note_start(StreamOpened(client(number, version), 0))
    assert figures("pilot_xds", version="1.30.0") == 2
    assert figures("pilot_xds", version="unknown") == 1
    figures.metrics.note_end(StreamClosed(client(0), 0, None, "left"))
    assert figures("pilot_xds", version="1.30.0") == 1


def test_writes_count_as_what_they_are_and_hosts_are_known() -> None:
    figures = Figures()
    texts = (service(), entry("{hosts: [a.com, b.com], ports: [{number: 80, name: http}]}"), pod("web-1", "10.0.0.1"))
    made = [write for text in texts for write in writes(text)]
    for write in made:
        figures.metrics.note_write(write)
    assert figures("pilot_services") == 3
    assert figures("pilot_inbound_updates", type="svc") == 2
    assert figures("pilot_inbound_updates", type="eds") == 1
    assert figures("pilot_push_triggers", type="endpoint") == 1
    figures.metrics.note_write(Write(made[0].key, None))
    assert figures("pilot_services") == 2
    assert figures("pilot_inbound_updates", type="svcdelete") == 1


def test_a_secret_that_is_missing_counts_once_however_often_it_is_named() -> None:
    figures = Figures()
    who = client(secrets=("good",))
    for _ in range(3):
        figures.metrics.note_request(request(who, SECRET, "good", "missing"))
    assert figures("pilot_sds_certificate_errors_total") == 1
    figures.metrics.note_request(request(who, SECRET, "good", "missing", "other"))
    assert figures("pilot_sds_certificate_errors_total") == 2


def test_how_streams_end_and_what_was_too_late() -> None:
    figures = Figures()
    for code in (Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAVAILABLE, None):
        figures.metrics.note_end(StreamClosed(client(), 0, code, ""))
    assert figures("pilot_xds_write_timeout") == 1
    assert figures("pilot_total_xds_internal_errors") == 1
    figures.metrics.note_expiry(RequestExpired(client(), 0, ENDPOINT, "old"))
    assert figures("pilot_xds_expired_nonce", type="eds") == 1
    figures.metrics.note_request(request(client(), CLUSTER, size=500))
    figures.metrics.note_request(request(client(), CLUSTER, size=5))
    assert figures("pilot_xds_recv_max") == 500
    build = {"component": "pilot", "tag": str(figures.metrics.version)}
    assert figures("istio_build", **build) == 1
