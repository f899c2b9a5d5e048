"""What is told of samples."""

import pytest

from fairlead.bench.comparison import compare, document
from fairlead.bench.result import Distribution, Figure, Result


def result(server: str, *samples: float, memory: float = 100.0, failure: str = "") -> Result:
    return Result(
        mode="push",
        server=server,
        settings={},
        distributions=[Distribution(name="d", samples=list(samples))],
        figures=[Figure("memory", memory, "MB")],
        failure=failure,
    )


def test_quantiles_are_samples() -> None:
    found = Distribution(name="d", samples=[float(each) for each in range(100, 0, -1)]).summary()
    assert (found["p50"], found["p90"], found["p99"], found["max"], found["count"]) == (51, 91, 100, 100, 100)


@pytest.mark.parametrize("samples", [[1.0], [0.0, 0.0], [0.5, 1.0, 2.0, 1000.0]])
def test_a_histogram_holds_every_sample(samples: list[float]) -> None:
    edges, counts = Distribution(name="d", samples=samples).histogram()
    assert sum(counts) == len(samples)
    assert edges == sorted(edges)


def test_a_comparison_tells_how_many_times_ours_theirs_is() -> None:
    rows = {row.name: row.ratios for row in compare(result("a", 2.0), [result("b", 5.0, memory=50.0)])}
    assert rows == {"d, p50": [2.5], "d, p99": [2.5], "memory": [0.5]}


def test_who_failed_is_not_compared() -> None:
    found = document([result("a", 2.0), result("b", failure="no"), result("c", 4.0)])
    assert [each["server"] for each in found["results"]] == ["a", "b", "c"]
    assert {row["name"]: row["ratios"] for row in found["comparison"]}["d, p50"] == [2.0]


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (1234.5, "1,234"), (0.01234, "0.0123"), (12.34, "12.3"), (0.0, "0")]
)
def test_figures_are_readable(value: float, text: str) -> None:
    assert str(Figure("f", value)) == text
