"""Dicts of very many: a plain one is copied whole when it has grown, in one step that holds up everything else.

With ninety thousand entries that takes six milliseconds, most of it for memory that is used for the first time.
"""

from collections.abc import Hashable, Iterator, MutableMapping
from itertools import chain
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MANY: Final = 40_000
"""A dict of so many takes two milliseconds to grow."""


class WideDict(MutableMapping[K, V]):
    """A dict in parts of at most ``MANY``; ``first`` becomes one of them. A new key goes where there is room."""

    __slots__ = ("_first", "_further")

    def __init__(self, first: dict[K, V] | None = None) -> None:
        self._first: dict[K, V] = {} if first is None else first
        self._further: tuple[dict[K, V], ...] = ()

    def get(self, key: K) -> V | None:  # type: ignore[override]  # what is not there is None: values are not
        """The value of a key, or None."""
        found = self._first.get(key)
        if found is None:
            for part in self._further:
                found = part.get(key)
                if found is not None:
                    return found
        return found

    def __getitem__(self, key: K) -> V:
        return (self._part_of(key) or self._first)[key]

    def __setitem__(self, key: K, value: V) -> None:
        part = self._part_of(key)
        if part is None:
            self.add(key, value)
        else:
            part[key] = value

    def add(self, key: K, value: V) -> None:
        """Set the value of a key that is not there yet: nothing is looked for."""
        first = self._first
        (first if len(first) < MANY else self._part_with_room())[key] = value

    def __delitem__(self, key: K) -> None:
        del (self._part_of(key) or self._first)[key]

    def __iter__(self) -> Iterator[K]:
        return chain(self._first, *self._further)

    def __contains__(self, key: object) -> bool:
        return self._part_of(key) is not None

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, self._further))

    def _part_of(self, key: object) -> dict[K, V] | None:
        if key in self._first:
            return self._first
        return next((part for part in self._further if key in part), None)

    def _part_with_room(self) -> dict[K, V]:
        for part in (self._first, *self._further):
            if len(part) < MANY:
                return part
        added: dict[K, V] = {}
        self._further += (added,)
        return added
