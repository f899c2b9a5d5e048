"""Whether a decoded object is fit for use, and all that users should know about it: the same for every source."""

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import msgspec

from fairlead.finding import UNTRANSLATED, Finding
from translator.decode import Decoded
from translator.diagnostics import Severity, Violation
from translator.objects.meta import MeshObject
from translator.shape import is_unknown_field
from translator.validation import is_acceptable, validate
from translator.validation.coverage import untranslated

_STEP: Final = re.compile(r"[.\[]")


class Judged(NamedTuple):
    """``object`` is None if it is unfit for use. The findings name no place: only the source knows it."""

    object: MeshObject | None
    findings: tuple[Finding, ...]


def judge(decoded: Decoded, *, tolerant: bool = False) -> Judged:
    """Apply the rules of an object's kind to it.

    ``tolerant``: fields that are not known are no reason to refuse an object. An API server has checked it against
    a definition that may be newer than this program.
    """
    if tolerant and decoded.draft is not None and all(map(is_unknown_field, decoded.violations)):
        decoded = _tolerated(decoded)
    violations = decoded.violations
    if decoded.object is None:
        if decoded.draft is not None:
            violations += tuple(_certain(validate(decoded.draft), decoded.doubtful))
        return Judged(None, _findings(decoded, violations))
    violations += validate(decoded.object)
    findings = _findings(decoded, violations)
    if not is_acceptable(violations):
        return Judged(None, findings)
    gaps = _findings(decoded, untranslated(decoded.object))
    if gaps:
        findings += tuple(msgspec.structs.replace(gap, code=UNTRANSLATED) for gap in gaps)
    return Judged(decoded.object, findings)


def _tolerated(decoded: Decoded) -> Decoded:
    warnings = (
        Violation(each.path, f"{each.reason}: it has no effect", Severity.WARNING) for each in decoded.violations
    )
    return Decoded(decoded.label, key=decoded.key, object=decoded.draft, violations=tuple(warnings))


def _findings(decoded: Decoded, violations: tuple[Violation, ...]) -> tuple[Finding, ...]:
    if not violations:
        return ()
    return tuple(Finding.of_violation(violation, decoded.label, decoded.key) for violation in violations)


def _certain(found: tuple[Violation, ...], doubtful: Collection[str]) -> Iterator[Violation]:
    """The errors that hold whatever should stand at the doubtful paths: not what is said of, within or around those.

    Warnings are left for when the object can be read: many compare one part of an object with another.
    """
    doubted = set(doubtful)
    around = {ancestor for path in doubtful for ancestor in _ancestors(path)}
    for violation in found:
        path = violation.path
        if violation.severity is not Severity.ERROR:
            continue
        if path not in around and path not in doubted and doubted.isdisjoint(_ancestors(path)):
            yield violation


def _ancestors(path: str) -> Iterator[str]:
    """``a.b``, ``a`` and the empty path for ``a.b[0]``; not the path itself."""
    yield from (path[: match.start()] for match in _STEP.finditer(path))
    yield ""
