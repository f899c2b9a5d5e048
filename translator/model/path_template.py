"""Path templates of AuthorizationPolicies: ``{*}`` is one segment of a path, ``{**}`` any number of them."""

import re
from typing import Final

_ONE: Final = "{*}"
_REST: Final = "{**}"
_LITERAL: Final = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")
# Envoy: a process that is given a template with more wildcards ends.
_MAX_OPERATORS: Final = 5
_MAX_LENGTH: Final = 256


def is_path_template(path: str) -> bool:
    """Whether a path is a template, and not to be compared as text."""
    return _ONE in path or _REST in path


def template_fault(path: str) -> str:
    """What is wrong with a template; Envoy does not refuse a wrong one but ends."""
    segments = path.split("/")
    if segments[0] or len(segments) == 1:
        return f"the path template {path!r} does not begin with '/'"
    if len(envoy_template(path)) > _MAX_LENGTH:
        return f"a path template longer than {_MAX_LENGTH} characters"
    operators = [segment for segment in segments if segment in (_ONE, _REST)]
    if _REST in operators[:-1]:
        return f"an operator follows {_REST} in {path!r}"
    if len(operators) > _MAX_OPERATORS:
        return f"{path!r} has more than {_MAX_OPERATORS} operators"
    inner = segments[1:] if segments[-1] else segments[1:-1]
    wrong = next((each for each in inner if each not in operators and not _LITERAL.fullmatch(each)), None)
    return "" if wrong is None else f"{wrong!r} is no segment of a path template"


def envoy_template(path: str) -> str:
    """The template in Envoy's notation."""
    return path.replace(_REST, "**").replace(_ONE, "*")
