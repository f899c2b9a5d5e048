"""What a client holds of one type, in little memory.

A thousand streams of one View hold the same thousand resources, and accept the same responses one after the other. So
what a stream holds is a ledger that nobody alters: a shared base, and the few changes since. Ledgers of equal
content are one object, however the streams came to it; when many changes have gathered, they become a new base.
"""

import weakref
from collections.abc import Hashable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from xds.resource import Resource
from xds.view import Catalogue

# So many changes are kept apart from the base at least and at the most, else a fourth of the base: they are copied for
# every response that is accepted, and the base when they are folded into it.
_FEWEST_APART: Final = 32
_MOST_APART: Final = 1024
_FRACTION_APART: Final = 4
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
_NO_CHANGES: Final[dict[str, Resource | None]] = {}


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


class Ledger:
    """Resources by name, never altered: a shared base and changes in which None marks what is not held any more.

    Ledgers of equal content compare and hash equal.
    """

    __slots__ = ("__weakref__", "_base", "_changes", "_digest")

    def __init__(self, base: Holding = _NOTHING, changes: dict[str, Resource | None] = _NO_CHANGES) -> None:
        self._base = base
        self._changes = changes
        self._digest: int | None = None

    def get(self, name: str) -> Resource | None:
        """The resource that the client holds under ``name``."""
        if name in self._changes:
            return self._changes[name]
        return self._base.get(name)

    @property
    def is_empty(self) -> bool:
        """The client holds nothing (or nothing is known of it)."""
        return not self._base and not self._changes

    def is_covered(self, holding: Holding) -> bool:
        """Whether there is something else under every name, so that nothing stays when the client takes that over."""
        names = holding.keys()
        return self._base.keys() <= names and self._changes.keys() <= names

    def names(self) -> Iterator[str]:
        """The names of all resources that the client holds."""
        yield from (name for name in self._base if name not in self._changes)
        yield from (name for name, resource in self._changes.items() if resource is not None)

    def content(self) -> Holding:
        """Everything the client holds."""
        return self._base.altered(self._changes) if self._changes else self._base

    @property
    def digest(self) -> int:
        """That of the content."""
        if self._digest is None:
            base, digest = self._base, self._base.digest
            for name, resource in self._changes.items():
                digest += _digest_of(resource) - _digest_of(base.get(name))
            self._digest = digest & _DIGEST
        return self._digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ledger):
            return NotImplemented
        if self._base is other._base:
            return self._changes == other._changes
        return self.digest == other.digest and self.content() == other.content()

    def altered(self, changes: Mapping[str, Resource | None], pools: "Pools") -> "Ledger":
        """With these in place of what has their names (None: without it)."""
        base, gathered, digest = self._base, dict(self._changes), self.digest
        for name, resource in changes.items():
            before = gathered[name] if name in gathered else base.get(name)
            digest += _digest_of(resource) - _digest_of(before)
            # What is as in the base is no change, so that equal content on one base is written in one way.
            if resource == base.get(name):
                gathered.pop(name, None)
            else:
                gathered[name] = resource
        made = Ledger(base, gathered)
        made._digest = digest & _DIGEST
        if len(gathered) > max(_FEWEST_APART, min(_MOST_APART, len(base) // _FRACTION_APART)):
            return pools.ledger(base.altered(gathered))
        return pools.ledgers.shared(made)


def _digest_of(resource: Resource | None) -> int:
    return 0 if resource is None else resource.digest


NOTHING_HELD: Final = Ledger()
"""What a new client holds."""


class Pools:
    """The pools that all streams of one server share."""

    def __init__(self) -> None:
        self.holdings: Pool[Holding] = Pool()
        self.ledgers: Pool[Ledger] = Pool()
        self.names: Pool[frozenset[str]] = Pool()

    def ledger(self, holding: Holding) -> Ledger:
        """The ledger of exactly these."""
        return self.ledgers.shared(Ledger(self.holdings.shared(holding)))
