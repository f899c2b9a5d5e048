"""What the proxies of one process have received, how far they are, and which changes they have seen."""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from fairlead.bench.content import Content, Stamp
from fairlead.bench.envoy import SimulatedEnvoy
from fairlead.bench.messages import Configured, Expect, Polls, Progress, Report, Totals
from fairlead.bench.watch import Watch
from xds.types import TypeUrl, short_name

_PROGRESS: Final = 0.1


class Member:
    """One simulated proxy: when it started to connect, had its first response, and had everything; 0 until then."""

    __slots__ = ("complete", "envoy", "first", "started", "touched")

    def __init__(self, envoy: SimulatedEnvoy) -> None:
        self.envoy = envoy
        self.started = self.first = self.complete = 0.0
        self.touched = False


class Tally:
    """Counts for a crowd, however its proxies get their responses; reports go to ``tell``."""

    def __init__(self, members: Sequence[Member], tell: Callable[[Report], None]) -> None:
        self._members = members
        self._tell = tell
        self._watch = Watch(tell)
        self._configured = 0
        self._told = self._started = 0.0
        self._responses: Counter[TypeUrl] = Counter()
        self._bytes = 0
        self.reconnections = 0

    def start(self) -> None:
        """All of them begin to connect now."""
        self._started = monotonic()

    def reset(self) -> None:
        """All of them are disconnected; what they have they keep."""
        self._configured = 0
        for member in self._members:
            member.started = member.first = member.complete = 0.0

    def expect(self, change: Expect) -> None:
        """A change is going to be made."""
        concerned = {
            place
            for place, member in enumerate(self._members)
            if member.envoy.knows(change.sibling, routed=change.routed)
        }
        self._watch.expect(change.number, concerned, (change.host, change.routed))

    def receive(self, member: Member, type_url: TypeUrl, size: int, now: float) -> None:
        """A response has come."""
        member.touched = True
        member.first = member.first or now
        self._bytes += size
        self._responses[type_url] += 1

    def digest(self, place: int, stamp: Stamp, content: Content, at: float) -> list[bytes]:
        """Put in force what a response says that was accepted at a time; what the proxy asks for in consequence."""
        member = self._members[place]
        requests = member.envoy.take(stamp, content)
        if content.markers:
            self._watch.see(place, content.markers, at)
        if not member.complete and member.envoy.is_configured:
            member.complete = at
            self._configured += 1
            self._report_progress()
        return requests

    def totals(self, *, mark: bool, polls: Polls | None = None) -> Totals:
        """What was received until now; with ``mark``, whom something reaches is counted anew."""
        touched = sum(member.touched for member in self._members)
        for member in self._members:
            member.touched = member.touched and not mark
        return Totals(
            responses=self._responses.total(),
            bytes=self._bytes,
            touched=touched,
            reconnections=self.reconnections,
            by_type={short_name(type_url): count for type_url, count in self._responses.items()},
            polls=polls,
        )

    def _report_progress(self) -> None:
        now = monotonic()
        if self._configured == len(self._members):
            first = array("d", (member.first - member.started for member in self._members))
            complete = array("d", (member.complete - member.started for member in self._members))
            self._tell(Configured(self._started, first.tobytes(), complete.tobytes()))
        elif now - self._told >= _PROGRESS:
            self._told = now
            self._tell(Progress(self._configured))
