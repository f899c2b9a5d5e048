"""The record of all calls, in the words of RBAC."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ``resource`` is the plural name with the subresource ("pods/status"), or a path ("/version")."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class CallRecord:
    """What was called since the start, or since the last ``clear``."""

    def __init__(self) -> None:
        self._counts: Counter[Call] = Counter()

    def add(self, call: Call) -> None:
        """Record a call."""
        self._counts[call] += 1

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()

    def __iter__(self) -> Iterator[Call]:
        """Every different call once, in the order in which they came first."""
        return iter(self._counts)

    def count(self, verb: str = "", resource: str = "", user: str = "") -> int:
        """How many calls there were; "" is any."""
        return sum(
            count
            for call, count in self._counts.items()
            if verb in {"", call.verb} and resource in {"", call.resource} and user in {"", call.user}
        )

    def permissions(self, user: str = "") -> set[tuple[str, str, str]]:
        """The (group, resource, verb) that were called; those of paths have the group "-"."""
        return {(call.group, call.resource, call.verb) for call in self._counts if user in {"", call.user}}
