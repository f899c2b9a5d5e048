"""What a proxy has of one type. Proxies with the same past share one object, so a thousand of them cost little."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from weakref import WeakValueDictionary

from fairlead.bench.content import Content, Names, Part
from xds.types import TypeUrl

_Past = tuple[int, tuple[str, ...], bool]
_NO_NAMES: Final[Names] = frozenset()


class Holding:
    """Resources by name; immutable. ``take`` gives the next one."""

    __slots__ = ("__weakref__", "_after", "_covered", "_wanted", "hosts", "parts")

    def __init__(self, parts: Mapping[str, Part] = MappingProxyType({})) -> None:
        self.parts = parts
        self.hosts: Names = _NO_NAMES.union(*{part.hosts for part in parts.values()})
        self._wanted: dict[TypeUrl, Names] = {}
        self._covered: tuple[Names, bool] = (_NO_NAMES, True)
        self._after: WeakValueDictionary[_Past, Holding] = WeakValueDictionary()

    def take(self, content: Content, removed: tuple[str, ...], *, full: bool) -> "Holding":
        """What a proxy has after a response; ``full``: what it does not hold is gone."""
        past = (content.serial, removed, full)
        after = self._after.get(past)
        if after is None:
            if full or not self.parts:
                parts = content.parts
            else:
                parts = {**self.parts, **content.parts}
                for name in removed:
                    parts.pop(name, None)
            after = self._after[past] = Holding(parts)
        return after

    def wanted(self, type_url: TypeUrl) -> Names:
        """The names of another type that these resources refer to."""
        names = self._wanted.get(type_url)
        if names is None:
            found = (part.references.get(type_url, _NO_NAMES) for part in self.parts.values())
            names = self._wanted[type_url] = _NO_NAMES.union(*found)
        return names

    def covers(self, names: Names) -> bool:
        """Whether there are resources of all these names. Proxies with the same past want the same ones."""
        known, covered = self._covered
        if known is not names and known != names:
            covered = names <= self.parts.keys()
            self._covered = names, covered
        return covered


NOTHING: Final = Holding()
