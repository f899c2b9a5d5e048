"""What is wrong with an object, and what a user should read about it: values, never exceptions."""

import enum
from dataclasses import dataclass

from translator.objects.registry import ObjectKey


class Severity(enum.StrEnum):
    """How bad it is: an ERROR keeps an object out (its last good form stays), the rest does not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Violation:
    """A fault of one object: the field (``spec.http[0].route[1].weight``; empty for the object itself) and why."""

    path: str
    reason: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding about the mesh; ``code`` is stable and meant for tools, ``key`` is None if no object is to blame."""

    severity: Severity
    code: str
    key: ObjectKey | None
    path: str
    message: str
