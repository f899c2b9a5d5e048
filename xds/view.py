"""What the server needs from whoever produces resources: a View per class of proxies, and who gets which.

A View is read on the event loop only. Its owner changes it between two reads and announces the change with
``XdsServer.publish`` before it gives up the loop; streams pick up the newest state when they are ready for it.
"""

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from xds.resource import Resource
from xds.types import TypeUrl

# Names that were added, altered or removed, by type: all that a push has to look at.
ViewChange = Mapping[TypeUrl, AbstractSet[str]]


class Catalogue(dict[str, Resource]):
    """All resources of a type that a View has, with the sum of their digests, which its owner keeps right.

    By that a response with all of them has a name without a look at each: there may be tens of thousands.
    """

    __slots__ = ("digest",)

    def __init__(self) -> None:
        super().__init__()
        self.digest = 0


class View(Protocol):
    """The resources that one class of proxies sees; shared by all streams of that class."""

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        """All current resources of a type, by name; empty for a type that the View does not hold.

        Where there may be very many, a ``Catalogue``.
        """

    def fallback(self, type_url: TypeUrl, name: str) -> Resource | None:
        """What to answer for a name the View does not hold: None (it does not exist), or a stand-in.

        Envoy keeps warming until it is answered, so a mesh answers unknown endpoints and routes with empty
        resources; a plain cache answers None.
        """


def scope_of(view: View) -> Hashable:
    """What stays the same when a View is dropped and made anew for the same class of clients; None if nothing does.

    A View may tell it by an attribute ``key``.
    """
    return getattr(view, "key", None)
