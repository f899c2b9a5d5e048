"""What all streams that stand at the same point are sent next: selected once, for the first of them that asks.

A thousand streams of one View mostly differ in nothing: they asked for the same names, hold the same versions, and
the same names have changed. Whoever comes first compares; the others take over what it found.
"""

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from xds.ledger import Holding, Ledger
from xds.resource import Resource
from xds.types import TypeUrl

if TYPE_CHECKING:
    from xds.encoder import Response

_REMEMBERED: Final = 16


Point = tuple[TypeUrl, int, frozenset[str], bool, frozenset[str], frozenset[str], bool, bool]
"""Everything that what a stream is sent of a type depends on, beside the View.

The type; the identity of what the client holds; the names that it asked for, and whether it wants all others too; the
names that are due because it asked for them, and because they changed; whether all are due, and a response in any case.
"""


class Selection(msgspec.Struct, eq=False):
    """What a response brings: ``resources`` in it, and ``changes`` compared with before (None: all of it is new).

    ``whole`` if that is very much, and all that the View has: the same by name. ``response`` is the newest one that was
    made of it, for as long as somebody needs that.
    """

    resources: list[Resource]
    changes: Mapping[str, Resource | None] | None
    removed: tuple[str, ...] = ()
    whole: Holding | None = None
    response: "weakref.ref[Response] | None" = None


class Steps:
    """The selections that were made since a View changed, by the points that they were made at."""

    def __init__(self) -> None:
        # What was held is kept, so that its identity stays its own.
        self._known: dict[Point, tuple[Selection, Ledger]] = {}

    def find(self, point: Point) -> Selection | None:
        """What another stream at this point was sent; None if there was none."""
        known = self._known.get(point)
        return None if known is None else known[0]

    def keep(self, point: Point, selection: Selection, held: Ledger) -> None:
        """A stream whose client holds that is sent this at this point."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[point] = selection, held

    def forget(self) -> None:
        """The View has changed."""
        self._known.clear()
