"""What a client holds of one type, in little memory.

A thousand streams of one View hold the same thousand resources. Each stream's ledger is therefore a
shared base that nobody alters plus a small overlay of its own; when the overlay has grown, both are
folded into a new base, and bases with equal content are one object again.
"""

import weakref
from collections.abc import Hashable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from xds.resource import Resource
from xds.view import Catalogue

_FOLD_AT_LEAST: Final = 32
_FOLD_FRACTION: Final = 4
# Digests are of 64 bits.
_DIGEST: Final = (1 << 64) - 1

Shared = TypeVar("Shared", bound=Hashable)


class Holding(dict[str, Resource]):
    """Resources by name that are never altered once they are shared; equal content compares and hashes equal."""

    __slots__ = ("__weakref__", "_digest")

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Holding":
        """All that a View has of a type at the moment. Not a line of Python runs for each of them."""
        made = cls(catalogue)
        made._digest = catalogue.digest & _DIGEST
        return made

    @property
    def digest(self) -> int:
        """A hash of the content, the same in every process."""
        try:
            return self._digest
        except AttributeError:
            self._digest: int = sum(resource.digest for resource in self.values()) & _DIGEST
            return self._digest

    def __hash__(self) -> int:  # type: ignore[override]  # never altered after it was first hashed
        return hash(self.digest)

    def altered(self, changes: Mapping[str, Resource | None]) -> "Holding":
        """A copy with these in place of what has their names (None: without it)."""
        made, digest = Holding(self), self.digest
        for name, resource in changes.items():
            before = made.pop(name, None) if resource is None else made.get(name)
            if before is not None:
                digest -= before.digest
            if resource is not None:
                made[name] = resource
                digest += resource.digest
        made._digest = digest & _DIGEST
        return made


# What ledgers have to begin with; nobody adds to these.
_NOTHING: Final = Holding()
_NO_OVERLAY: Final[dict[str, Resource | None]] = {}


class Pool(Generic[Shared]):
    """Gives back the one living object that equals what it is given; keeps nothing alive."""

    def __init__(self) -> None:
        self._known: dict[weakref.ref[Shared], weakref.ref[Shared]] = {}

    def shared(self, candidate: Shared) -> Shared:
        """``candidate``, or the object equal to it that somebody already uses."""
        reference = weakref.ref(candidate, self._forget)
        known = self._known.setdefault(reference, reference)()
        return candidate if known is None else known

    def _forget(self, reference: weakref.ref[Shared]) -> None:
        self._known.pop(reference, None)

    def __len__(self) -> int:
        return len(self._known)


class Pools:
    """The pools that all streams of one server share."""

    def __init__(self) -> None:
        self.holdings: Pool[Holding] = Pool()
        self.names: Pool[frozenset[str]] = Pool()


class Ledger:
    """Resources by name: a shared base and an overlay in which None marks what the client no longer holds."""

    __slots__ = ("_base", "_overlay", "_pool")

    def __init__(self, pool: Pool[Holding]) -> None:
        self._base = _NOTHING
        self._overlay: dict[str, Resource | None] = _NO_OVERLAY
        self._pool = pool

    def get(self, name: str) -> Resource | None:
        """The resource that the client holds under ``name``."""
        if name in self._overlay:
            return self._overlay[name]
        return self._base.get(name)

    @property
    def is_empty(self) -> bool:
        """The client holds nothing (or nothing is known of it)."""
        return not self._base and not self._overlay

    def names(self) -> Iterator[str]:
        """The names of all resources that the client holds."""
        yield from (name for name in self._base if name not in self._overlay)
        yield from (name for name, resource in self._overlay.items() if resource is not None)

    def replace(self, holding: Holding) -> None:
        """The client holds exactly these from now on."""
        self._base = holding
        self._overlay = _NO_OVERLAY

    def merge(self, holding: Holding) -> None:
        """The client holds these as well."""
        if not self._base and not self._overlay:
            self._base = holding
            return
        self._overlay = self._overlay or {}
        self._overlay.update(holding)
        self._fold()

    def drop(self, name: str) -> None:
        """The client holds nothing under ``name`` any more."""
        if name in self._base:
            self._overlay = self._overlay or {}
            self._overlay[name] = None
            self._fold()
        else:
            self._overlay.pop(name, None)

    def content(self) -> Mapping[str, Resource]:
        """Everything the client holds."""
        return self._base.altered(self._overlay) if self._overlay else self._base

    def _fold(self) -> None:
        size = len(self._overlay)
        if size > _FOLD_AT_LEAST and size * _FOLD_FRACTION > len(self._base):
            self.replace(self._pool.shared(self._base.altered(self._overlay)))
