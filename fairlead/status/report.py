"""What one replica knows of objects by its own proxies, put together with what others know: pure, without I/O.

A report holds the objects that concern proxies of its replica. It is written when something about an object changed,
not when proxies come and go: so its numbers are those of the last change.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from fairlead.status.condition import Facts, Refusal
from translator.objects.registry import Kind, ObjectKey

# Kubernetes: a ConfigMap holds at most a mebibyte. Some of it is for metadata, and for quoting JSON in JSON.
SIZE_LIMIT: Final = 600_000
_REFUSALS: Final = 5
_FAILURES: Final = 5
_LONGEST: Final = 300


class ObjectReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the proxies of one replica say of one version of an object. ``unnamed`` as in Facts."""

    kind: Kind
    namespace: str
    name: str
    generation: int
    reached: int = 0
    acknowledged: int = 0
    failures: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unnamed: int = 0

    @property
    def key(self) -> ObjectKey:
        """The object that it is about."""
        return ObjectKey(self.kind, self.namespace, self.name)

    @property
    def is_settled(self) -> bool:
        """Whether there is no more to say than numbers."""
        return self.acknowledged >= self.reached and not self.failures


def report_of(key: ObjectKey, facts: Facts) -> ObjectReport | None:
    """What others have to know of an object; None if it concerns no proxy here."""
    if not facts.reached and not facts.failures:
        return None
    named = tuple(
        msgspec.structs.replace(refusal, error=refusal.error[:_LONGEST]) for refusal in facts.refusals[:_REFUSALS]
    )
    refusing = {refusal.proxy for refusal in facts.refusals}
    return ObjectReport(
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        generation=facts.generation,
        reached=facts.reached,
        acknowledged=facts.acknowledged,
        failures=tuple(failure[:_LONGEST] for failure in facts.failures[:_FAILURES]),
        refusals=named,
        unnamed=facts.unnamed + len(refusing - {refusal.proxy for refusal in named}),
    )


def merge(facts: Facts, reports: Iterable[ObjectReport]) -> Facts:
    """The facts with those of other replicas.

    A replica that speaks of another version has not come to this one yet: its proxies count, but not as having it.
    """
    said = tuple(reports)
    current = [report for report in said if report.generation == facts.generation]
    return msgspec.structs.replace(
        facts,
        failures=tuple(sorted({*facts.failures, *(each for report in current for each in report.failures)})),
        refusals=tuple(sorted({*facts.refusals, *(each for report in current for each in report.refusals)})),
        unnamed=facts.unnamed + sum(report.unnamed for report in current),
        reached=facts.reached + sum(report.reached for report in said),
        acknowledged=facts.acknowledged + sum(report.acknowledged for report in current),
    )


class OwnReport:
    """What this replica has to say."""

    def __init__(self, limit: int = SIZE_LIMIT) -> None:
        self._limit = limit
        # The newest last, each with its encoded form.
        self._objects: dict[ObjectKey, tuple[ObjectReport, bytes]] = {}

    def put(self, key: ObjectKey, report: ObjectReport | None) -> bool:
        """Say this of an object from now on; returns whether that is news."""
        known = self._objects.get(key)
        if report is None:
            return self._objects.pop(key, None) is not None
        if known is not None and known[0] == report:
            return False
        self._objects.pop(key, None)
        self._objects[key] = (report, msgspec.json.encode(report))
        return True

    def clear(self) -> None:
        """Say nothing any more."""
        self._objects.clear()

    def content(self) -> str:
        """The report as it is written. What does not fit in is left out.

        What is refused or on its way comes first, then what changed last.
        """
        newest_first = list(reversed(self._objects.values()))
        ranked = sorted(newest_first, key=lambda each: each[0].is_settled)
        return f"[{b','.join(_fitting((encoded for _, encoded in ranked), self._limit)).decode()}]"


def _fitting(parts: Iterable[bytes], limit: int) -> Iterator[bytes]:
    for part in parts:
        limit -= len(part) + 1
        if limit < 0:
            return
        yield part


class _Peer(msgspec.Struct):
    seen_at: float
    objects: dict[ObjectKey, ObjectReport]
    is_expired: bool = False


class PeerReports:
    """What other replicas say. A report counts for ``lifetime`` seconds after it was *seen* to be renewed.

    As with a Lease, times of others are never compared with one's own clock.
    """

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._peers: dict[str, _Peer] = {}

    def __len__(self) -> int:
        """How many others are believed."""
        return sum(not peer.is_expired for peer in self._peers.values())

    def about(self, key: ObjectKey) -> list[ObjectReport]:
        """What others say of an object."""
        return [peer.objects[key] for peer in self._peers.values() if key in peer.objects]

    def take(self, name: str, content: str, now: float) -> set[ObjectKey]:
        """A report was written or renewed; returns the objects of which it says something else than before.

        Raises msgspec.DecodeError for one that cannot be read; what it said before counts until it is too old.
        """
        reports = msgspec.json.decode(content or "[]", type=tuple[ObjectReport, ...])
        objects = {report.key: report for report in reports}
        before = self._peers.get(name)
        self._peers[name] = _Peer(now, objects)
        return _differences(before.objects if before else {}, objects)

    def remove(self, name: str) -> set[ObjectKey]:
        """A report is gone; returns the objects that it spoke of."""
        peer = self._peers.pop(name, None)
        return set(peer.objects) if peer else set()

    def expire(self, now: float) -> set[ObjectKey]:
        """Believe nobody any more who was not heard for too long; returns the objects that they spoke of."""
        touched: set[ObjectKey] = set()
        for name in self.expired(now):
            peer = self._peers[name]
            touched.update(peer.objects)
            peer.objects, peer.is_expired = {}, True
        return touched

    def expired(self, now: float) -> list[str]:
        """The names of reports that are too old."""
        return [name for name, peer in self._peers.items() if now - peer.seen_at >= self._lifetime]


def _differences(before: dict[ObjectKey, ObjectReport], after: dict[ObjectKey, ObjectReport]) -> set[ObjectKey]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
