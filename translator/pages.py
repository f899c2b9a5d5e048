"""A dict of which a copy can be kept at any moment, though it holds very many: only pages that change are copied."""

from collections.abc import Iterator
from itertools import chain
from typing import Final, Generic, TypeVar
from zlib import crc32

V = TypeVar("V")

# Of eighty thousand entries one page is copied in ten microseconds.
_PAGES: Final = 64


class Snapshot(Generic[V]):
    """What ``Pages`` held at one moment. Immutable, and equal to nothing but itself."""

    __slots__ = ("_pages",)

    def __init__(self, pages: tuple[dict[str, V], ...]) -> None:
        self._pages = pages

    def get(self, key: str) -> V | None:
        """The value of a key, or None."""
        return self._pages[crc32(key.encode()) % _PAGES].get(key)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pages)


class Pages(Generic[V]):
    """A dict by strings, in pages. No value is None."""

    __slots__ = ("_pages", "_shared", "_snapshot")

    def __init__(self) -> None:
        self._pages: list[dict[str, V]] = [{} for _ in range(_PAGES)]
        # The pages that a snapshot has as well.
        self._shared: set[int] = set()
        self._snapshot: Snapshot[V] | None = None

    def get(self, key: str) -> V | None:
        """The value of a key, or None."""
        return self._pages[crc32(key.encode()) % _PAGES].get(key)

    def put(self, key: str, value: V) -> None:
        """Set the value of a key."""
        self._own_page(key)[key] = value

    def drop(self, key: str) -> None:
        """Forget a key that is there."""
        del self._own_page(key)[key]

    def snapshot(self) -> Snapshot[V]:
        """What there is now; the same object until something is different."""
        if self._snapshot is None:
            self._shared = set(range(_PAGES))
            self._snapshot = Snapshot(tuple(self._pages))
        return self._snapshot

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pages)

    def _own_page(self, key: str) -> dict[str, V]:
        number = crc32(key.encode()) % _PAGES
        self._snapshot = None
        if number in self._shared:
            self._shared.discard(number)
            self._pages[number] = self._pages[number].copy()
        return self._pages[number]


class Members(Pages[tuple[str, ...]]):
    """Several members under each key, in the order in which they came."""

    __slots__ = ()

    def enlist(self, key: str, member: str) -> tuple[str, ...]:
        """Add one to the members of a key; returns those before."""
        page = self._own_page(key)
        before = page.get(key, ())
        page[key] = (*before, member)
        return before

    def strike(self, key: str, member: str) -> tuple[str, ...]:
        """Undo ``enlist``; returns those that are left."""
        page = self._own_page(key)
        rest = tuple(each for each in page.pop(key) if each != member)
        if rest:
            page[key] = rest
        return rest
