"""Rules for StringMatch."""

from translator.objects.virtual_service import StringMatch
from translator.validation.regex import regex_fault
from translator.validation.report import Report, count_set


def check_string_match(report: Report, path: str, match: StringMatch | None) -> None:
    """Rule: at most one comparison; Envoy refuses an empty prefix and anything that is not RE2."""
    if match is None:
        return
    check_path_match(report, path, match)
    if match.prefix == "":
        report.error(f"{path}.prefix", "must not be empty")


def check_path_match(report: Report, path: str, match: StringMatch | None) -> None:
    """As ``check_string_match``, but an empty prefix is fine: of a path it means every path."""
    if match is None:
        return
    given = [value for value in (match.exact, match.prefix, match.regex) if value is not None]
    if len(given) > 1:
        report.error(path, "only one of exact, prefix and regex can be set")
    if match.regex is not None:
        report.require(f"{path}.regex", regex_fault(match.regex))


def check_origin_match(report: Report, path: str, match: StringMatch) -> None:
    """Rule for CORS origins: exactly one comparison, with a value."""
    if not count_set(match.exact, match.prefix, match.regex):
        report.error(path, "one of exact, prefix and regex must be set, and not be empty")
    else:
        check_string_match(report, path, match)
