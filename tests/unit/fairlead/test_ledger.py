"""Every push has a record: causes, times, sizes, acknowledgements, refusals."""

from time import perf_counter
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from fairlead.ledger import Cause, Push, PushLedger
from fairlead.metrics import Metrics
from xds.encoder import Label
from xds.errors import Code
from xds.events import Acked, Nacked, ResponseSent, StreamRefused
from xds.types import CLUSTER, ENDPOINT

CLIENT: Any = SimpleNamespace(id=1, node_id="sidecar~1")
OTHER: Any = SimpleNamespace(id=2, node_id="sidecar~2")


def label(size: int = 100) -> Label:
    return Label(ENDPOINT, "1", "n", ("a",), (), size)


def sent(client: Any, cause: object, size: int = 100) -> ResponseSent:  # noqa: ANN401 - stands for a Client
    return ResponseSent(client, 0, label(size), cause, 0)


def acked(client: Any, cause: object) -> Acked:  # noqa: ANN401 - stands for a Client
    return Acked(client, 0, label(), cause, 0)


def test_a_push_from_its_cause_to_its_last_ack() -> None:
    metrics = Metrics()
    ledger = PushLedger(metrics)
    push = ledger.begin([Cause(("Service a",), received=0.0, applied=0.5)])
    for change, view in (
        ({CLUSTER: {"a", "b"}}, "sidecars of x"),
        ({CLUSTER: {"a"}, ENDPOINT: {"a"}}, "sidecars of y"),
    ):
        ledger.published(push)
        ledger.describe(push, change, view)
    ledger.finish(push)
    for client in (CLIENT, OTHER):
        ledger.note_response(sent(client, push))
        ledger.note_acceptance(acked(client, push))
    summary = push.summary()
    assert summary["objects"] == ("Service a",)
    assert summary["applied_ms"] == 500
    assert summary["resources"] == {"cds": 3, "eds": 1}
    assert (summary["views"], summary["proxies"], summary["responses"], summary["acks"]) == (2, 2, 2, 2)
    assert summary["bytes"] == 200
    assert summary["published_ms"] <= summary["first_ack_ms"] <= summary["last_ack_ms"]
    exposition = metrics.exposition().decode()
    assert "fairlead_pushes_total 1.0" in exposition
    assert 'fairlead_responses_total{type="eds"} 2.0' in exposition
    assert "fairlead_ack_seconds_count 2.0" in exposition


def test_the_stages_of_a_push() -> None:
    metrics = Metrics()
    ledger = PushLedger(metrics)
    push = ledger.begin([Cause(("Service a",), received=1.0, applied=1.75, read=1.5)])
    ledger.published(push)
    ledger.describe(push, {ENDPOINT: {"a"}}, "sidecars of x")
    ledger.finish(push)
    for composing, writing, answering in ((0.25, 0.5, 2.0), (0.5, 0.25, 3.0)):
        ledger.note_response(replace(sent(CLIENT, push), composing=composing))
        ledger.note_acceptance(replace(acked(CLIENT, push), writing=writing, answering=answering))
    stages = push.summary()["stages_ms"]
    assert (stages["source"], stages["store"]) == (500, 250)
    assert (stages["encode"], stages["wire"], stages["client"]) == (750, 500, 3000)
    assert (push.view_names, push.proxy_names) == (["sidecars of x"], ["sidecar~1"])


def test_histograms_hear_of_a_push_when_it_is_over() -> None:
    metrics = Metrics()
    ledger = PushLedger(metrics)
    push = ledger.begin([Cause(("Service a",), received=perf_counter() - 5, applied=perf_counter() - 5)])
    push.published = push.last_ack = 0.5
    ledger.note_response(sent(CLIENT, push))
    ledger.settle()
    assert 'fairlead_push_stage_seconds_count{stage="client"} 1.0' in metrics.exposition().decode()
    ledger.settle()
    assert 'fairlead_push_stage_seconds_count{stage="client"} 1.0' in metrics.exposition().decode()


def test_replies_belong_to_no_push() -> None:
    ledger = PushLedger(Metrics())
    ledger.note_response(sent(CLIENT, None))
    ledger.note_acceptance(acked(CLIENT, None))
    assert list(ledger) == []


def test_many_causes_are_counted_and_some_are_named() -> None:
    ledger = PushLedger(Metrics())
    push = ledger.begin([Cause(tuple(f"Service {number}" for number in range(30)), received=1.0, applied=2.0)])
    push.absorb(Cause(("Service x",), received=2.0, applied=4.0))
    assert push.object_count == 31
    assert len(push.objects) == 20
    assert push.applied == 3.0


def test_refusals_are_kept() -> None:
    metrics = Metrics()
    ledger = PushLedger(metrics)
    push = ledger.begin([Cause(("Service a",), 0.0, 0.0)])
    nack = Nacked(
        client=CLIENT, at=0, type_url=CLUSTER, nonce="n", error="no", names=("a", "b"), rejected=("a",), cause=push
    )
    ledger.note_refusal(nack)
    (refusal,) = push.summary()["refusals"]
    assert (refusal.proxy, refusal.type, refusal.resources, refusal.error) == ("sidecar~1", "cds", ("a",), "no")
    assert 'fairlead_rejects_total{type="cds"} 1.0' in metrics.exposition().decode()


def test_refused_streams_are_counted() -> None:
    metrics = Metrics()
    PushLedger(metrics).note_rejection(StreamRefused(peer="x", at=0, code=Code.UNAVAILABLE, reason="no"))
    assert 'fairlead_refused_streams_total{code="UNAVAILABLE"} 1.0' in metrics.exposition().decode()


def test_only_the_newest_pushes_are_kept_newest_first() -> None:
    ledger = PushLedger(Metrics())
    for number in range(600):
        ledger.begin([Cause((f"Service {number}",), 0.0, 0.0)])
    pushes: list[Push] = list(ledger)
    assert len(pushes) == 500
    assert (pushes[0].number, pushes[-1].number) == (600, 101)
