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
    except UnicodeEncodeError as fault:
        return f"not an RE2 expression: {fault}"
    except re2.error as fault:
        reason = fault.args[0]
        # RE2's own words come as the bytes that C++ handed over.
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        return f"not an RE2 expression: {text}"
    return ""
