"""Which endpoints of an assignment another one takes away: requests fail until whoever sends to them knows."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from translator.endpoints.assignment import Assignment
from translator.model.endpoint import Endpoint, Health
from xds.resource import Resource

# What gets requests: an endpoint that drains only those of its sessions, all others that are not listed none.
_SHARES: Final = {Health.HEALTHY: 2, Health.UNKNOWN: 2, Health.DRAINING: 1}


class Loss(NamedTuple):
    """``any``: some endpoint gets less than before. ``all``: none gets as much."""

    any: bool
    all: bool


NO_LOSS: Final = Loss(any=False, all=False)


def find_loss(before: Resource | None, after: Resource | None) -> Loss:
    """What an assignment loses; None where there is none."""
    if not isinstance(before, Assignment):
        return NO_LOSS
    if not isinstance(after, Assignment):
        return Loss(any=True, all=True)
    # As a rule nearly all are the very same.
    now = set(map(id, after.endpoints))
    kept, gone = 0, []
    for each in before.endpoints:
        if id(each) not in now:
            gone.append(each)
        elif each.health in _SHARES:
            kept += 1
    if not gone:
        return NO_LOSS
    then = set(map(id, before.endpoints))
    left = _shares(each for each in after.endpoints if id(each) not in then)
    shares = _shares(gone)
    lost = sum(left.get(place, 0) < share for place, share in shares.items())
    return Loss(any=lost > 0, all=lost > 0 and not kept and lost == len(shares))


def _shares(endpoints: Iterable[Endpoint]) -> dict[tuple[str, int], int]:
    return {(each.address, each.port): _SHARES[each.health] for each in endpoints if each.health in _SHARES}
