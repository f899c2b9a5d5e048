"""What queries ask for by name, of what is too much or too delicate to be read as a whole, or is known elsewhere.

Who fetches such things one by one (Secrets from an API server, addresses from DNS) follows this set; others need not
look at it.
"""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from translator.objects.registry import Kind

ON_DEMAND: Final = frozenset({Kind.SECRET, Kind.CONFIG_MAP})

KeyT = TypeVar("KeyT", bound=Hashable)


class Demand(Generic[KeyT]):
    """The keys that some query has read, there or not. ``grown`` is called when there is one more."""

    def __init__(self) -> None:
        self.keys: set[KeyT] = set()
        self.grown: Callable[[], None] = _nobody

    def note(self, key: KeyT) -> None:
        """A query reads what is behind a key."""
        if key not in self.keys:
            self.keys.add(key)
            self.grown()

    def prune(self, is_read: Callable[[KeyT], bool]) -> None:
        """Forget what no result depends on any more."""
        self.keys = {key for key in self.keys if is_read(key)}


def _nobody() -> None:
    """Nobody wants to know."""
