"""Resources that a client rejected: held back from it until their content changes.

A NACK rejects a whole response and tells the reason in free text. Usually the text names the resource;
if it does not, the response's resources are tried again in halves until the bad ones stand alone.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xds.resource import Resource

# Every trial is a round trip; a client that rejects everything for a reason of its own must not cost more than this.
_MOST_TRIALS: Final = 64
_MOST_REJECTIONS: Final = 1024


@dataclass(frozen=True, slots=True)
class Rejection:
    """A version of a resource that one client refused, and what it said."""

    name: str
    version: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a client said when it refused a response; ``is_explained`` when that held something known to be bad."""

    reason: str
    at: float
    is_explained: bool = False


class Quarantine:
    """The rejected resources of one stream and type, and those still suspected."""

    __slots__ = ("_rejections", "_suspects", "_trials")

    def __init__(self) -> None:
        self._rejections: dict[tuple[str, str], Rejection] = {}
        self._suspects: list[dict[str, str]] = []
        self._trials = 0

    @property
    def is_empty(self) -> bool:
        """Nothing is held back."""
        return not (self._rejections or self._suspects)

    def rejections(self) -> tuple[Rejection, ...]:
        """Everything the client refused, oldest first; kept after newer versions were accepted, see ``holds_back``."""
        return tuple(self._rejections.values())

    def names(self) -> set[str]:
        """The names of which some version is held back."""
        held_back = {name for name, _ in self._rejections}
        return held_back.union(*self._suspects)

    def holds_back(self, resource: Resource) -> bool:
        """True if these bytes must not be sent (again) for now."""
        if not self._rejections and not self._suspects:
            return False
        if self.is_rejected(resource):
            return True
        return any(group.get(resource.name) == resource.version for group in self._suspects)

    def is_rejected(self, resource: Resource) -> bool:
        """True if the client refused exactly this."""
        return (resource.name, resource.version) in self._rejections

    def reject(self, candidates: Mapping[str, str], complaint: Complaint) -> Collection[str]:
        """A response was refused that brought ``candidates`` (name -> version); returns the names to try again now."""
        self._suspects = [
            {name: version for name, version in group.items() if candidates.get(name) != version}
            for group in self._suspects
        ]
        guilty = named_in(complaint.reason, candidates)
        if not guilty and complaint.is_explained:
            return candidates.keys()
        if not guilty and (len(candidates) == 1 or self._trials >= _MOST_TRIALS):
            guilty = set(candidates)
        if guilty:
            for name in guilty:
                self._record(Rejection(name, candidates[name], complaint.reason, complaint.at))
            return candidates.keys() - guilty
        self._trials += 1
        names = list(candidates)
        half = len(names) // 2
        self._suspects.append({name: candidates[name] for name in names[half:]})
        return names[:half]

    def next_trial(self) -> Collection[str]:
        """The previous trial is over: names of the next group of suspects, which is no longer held back."""
        while self._suspects:
            if group := self._suspects.pop():
                return group.keys()
        self._trials = 0
        return ()

    def _record(self, rejection: Rejection) -> None:
        self._rejections[rejection.name, rejection.version] = rejection
        while len(self._rejections) > _MOST_REJECTIONS:
            self._rejections.pop(next(iter(self._rejections)))


def named_in(text: str, names: Iterable[str]) -> set[str]:
    """Those of ``names`` that ``text`` blames: whole names, not parts of longer ones or words of the sentence."""
    return {name for name in names if name and name in text and _is_blamed(name, text)}


def _is_blamed(name: str, text: str) -> bool:
    quoted = re.escape(name)
    if name.isalpha():
        # "route" or "a" may be plain English; Envoy and gRPC write names in quotes or before a colon.
        return re.search(rf"""(?:^|[\s(,]){quoted}:|(['"`]){quoted}\1""", text) is not None
    return re.search(rf"(?<![\w.|-]){quoted}(?![\w|-]|\.\w)", text) is not None
