"""What an Envoy counts when its listeners change."""

from dataclasses import astuple, dataclass
from typing import Self

from fairlead.mesh.envoy import EnvoyProcess

_COUNTERS = "added|modified|removed|in_place_updated"
_GAUGES = "listeners|filter_chains"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerUpdates:
    """How many listeners were added, replaced as a whole, changed in some of their chains alone, and removed.

    Connections of a listener that drains, or of a chain that does, will be closed; those of others are left alone.
    """

    added: int = 0
    replaced: int = 0
    in_place: int = 0
    removed: int = 0
    draining: int = 0
    draining_chains: int = 0
    rejected: int = 0

    def __sub__(self, before: Self) -> "ListenerUpdates":
        """What has happened since."""
        fields = (now - then for now, then in zip(astuple(self), astuple(before), strict=True))
        return ListenerUpdates(**dict(zip(self.__slots__, fields, strict=True)))


async def listener_updates(proxy: EnvoyProcess) -> ListenerUpdates:
    """The counts of an Envoy since it was started."""
    pattern = rf"^listener_manager\.(listener_({_COUNTERS})|total_({_GAUGES})_draining|lds\.update_rejected)$"
    stats = await proxy.admin.stats(pattern)
    found = {name.removeprefix("listener_manager."): value for name, value in stats.items()}
    in_place = found["listener_in_place_updated"]
    return ListenerUpdates(
        added=found["listener_added"],
        # Envoy counts what it changes in place among the modified, too.
        replaced=found["listener_modified"] - in_place,
        in_place=in_place,
        removed=found["listener_removed"],
        draining=found["total_listeners_draining"],
        draining_chains=found["total_filter_chains_draining"],
        rejected=found["lds.update_rejected"],
    )
