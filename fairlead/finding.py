"""What is wrong with the input, and where: for logs, tables and the debug pages alike."""

from typing import Final

import msgspec

from translator.diagnostics import Severity, Violation
from translator.objects.registry import ObjectKey

# Istio's code for a schema error, and the one for a schema warning.
SCHEMA_ERROR: Final = "IST0106"
SCHEMA_WARNING: Final = "IST0133"

UNREADABLE_FILE: Final = "FL0001"
BROKEN_DOCUMENT: Final = "FL0002"
DUPLICATE_OBJECT: Final = "FL0003"
UNTRANSLATED: Final = "FL0004"
CLUSTER_FAULT: Final = "FL0010"

_WEIGHTS: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in the input: a file, and inside it a document and a line, both counted from 1 (0: not known)."""

    file: str
    document: int = 0
    line: int = 0

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line} (document {self.document})" if self.document > 1 else f"{self.file}{line}"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a user should know. ``subject`` names the object, or the file where no object is known."""

    severity: Severity
    code: str
    subject: str
    path: str = ""
    message: str
    place: Place | None = None
    key: ObjectKey | None = None

    @classmethod
    def of_violation(cls, violation: Violation, subject: str, key: ObjectKey | None) -> "Finding":
        """The finding that a violation of an object's own rules amounts to, wherever the object stands."""
        return cls(
            severity=violation.severity,
            code=SCHEMA_ERROR if violation.severity is Severity.ERROR else SCHEMA_WARNING,
            subject=subject,
            path=violation.path,
            message=violation.reason,
            key=key,
        )

    @property
    def rank(self) -> tuple[Place, int, str, str, str]:
        """Orders findings for people: by place, the worst first."""
        return self.place or Place(""), _WEIGHTS[self.severity], self.subject, self.path, self.message

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        subject = f"{self.subject}: " if self.key is not None or not self.place else ""
        path = f"{self.path}: " if self.path else ""
        return f"{place}{self.severity.value}: {subject}{path}{self.message} [{self.code}]"

    def fields(self) -> dict[str, object]:
        """The finding as flat fields of a log record."""
        place = self.place or Place("")
        named = {
            "severity": self.severity.value,
            "code": self.code,
            "object": self.subject,
            "file": place.file,
            "document": place.document,
            "line": place.line,
            "field": self.path,
            "reason": self.message,
        }
        return {name: value for name, value in named.items() if value not in ("", 0)}
