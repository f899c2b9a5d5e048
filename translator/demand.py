"""What queries ask for by name, of kinds that are too many or too delicate to be read as a whole.

A source that fetches objects one by one (Secrets from an API server) follows this set; others need not look at it.
"""

from collections.abc import Callable
from typing import Final

from translator.objects.registry import Kind, ObjectKey

ON_DEMAND: Final = frozenset({Kind.SECRET, Kind.CONFIG_MAP})


class Demand:
    """The keys that some query has read, there or not. ``grown`` is called when there is one more."""

    def __init__(self) -> None:
        self.keys: set[ObjectKey] = set()
        self.grown: Callable[[], None] = _nobody

    def note(self, key: ObjectKey) -> None:
        """A query reads the object behind a key."""
        if key not in self.keys:
            self.keys.add(key)
            self.grown()

    def prune(self, is_read: Callable[[ObjectKey], bool]) -> None:
        """Forget what no result depends on any more."""
        self.keys = {key for key in self.keys if is_read(key)}


def _nobody() -> None:
    """Nobody wants to know."""
