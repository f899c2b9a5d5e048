"""Who writes: the rules by which replicas share a Lease, without I/O.

As Kubernetes' own controllers do it: times of others are never compared with one's own clock. A Lease counts as
held for its duration after it was *seen* to change. The holder stops in good time before others may take over.
"""

from typing import Final

import msgspec

DURATION: Final = 20.0
DEADLINE: Final = 12.0
RETRY: Final = 4.0


class LeaseSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a Lease says."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int = 0


class Election:
    """One replica's view of the Lease. Times: ``now`` is monotonic (seconds), ``stamp`` is what others may read."""

    def __init__(self, identity: str, duration: float = DURATION, deadline: float = DEADLINE) -> None:
        self.identity = identity
        self._duration = duration
        self._deadline = deadline
        self._seen: LeaseSpec | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    def is_leader(self, now: float) -> bool:
        """Whether this replica may write. False in good time before another one may."""
        return self._renewed_at is not None and now - self._renewed_at < self._deadline

    @property
    def holder(self) -> str:
        """Who holds the Lease, as far as known; empty if nobody does."""
        return self._seen.holder_identity if self._seen else ""

    def observe(self, lease: LeaseSpec | None, now: float) -> None:
        """The Lease was read; None if there is none yet."""
        if lease != self._seen or self._seen is None:
            self._seen, self._seen_at = lease, now
        if lease is None or lease.holder_identity != self.identity:
            self._renewed_at = None

    def claim(self, now: float, stamp: str) -> LeaseSpec | None:
        """The Lease to write, to take it or to keep it; None while another replica holds it."""
        seen = self._seen
        duration = max(1, round(self._duration))
        if seen is not None and seen.holder_identity == self.identity:
            return msgspec.structs.replace(seen, renew_time=stamp, lease_duration_seconds=duration)
        if (
            seen is not None
            and seen.holder_identity
            and now < self._seen_at + (seen.lease_duration_seconds or duration)
        ):
            return None
        return LeaseSpec(
            holder_identity=self.identity,
            lease_duration_seconds=duration,
            acquire_time=stamp,
            renew_time=stamp,
            lease_transitions=seen.lease_transitions + 1 if seen is not None else 0,
        )

    def note_written(self, lease: LeaseSpec, asked_at: float) -> None:
        """The Lease was written; it counts from when that was asked for."""
        self._seen, self._seen_at = lease, asked_at
        self._renewed_at = asked_at if lease.holder_identity == self.identity else None

    def resign(self, stamp: str) -> LeaseSpec | None:
        """The Lease to write to give it up at once; None without it."""
        seen, self._renewed_at = self._seen, None
        if seen is None or seen.holder_identity != self.identity:
            return None
        return LeaseSpec(
            holder_identity="", lease_duration_seconds=1, renew_time=stamp, lease_transitions=seen.lease_transitions
        )
