"""What all streams that stand at the same point are sent next: selected once, for the first of them that asks.

A thousand streams of one View mostly differ in nothing: they asked for the same names, hold the same versions, and
the same names have changed. Whoever comes first compares; the others take over what it found.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from xds.ledger import Holding
from xds.resource import Resource
from xds.types import TypeUrl

_REMEMBERED: Final = 16


class Point(msgspec.Struct, frozen=True):
    """Everything that what a stream is sent of a type depends on, beside the View.

    ``before`` are the identities of what it holds under the names that are due.
    """

    type_url: TypeUrl
    names: frozenset[str]
    wildcard: bool
    owed: frozenset[str]
    dirty: frozenset[str]
    everything: bool
    reply: bool
    before: tuple[int, ...]


class Selection(msgspec.Struct, frozen=True):
    """What a response brings: ``resources`` in it, and ``changes`` compared with before (None: all of it is new).

    ``whole`` if that is very much, and all that the View has: the same by name.
    """

    resources: list[Resource]
    changes: Mapping[str, Resource | None] | None
    removed: tuple[str, ...] = ()
    whole: Holding | None = None


class Steps:
    """The selections that were made since a View changed, by the points that they were made at."""

    def __init__(self) -> None:
        # What was held before is kept, so that its identity stays its own.
        self._known: dict[Point, tuple[Selection, Sequence[Resource | None]]] = {}

    def find(self, point: Point) -> Selection | None:
        """What another stream at this point was sent; None if there was none."""
        known = self._known.get(point)
        return None if known is None else known[0]

    def keep(self, point: Point, selection: Selection, before: Sequence[Resource | None]) -> None:
        """A stream that held ``before`` at this point is sent this."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[point] = selection, before

    def forget(self) -> None:
        """The View has changed."""
        self._known.clear()
