"""Rules for durations."""

from typing import Final

from translator.objects.duration import Duration
from translator.validation.report import Report

_MILLISECOND: Final = 1_000_000


def check_duration(report: Report, path: str, duration: Duration | None) -> None:
    """Rule: at least one millisecond, and whole milliseconds. Unset is fine."""
    if duration is not None:
        report.require(path, _duration_fault(duration))


def check_duration_or_zero(report: Report, path: str, duration: Duration | None) -> None:
    """As ``check_duration``, where zero stands for "off"."""
    if duration:
        report.require(path, _duration_fault(duration))


def _duration_fault(duration: Duration) -> str:
    if duration == 0:
        return "must be at least 1ms; leave the field out instead of setting 0s"
    if duration < _MILLISECOND:
        return f"{duration} is less than 1ms"
    return f"{duration} is not a whole number of milliseconds" if duration % _MILLISECOND else ""
