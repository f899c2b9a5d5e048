"""Histograms and counters of our own look to Prometheus as those of its client do."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from fairlead.distribution import Distribution
from fairlead.response_sizes import ResponseSizes
from xds.encoder import Label
from xds.types import CLUSTER, ENDPOINT

BOUNDS = (0.001, 0.5, 1, 10_000)
OUR_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 40_000_000)
ISTIO_SIZES = (1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000)
VALUES = (0.0, 0.001, 0.0011, 1, 2, 20_000)


def exposition(registry: CollectorRegistry) -> list[str]:
    """What Prometheus reads, without the times at which series were made."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_a_histogram_is_told_as_the_client_tells_it() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    series = Distribution("waits", "How long", BOUNDS, ours).of()
    histogram = Histogram("waits", "How long", buckets=BOUNDS, registry=theirs)
    for value in VALUES:
        series.observe(value)
        histogram.observe(value)
    assert exposition(ours) == exposition(theirs)


def test_a_histogram_with_a_label() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("sizes", "How large", BOUNDS, ours, "type")
    histogram = Histogram("sizes", "How large", ["type"], buckets=BOUNDS, registry=theirs)
    for place, value in enumerate(VALUES):
        kind = "even" if place % 2 == 0 else "odd"
        distribution.of(kind).observe(value)
        histogram.labels(kind).observe(value)
    assert exposition(ours) == exposition(theirs)


def test_sizes_are_told_under_our_names_and_istios() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    responses = Counter("fairlead_responses", "Responses sent to proxies", ["type"], registry=theirs)
    sizes = Histogram("fairlead_response_bytes", "Size of responses", ["type"], buckets=OUR_SIZES, registry=theirs)
    istio = Histogram(
        "pilot_xds_config_size_bytes", "Size of responses", ["type"], buckets=ISTIO_SIZES, registry=theirs
    )
    counted = ResponseSizes(ours)
    made = [(CLUSTER, "cds", 100), (ENDPOINT, "eds", 101), (CLUSTER, "cds", 5_000_000)]
    labels = [Label(type_url, "1", "1", (), (), size) for type_url, _, size in made]
    # One goes to several streams, and comes once more after another.
    for number in (0, 1, 1, 2, 1):
        type_url, short, size = made[number]
        counted.note(labels[number])
        responses.labels(short).inc()
        sizes.labels(short).observe(size)
        istio.labels(type_url).observe(size)
    told = exposition(ours)
    assert [line for line in told if "pilot_xds_pushes" not in line] == exposition(theirs)
    assert 'pilot_xds_pushes{type="cds"} 2.0' in told
