"""What goes first when more is to be sent than the event loop takes at once."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import IntEnum

from xds.types import ENDPOINT, TypeUrl


class Urgency(IntEnum):
    """How much a client is missed by what it has not been told yet; the lesser number goes first."""

    LOSS = 0
    """It sends requests to endpoints that are gone: they fail until it knows."""
    ENDPOINTS = 1
    """It leaves endpoints out that could take some of the load."""
    REST = 2
    """It does as it did before."""


def parts_by_urgency(
    change: Mapping[TypeUrl, AbstractSet[str]], losses: AbstractSet[str]
) -> Iterator[tuple[Urgency, dict[TypeUrl, frozenset[str]]]]:
    """A change in the parts that clients are to be told of one after the other.

    ``losses`` are the names of those of its endpoint assignments that have lost endpoints.
    """
    lost = frozenset(losses) & change.get(ENDPOINT, frozenset())
    if lost:
        yield Urgency.LOSS, {ENDPOINT: lost}
    rest = {type_url: frozenset(names) for type_url, names in change.items() if type_url != ENDPOINT or not lost}
    gained = frozenset(change[ENDPOINT]) - lost if lost else frozenset()
    if gained:
        rest[ENDPOINT] = gained
    if rest:
        yield Urgency.ENDPOINTS if ENDPOINT in rest else Urgency.REST, rest
