"""What one stream wants of one type: names, or everything, and the transitions between the two.

The rules are those of the xDS protocol text, "How the client specifies what resources to return".
State-of-the-world requests replace the subscription, delta requests edit it.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

WILDCARD: Final = "*"
_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscription:
    """The names that were asked for, and whether everything else is wanted as well.

    ``legacy`` is True while an empty list of names still means "everything": on types that allow it, and
    only until a request of the stream names something for the first time.
    """

    names: frozenset[str] = _NOTHING
    wildcard: bool = False
    legacy: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing is wanted: no change of any resource concerns the stream."""
        return not (self.wildcard or self.names)

    def covers(self, name: str) -> bool:
        """True if this resource is wanted."""
        return self.wildcard or name in self.names

    def covers_any(self, names: AbstractSet[str]) -> bool:
        """True if one of these is wanted."""
        return self.wildcard or not self.names.isdisjoint(names)

    def replaced(self, names: Collection[str]) -> "Subscription":
        """After a state-of-the-world request, which always lists all names."""
        if not names:
            # xDS protocol: an empty list unsubscribes from everything once something has been named.
            return replace(self, names=_NOTHING, wildcard=self.legacy)
        listed = frozenset(names)
        if WILDCARD in listed:
            return Subscription(listed - {WILDCARD}, wildcard=True)
        return Subscription(listed)

    def opened(self, subscribe: Collection[str], unsubscribe: Collection[str]) -> "Subscription":
        """After the first delta request of a stream: an empty one asks for everything where that is allowed."""
        if not subscribe and not unsubscribe:
            return replace(self, wildcard=self.legacy)
        return self.edited(subscribe, unsubscribe)

    def edited(self, subscribe: Collection[str], unsubscribe: Collection[str]) -> "Subscription":
        """After a delta request. Unlike in state-of-the-world, naming a resource does not end a legacy wildcard."""
        if not subscribe and not unsubscribe:
            return self
        names = self.names.union(subscribe)
        wildcard = (self.wildcard or WILDCARD in names) and WILDCARD not in unsubscribe
        if unsubscribe or WILDCARD in names:
            names = names.difference(unsubscribe, (WILDCARD,))
        return Subscription(names, wildcard, self.legacy and not subscribe)
