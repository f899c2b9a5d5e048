"""Rules for shares."""

from translator.objects.virtual_service import Percent
from translator.validation.report import Report


def check_percent(report: Report, path: str, percent: Percent | None) -> None:
    """Rule: 0 to 100."""
    if percent is not None and not 0 <= percent.value <= 100:
        report.error(f"{path}.value", f"{percent.value} is not in the range 0..100")


def check_fine_percent(report: Report, path: str, percent: Percent | None) -> None:
    """Rule: 0, or 0.0001 (the finest that Envoy knows) to 100."""
    if percent is not None and percent.value != 0 and not 0.0001 <= percent.value <= 100:
        report.error(f"{path}.value", f"{percent.value} is neither 0 nor in the range 0.0001..100")


def check_whole_percent(report: Report, path: str, percent: int) -> None:
    """Rule: 0 to 100."""
    if not 0 <= percent <= 100:
        report.error(path, f"{percent} is not in the range 0..100")
