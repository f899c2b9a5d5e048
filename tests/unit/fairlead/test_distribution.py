"""Histograms and counters of our own look to Prometheus as those of its client do."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from fairlead.distribution import Distribution, Tally

BOUNDS = (0.001, 0.5, 1, 10_000)
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


def test_a_counter_with_a_label() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("responses", "How many", "type", ours)
    counter = Counter("responses", "How many", ["type"], registry=theirs)
    for kind in ("cds", "eds", "cds"):
        tally.add(kind)
        counter.labels(kind).inc()
    assert exposition(ours) == exposition(theirs)
