"""Which object of which file is in force: knows no files, only what was read from them."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from fairlead.finding import DUPLICATE_OBJECT, Finding, Place
from fairlead.sources.document import ParsedFile, PlacedObject
from fairlead.sources.yaml_reader import Excerpt
from translator.diagnostics import Severity
from translator.objects.meta import MeshObject
from translator.objects.registry import ObjectKey
from translator.store import Write
from translator.wide import WideDict


class _Claim(NamedTuple):
    """A file's version of an object. ``doomed`` (seconds) is since when the file does not hold it any more."""

    object: MeshObject
    place: Place
    excerpt: Excerpt | None = None
    doomed: float | None = None

    @property
    def rank(self) -> tuple[bool, str]:
        """The smallest is in force: the first file by name, one that is about to vanish last."""
        return self.doomed is not None, self.place.file


class Catalog:
    """The objects of all files.

    Of an object that several files hold, the first file by name is in force. A document that became unfit for use
    leaves the last good version in force. An object that is gone is *doomed* at first and removed by ``expire``
    only, so that a file that is being rewritten or renamed takes nothing away in between.
    """

    def __init__(self) -> None:
        # Of each object the claims of all files, the one that is in force first: mostly there is only one.
        self._claims: WideDict[ObjectKey, tuple[_Claim, ...]] = WideDict()
        self._files: dict[str, set[ObjectKey]] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._doomed: dict[tuple[str, ObjectKey], float] = {}
        self._contested: set[ObjectKey] = set()
        self._in_force: WideDict[ObjectKey, MeshObject] = WideDict()
        # In the order in which they were, some of them more than once.
        self._touched: list[ObjectKey] = []
        self._findings_changed = False

    def __len__(self) -> int:
        """How many objects are in force."""
        return len(self._in_force)

    @property
    def next_expiry(self) -> float | None:
        """When the oldest doomed object became so."""
        return min(self._doomed.values(), default=None)

    def replace(self, file: str, parsed: ParsedFile, now: float) -> Iterator[None]:
        """A file was read, for the first time or again.

        Yields for each object, so that the caller can take turns; done when the iteration ends.
        """
        found: dict[ObjectKey, PlacedObject] = {}
        twice: list[Finding] = []
        for placed in parsed.objects:
            first = found.setdefault(placed.key, placed)
            if first is not placed:
                twice.append(_duplicate(placed.key, placed.place, first.place))
            yield
        for key in tuple(self._files.get(file, ())):
            if key in found:
                continue
            if parsed.is_complete and key not in parsed.broken:
                self._doom(file, key, now)
            else:
                self._revive(file, key)
            yield
        for key, placed in found.items():
            self._claim(file, key, _Claim(placed.object, placed.place, placed.excerpt))
            yield
        self._note_findings(file, (*parsed.findings, *twice))

    def remove(self, file: str, now: float) -> Iterator[None]:
        """A file is gone. Yields like ``replace``."""
        for key in tuple(self._files.get(file, ())):
            self._doom(file, key, now)
            yield
        self._note_findings(file, ())

    def expire(self, before: float) -> Iterator[None]:
        """Remove what was doomed at ``before`` or earlier. Yields like ``replace``."""
        for (file, key), since in tuple(self._doomed.items()):
            if since <= before:
                self._drop(file, key)
            yield

    def spare(self, now: float) -> None:
        """Count the time of everything doomed from now on again: the files cannot be looked at."""
        for doomed in self._doomed:
            self._doomed[doomed] = now

    def take_writes(self) -> Iterator[Write]:
        """What is in force now and was not before, or the other way round, each told once."""
        touched, self._touched = self._touched, []
        for key in touched:
            claim = self._winner(key)
            current = claim.object if claim else None
            if current != self._in_force.get(key):
                if current is None:
                    del self._in_force[key]
                else:
                    self._in_force[key] = current
                yield Write(key, current)

    def place_of(self, key: ObjectKey, path: str = "") -> Place | None:
        """Where the version of an object that is in force stands, or a field of it."""
        claim = self._winner(key)
        if claim is None or claim.excerpt is None:
            return claim.place if claim else None
        return msgspec.structs.replace(claim.place, line=claim.excerpt.line_of(path))

    def take_findings(self) -> tuple[Finding, ...] | None:
        """Everything that is wrong with the files now; None if that has not changed since the last call."""
        if not self._findings_changed:
            return None
        self._findings_changed = False
        return tuple(self._iter_findings())

    def _iter_findings(self) -> Iterator[Finding]:
        for findings in self._findings.values():
            yield from findings
        for key in self._contested:
            first, *others = self._claims[key]
            yield from (_duplicate(key, other.place, first.place) for other in others if other.doomed is None)

    def _winner(self, key: ObjectKey) -> _Claim | None:
        claims = self._claims.get(key)
        return claims[0] if claims else None

    def _of_others(self, file: str, key: ObjectKey) -> tuple[_Claim, ...]:
        return tuple(claim for claim in self._claims.get(key) or () if claim.place.file != file)

    def _put(self, file: str, key: ObjectKey, claim: _Claim) -> None:
        """Have a file make this claim, in place of the one that it made before."""
        others = self._of_others(file, key)
        self._claims[key] = tuple(sorted((*others, claim), key=lambda each: each.rank)) if others else (claim,)

    def _mark(self, file: str, key: ObjectKey, doomed: float | None) -> None:
        claim = next(claim for claim in self._claims[key] if claim.place.file == file)
        self._put(file, key, claim._replace(doomed=doomed))

    def _claim(self, file: str, key: ObjectKey, claim: _Claim) -> None:
        self._put(file, key, claim)
        self._files.setdefault(file, set()).add(key)
        self._doomed.pop((file, key), None)
        self._touch(key)

    def _doom(self, file: str, key: ObjectKey, now: float) -> None:
        if (file, key) not in self._doomed:
            self._doomed[file, key] = now
            self._mark(file, key, now)
            self._touch(key)

    def _revive(self, file: str, key: ObjectKey) -> None:
        if self._doomed.pop((file, key), None) is not None:
            self._mark(file, key, None)
            self._touch(key)

    def _drop(self, file: str, key: ObjectKey) -> None:
        del self._doomed[file, key]
        others = self._of_others(file, key)
        if others:
            self._claims[key] = others
        else:
            del self._claims[key]
        keys = self._files[file]
        keys.discard(key)
        if not keys:
            del self._files[file]
        self._touch(key)

    def _touch(self, key: ObjectKey) -> None:
        self._touched.append(key)
        if len(self._claims.get(key) or ()) > 1:
            self._contested.add(key)
            self._findings_changed = True
        elif key in self._contested:
            self._contested.discard(key)
            self._findings_changed = True

    def _note_findings(self, file: str, findings: tuple[Finding, ...]) -> None:
        if findings == self._findings.get(file, ()):
            return
        self._findings_changed = True
        if findings:
            self._findings[file] = findings
        else:
            del self._findings[file]


def _duplicate(key: ObjectKey, place: Place, first: Place) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        code=DUPLICATE_OBJECT,
        subject=str(key),
        message=f"has no effect: {first} holds the same object and comes first",
        place=place,
        key=key,
    )
