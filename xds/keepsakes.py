"""What was made for one client and is kept for a while for those that come after it.

After a restart a thousand clients come within seconds, one after the other, and most of them want what another one was
just given. By then nobody may wait for that any more, and it would be made again for each of them.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Keepsakes(Generic[Key, Value]):
    """Keeps what was used since the last ``age`` but one.

    Something is taken in only while it ``is_open``, and only as long as all of it has no more than ``capacity`` bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.is_open = False
        self._capacity = capacity
        self._size = 0
        # By key with their sizes: what was used since the last ``age``, and what was used before that.
        self._used: dict[Key, tuple[Value, int]] = {}
        self._unused: dict[Key, tuple[Value, int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not (self._used or self._unused)

    def find(self, key: Key) -> Value | None:
        """What is kept under a key."""
        if key not in self._used and key in self._unused:
            self._used[key] = self._unused.pop(key)
        found = self._used.get(key)
        return None if found is None else found[0]

    def keep(self, key: Key, value: Value, size: int) -> None:
        """Keep this, or go on keeping it."""
        if not self.is_open or self.find(key) is value:
            return
        _, replaced = self._used.pop(key, (None, 0))
        self._size -= replaced
        if self._size + size <= self._capacity:
            self._used[key] = value, size
            self._size += size

    def age(self) -> None:
        """Let go of what was not used since the last time."""
        self._unused, self._used = self._used, {}
        self._size = sum(size for _, size in self._unused.values())
