"""What to give a client that connects when the newest version of a resource has been refused by everybody.

A client that refuses a resource keeps the version it has; one that connects afterwards has none to keep and
is given the last version that some client accepted. Only refusals are recorded, so that nothing is kept and
nothing looked up while all is well.
"""

from collections.abc import Hashable
from typing import Final, NamedTuple

from xds.resource import Resource
from xds.types import TypeUrl

_MOST_REMEMBERED: Final = 1024


class _Case(NamedTuple):
    """A version of a resource, within one class of clients."""

    scope: Hashable
    type_url: TypeUrl
    name: str
    version: str


class LastGood:
    """Refused versions that nobody has accepted, each with the version to be given instead.

    ``scope`` keeps classes of clients apart: what one class was served is never given to another.
    """

    def __init__(self) -> None:
        self._cases: dict[_Case, Resource] = {}

    @property
    def is_empty(self) -> bool:
        """Nothing is refused by everybody."""
        return not self._cases

    def condemn(self, scope: Hashable, refused: Resource, last_good: Resource) -> None:
        """Everybody who got this refused it; give the other until somebody accepts it."""
        self._cases[_case(scope, refused)] = last_good
        while len(self._cases) > _MOST_REMEMBERED:
            self._cases.pop(next(iter(self._cases)))

    def acquit(self, scope: Hashable, accepted: Resource) -> bool:
        """Somebody accepted this; True if it was condemned."""
        return self._cases.pop(_case(scope, accepted), None) is not None

    def stand_in(self, scope: Hashable, resource: Resource) -> Resource | None:
        """What to give a new client instead of this; None if there is nothing against it."""
        return self._cases.get(_case(scope, resource)) if self._cases else None


def _case(scope: Hashable, resource: Resource) -> _Case:
    return _Case(scope, resource.type_url, resource.name, resource.version)
