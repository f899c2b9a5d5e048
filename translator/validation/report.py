"""Gathers the faults of one object: every check runs, so that a user sees all of them at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from translator.diagnostics import Severity, Violation

_ItemT = TypeVar("_ItemT")


class Report:
    """The violations found so far, in the order in which the checks run."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All of them."""
        return tuple(self._violations)

    def error(self, path: str, reason: str) -> None:
        """A rule is broken: the object is refused."""
        self._violations.append(Violation(path, reason))

    def warn(self, path: str, reason: str) -> None:
        """The object works, but probably not as its author thinks."""
        self._violations.append(Violation(path, reason, Severity.WARNING))

    def require(self, path: str, fault: str) -> None:
        """An error if ``fault`` (what a rule says of a value; empty if nothing) is not empty."""
        if fault:
            self.error(path, fault)


def indexed(path: str, items: Iterable[_ItemT]) -> Iterator[tuple[str, _ItemT]]:
    """The items of the array at ``path``, each with its own path."""
    for index, item in enumerate(items):
        yield f"{path}[{index}]", item


def keyed(path: str, items: Mapping[str, _ItemT]) -> Iterator[tuple[str, str, _ItemT]]:
    """The entries of the map at ``path``, each with its own path, in the order of their keys."""
    for key in sorted(items):
        yield f"{path}[{key}]", key, items[key]


def count_set(*values: object) -> int:
    """How many of the values are given: neither None, nor empty."""
    return sum(value is not None and value not in ("", ()) for value in values)
