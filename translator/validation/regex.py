"""Rules for regular expressions: Envoy's are RE2, so RE2 itself is the judge."""

from functools import cache
from typing import Final

import re2  # type: ignore[import-untyped]

_MAX_LENGTH: Final = 1024


def regex_fault(regex: str) -> str:
    """Rule: an expression that RE2 accepts, of at most 1024 bytes; otherwise what is wrong with it."""
    if not regex:
        return "regex must not be empty"
    if len(regex.encode(errors="replace")) > _MAX_LENGTH:
        return f"regex is longer than {_MAX_LENGTH} bytes"
    return _compile_fault(regex)


@cache
def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _compile_fault(regex: str) -> str:
    try:
        re2.compile(regex, options=_options())
    except (re2.error, UnicodeEncodeError) as fault:
        return f"not an RE2 expression: {fault}"
    return ""
