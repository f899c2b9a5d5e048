"""Several results side by side: what all of them have, and the ratios."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from fairlead.bench.result import Figure, Result

_SHARES: Final = {"p50": 0.5, "p99": 0.99}


class Row(msgspec.Struct, frozen=True):
    """One measure: our value and theirs; ``ratios`` say how many times our value theirs are."""

    name: str
    ours: Figure
    theirs: list[Figure]

    @property
    def ratios(self) -> list[float]:
        """Over 1: theirs is larger."""
        return [each.value / self.ours.value for each in self.theirs]


def compare(ours: Result, others: Sequence[Result]) -> Iterator[Row]:
    """What all that did not fail have, and what is not nothing."""
    for first, *rest in _rows([ours, *(each for each in others if not each.failure)]):
        if first.value:
            yield Row(first.name, first, rest)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """As JSON: the result, or all of them with their ratios."""
    ours, *others = results
    if not others:
        return ours.document()
    rows = [
        {"name": row.name, "unit": row.ours.unit, "ratios": [round(each, 3) for each in row.ratios]}
        for row in compare(ours, others)
    ]
    return {"results": [each.document() for each in results], "comparison": rows}


def _rows(results: Sequence[Result]) -> Iterator[list[Figure]]:
    for distribution in results[0].distributions:
        found = [each.distribution(distribution.name) for each in results]
        if all(each.samples for each in found):
            for label, share in _SHARES.items():
                yield [Figure(f"{distribution.name}, {label}", each.quantile(share), "ms") for each in found]
    for figure in results[0].figures:
        values = [each for result in results for each in result.figures if each.name == figure.name]
        if len(values) == len(results):
            yield values
