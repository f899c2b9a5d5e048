"""What came back: the record of every request, and questions about many of them."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

_FIRST_FAILURE: Final = 500
# Answers are filed this many seconds after they came, at most.
_DISORDER: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request, or one TCP exchange, led to. Times are those of the event loop's clock."""

    sent: float
    latency: float
    status: int | None = None
    """The HTTP status; None if there was no answer, and for TCP."""
    service: str = ""
    version: str = ""
    instance: str = ""
    """``ip:port`` of the backend that answered, as it says itself."""
    body: bytes = b""
    error: str = ""
    """Why there is no answer: refused, reset, closed, timed out. Empty when there is one."""

    @property
    def failed(self) -> bool:
        """Whether the caller got no answer, or a status of 500 and above."""
        return bool(self.error) or (self.status is not None and self.status >= _FIRST_FAILURE)

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, decoded. ValueError when it is not JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        """One line for failure messages."""
        outcome = self.error or self.status or "answered"
        return f"{outcome} after {self.latency * 1000:.1f} ms from {self.service or '?'} {self.instance} {self.body!r}"


class Traffic:
    """Answers in the order in which they came."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        """Start with these answers."""
        self.answers = list(answers)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.answers)

    def __iter__(self) -> Iterator[Answer]:
        """Iterate over the answers."""
        return iter(self.answers)

    @property
    def failed(self) -> list[Answer]:
        """Those without an answer or with a status of 500 and above."""
        return [answer for answer in self.answers if answer.failed]

    def sent_since(self, moment: float) -> "Traffic":
        """Those whose request was sent at or after a moment of the event loop's clock."""
        # An answer that was there before cannot be one of them. Hours of answers are not looked through again.
        start = bisect_left(self.answers, moment - _DISORDER, key=lambda answer: answer.sent + answer.latency)
        return Traffic(answer for answer in self.answers[start:] if answer.sent >= moment)

    def by_status(self) -> Counter[int | None]:
        """How many had which status."""
        return Counter(answer.status for answer in self.answers)

    def by_version(self) -> Counter[str]:
        """How many came from which version."""
        return Counter(answer.version for answer in self.answers)

    def by_instance(self) -> Counter[str]:
        """How many came from which instance (``ip:port``)."""
        return Counter(answer.instance for answer in self.answers)

    def share(self, version: str) -> float:
        """Which part came from a version, from 0 to 1. ZeroDivisionError without answers."""
        return self.by_version()[version] / len(self.answers)

    def describe_failures(self, limit: int = 5) -> str:
        """The first failures, for a message."""
        failed = self.failed
        lines = (f"  {answer}" for answer in failed[:limit])
        return "\n".join((f"{len(failed)} of {len(self)} requests failed", *lines))
