"""The record of pushes: what caused each, how long every stage took, what the proxies said."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from time import perf_counter, time
from typing import Any, Final

import msgspec

from fairlead.metrics import Metrics
from xds.events import Acked, Event, Nacked, ResponseSent, StreamRefused
from xds.types import short_name
from xds.view import ViewChange

_KEPT: Final = 500
_SHOWN_CAUSES: Final = 20


class Cause(msgspec.Struct, frozen=True):
    """Objects that were written together; times are of ``time.perf_counter``."""

    objects: tuple[str, ...]
    received: float
    applied: float


class Refusal(msgspec.Struct, frozen=True):
    """What a proxy said against a push."""

    proxy: str
    type: str
    resources: tuple[str, ...]
    error: str


class Push(msgspec.Struct, kw_only=True):
    """One push, from the change to the last acknowledgement. Times are seconds since the change was noticed.

    ``objects`` names the first few causes of ``object_count``; ``resources`` counts what changed, by type, over
    all Views.
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
    views: int = 0
    resources: dict[str, int] = {}
    queries: int = 0
    proxies: set[int] = set()
    responses: int = 0
    acks: int = 0
    bytes: int = 0
    refusals: list[Refusal] = []

    def absorb(self, cause: Cause) -> None:
        """One more reason for this push, found while it runs."""
        free = max(0, _SHOWN_CAUSES - len(self.objects))
        self.objects += cause.objects[:free]
        self.object_count += len(cause.objects)
        self.applied = max(self.applied, cause.applied - self.received)

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
            **{name: None if value is None else round(value * 1000, 3) for name, value in times.items()},
            "views": self.views,
            "resources": self.resources,
            "queries": self.queries,
            "proxies": len(self.proxies),
            "responses": self.responses,
            "acks": self.acks,
            "bytes": self.bytes,
            "refusals": self.refusals,
        }


class PushLedger:
    """The newest pushes. An observer of the server: responses and acknowledgements find their push by its cause."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pushes: deque[Push] = deque(maxlen=_KEPT)
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
        self._metrics.pushes.inc()
        return push

    def published(self, push: Push, change: ViewChange) -> None:
        """A View was published as part of a push."""
        push.views += 1
        resources = Counter(push.resources)
        resources.update({short_name(type_url): len(names) for type_url, names in change.items()})
        push.resources = dict(resources)
        push.published = perf_counter() - push.received

    def finish(self, push: Push) -> None:
        """All Views are published."""
        if push.published is not None:
            self._metrics.push_time.observe(push.published - push.applied)

    def observe(self, event: Event | StreamRefused) -> None:
        """See what happens on the streams."""
        match event:
            case ResponseSent():
                self._note_response(event)
            case Acked(cause=Push() as push):
                now = perf_counter() - push.received
                push.acks += 1
                push.last_ack = now
                push.first_ack = now if push.first_ack is None else push.first_ack
                self._metrics.ack_time.observe(now)
            case Nacked():
                self._note_refusal(event)
            case StreamRefused():
                self._metrics.refused.labels(event.code.name).inc()
            case _:
                pass

    def __iter__(self) -> Iterator[Push]:
        """The newest push first."""
        return reversed(self._pushes)

    def _note_response(self, event: ResponseSent) -> None:
        short = short_name(event.type_url)
        self._metrics.responses.labels(short).inc()
        self._metrics.response_bytes.labels(short).observe(event.size)
        if isinstance(event.cause, Push):
            event.cause.proxies.add(event.client.id)
            event.cause.responses += 1
            event.cause.bytes += event.size

    def _note_refusal(self, event: Nacked) -> None:
        short = short_name(event.type_url)
        self._metrics.rejects.labels(short).inc()
        if isinstance(event.cause, Push):
            resources = tuple(event.rejected or event.names)
            event.cause.refusals.append(Refusal(event.client.node_id, short, resources, event.error))
