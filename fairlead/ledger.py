"""The record of pushes: what caused each, how long every stage took, what the proxies said.

The stages of a push, in order:

    source   noticed by the source, until it was read, decoded and validated
    store    until it was written to the store
    engine   work on the Views that proxies are served from (waiting for its turn is not counted)
    queue    a View was published, until the stream's turn came; of the last stream
    encode   selecting and joining the responses, of all streams together
    wire     until the transport took the bytes; of the slowest stream
    client   until the acknowledgement was read, network included; of the slowest stream
"""

from collections import deque
from collections.abc import Iterator, Sequence
from time import perf_counter, time
from typing import Any, Final

import msgspec

from fairlead.metrics import Metrics
from xds.events import Acked, Nacked, Observer, ResponseSent, StreamRefused, selective
from xds.types import short_name
from xds.view import ViewChange

_KEPT: Final = 500
SHOWN: Final = 20
"""So many names of a kind are told of a push."""

# A push about which nothing was heard for so long (seconds) is over, as far as the histograms are concerned.
_SETTLED: Final = 1.0


class Cause(msgspec.Struct, frozen=True):
    """Objects that were written together; times are of ``time.perf_counter``.

    ``read`` is when the source had them ready; without a source of its own that is when they were received. There
    may be so many ``more`` objects, of which nobody is told.
    """

    objects: tuple[str, ...]
    received: float
    applied: float
    read: float | None = None
    more: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """What a proxy said against a push."""

    proxy: str
    type: str
    resources: tuple[str, ...]
    error: str


class Stages(msgspec.Struct):
    """How many seconds of a push went where; see the module."""

    source: float = 0.0
    store: float = 0.0
    engine: float = 0.0
    queue: float = 0.0
    encode: float = 0.0
    wire: float = 0.0
    client: float = 0.0


class Push(msgspec.Struct, kw_only=True):
    """One push, from the change to the last acknowledgement. Times are seconds since the change was noticed.

    ``objects``, ``view_names`` and ``proxy_names`` hold the first few of ``object_count``, ``views`` and
    ``proxies``; ``resources`` counts what changed, by type, over all Views.
    """

    number: int
    at: float
    received: float
    objects: tuple[str, ...] = ()
    object_count: int = 0
    applied: float = 0.0
    published: float | None = None
    first_ack: float | None = None
    last_ack: float | None = None
    stages: Stages = msgspec.field(default_factory=Stages)
    views: int = 0
    view_names: list[str] = []
    resources: dict[str, int] = {}
    queries: int = 0
    proxies: set[int] = set()
    proxy_names: list[str] = []
    responses: int = 0
    acks: int = 0
    bytes: int = 0
    refusals: list[Refusal] = []

    def absorb(self, cause: Cause) -> None:
        """One more reason for this push, found while it runs."""
        free = max(0, SHOWN - len(self.objects))
        self.objects += cause.objects[:free]
        self.object_count += len(cause.objects) + cause.more
        self.applied = max(self.applied, cause.applied - self.received)
        read = cause.received if cause.read is None else cause.read
        self.stages.source = max(self.stages.source, read - cause.received)
        self.stages.store = max(self.stages.store, cause.applied - read)

    def summary(self) -> dict[str, Any]:
        """For logs and the debug page: times in milliseconds."""
        times = {
            "applied_ms": self.applied,
            "published_ms": self.published,
            "first_ack_ms": self.first_ack,
            "last_ack_ms": self.last_ack,
        }
        return {
            "push": self.number,
            "at": self.at,
            "objects": self.objects,
            "object_count": self.object_count,
            **{name: None if value is None else _milliseconds(value) for name, value in times.items()},
            "stages_ms": {name: _milliseconds(value) for name, value in msgspec.structs.asdict(self.stages).items()},
            "views": self.views,
            "view_names": self.view_names,
            "resources": self.resources,
            "queries": self.queries,
            "proxies": len(self.proxies),
            "proxy_names": self.proxy_names,
            "responses": self.responses,
            "acks": self.acks,
            "bytes": self.bytes,
            "refusals": self.refusals,
        }


class PushLedger:
    """The newest pushes. Its ``observers`` watch the server: responses and answers find their push by its cause."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pushes: deque[Push] = deque(maxlen=_KEPT)
        # Those of which the histograms have not been told, the oldest first.
        self._unsettled: deque[Push] = deque()
        self._count = 0

    def begin(self, causes: Sequence[Cause]) -> Push:
        """A push starts, for one or more causes."""
        self._count += 1
        received = min(cause.received for cause in causes)
        push = Push(number=self._count, at=time() - (perf_counter() - received), received=received)
        for cause in causes:
            push.absorb(cause)
            self._metrics.apply_time.observe(cause.applied - cause.received)
        self._pushes.append(push)
        self._unsettled.append(push)
        self._metrics.pushes.inc()
        return push

    def published(self, push: Push, *, again: bool = False) -> None:
        """A View was published as part of a push, or more of it; ``describe`` says what."""
        push.views += not again
        push.published = perf_counter() - push.received

    def describe(self, push: Push, change: ViewChange, view: object, *, again: bool = False) -> None:
        """Note which View was published, and what of it. For when the streams have been told."""
        if len(push.view_names) < SHOWN and not again:
            push.view_names.append(str(view))
        for type_url, names in change.items():
            short = short_name(type_url)
            push.resources[short] = push.resources.get(short, 0) + len(names)

    def finish(self, push: Push) -> None:
        """All Views are published. ``settle`` is for later, when nobody waits."""
        if push.published is not None:
            self._metrics.push_time.observe(push.published - push.applied)

    def settle(self) -> None:
        """Tell the histograms of the pushes about which no more is heard."""
        now = perf_counter()
        while self._unsettled:
            push = self._unsettled[0]
            heard = push.last_ack if push.last_ack is not None else push.published or push.applied
            if push.received + heard > now - _SETTLED:
                return
            self._unsettled.popleft()
            if push.responses:
                for stage, seconds in msgspec.structs.asdict(push.stages).items():
                    self._metrics.stage_time.of(stage).observe(seconds)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """For each kind of events that it wants to see the one that takes it: some come a thousand at a time."""
        return (
            selective(self.note_response, ResponseSent),
            selective(self.note_acceptance, Acked),
            selective(self.note_refusal, Nacked),
            selective(self.note_rejection, StreamRefused),
        )

    def __iter__(self) -> Iterator[Push]:
        """The newest push first."""
        return reversed(self._pushes)

    def note_response(self, event: ResponseSent) -> None:
        """A response is written."""
        label, push = event.label, event.cause
        self._metrics.responses.note(label)
        if not isinstance(push, Push):
            return
        now = perf_counter() - push.received
        self._metrics.istio.convergence.observe(now - push.applied)
        client, proxies, names = event.client, push.proxies, push.proxy_names
        proxies.add(client.id)
        if len(names) < SHOWN and len(names) < len(proxies):
            names.append(client.node_id)
        push.responses += 1
        push.bytes += label.size
        stages, composing, published = push.stages, event.composing, push.published
        stages.encode += composing
        if published is not None and (waited := now - composing - published) > stages.queue:
            stages.queue = waited

    def note_acceptance(self, event: Acked) -> None:
        """A proxy has accepted a response."""
        push = event.cause
        if not isinstance(push, Push):
            return
        now = perf_counter() - push.received
        push.acks += 1
        push.last_ack = now
        if push.first_ack is None:
            push.first_ack = now
        stages, writing, answering = push.stages, event.writing, event.answering
        stages.wire = max(stages.wire, writing)
        stages.client = max(stages.client, answering)
        self._metrics.ack_time.observe(now)

    def note_refusal(self, event: Nacked) -> None:
        """A proxy has refused a response."""
        short = short_name(event.type_url)
        self._metrics.rejects.labels(short).inc()
        if isinstance(event.cause, Push):
            resources = tuple(event.rejected or event.names)
            event.cause.refusals.append(Refusal(event.client.node_id, short, resources, event.error))

    def note_rejection(self, event: StreamRefused) -> None:
        """A stream was not admitted."""
        self._metrics.refused.labels(event.code.name).inc()


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
