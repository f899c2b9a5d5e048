"""Rules for names and values of HTTP headers, and for the changes that a rule makes to them."""

import re
from typing import Final

from translator.objects.virtual_service import HeaderOperations, Headers
from translator.validation.report import Report, indexed, keyed
from translator.validation.substitution import substitution_fault

_TOKEN: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_PSEUDO_HEADERS: Final = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_CLAIM_PREFIX: Final = "@request.auth.claims"
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_claim_match(name: str) -> bool:
    """Whether a header match is about a claim of the token: ``@request.auth.claims.group``, ``...claims[group]``."""
    if not name.lower().startswith(_CLAIM_PREFIX):
        return False
    claims = name[len(_CLAIM_PREFIX) :]
    dotted = claims.startswith(".") and len(claims) > 1
    return dotted or (claims.startswith("[") and claims.endswith("]") and len(claims) > 2)


def header_name_fault(name: str) -> str:
    """Rule: a token of HTTP."""
    if not name:
        return "empty header name"
    return "" if _TOKEN.fullmatch(name) else f"{name!r} is not a header name"


def match_name_fault(name: str) -> str:
    """Rule: what can be matched: a header, one of the five pseudo-headers, or a claim."""
    return "" if name in _PSEUDO_HEADERS or is_claim_match(name) else header_name_fault(name)


def is_authority(name: str) -> bool:
    """Whether a header is the authority of the request, in HTTP/1 or HTTP/2 spelling."""
    return name.lower() in (":authority", "host")


def check_headers(report: Report, path: str, headers: Headers | None) -> None:
    """Rule: Envoy lets a rule change the authority of requests, and no other pseudo-header of anything."""
    if headers is None:
        return
    if headers.request is not None:
        _check_operations(report, f"{path}.request", headers.request, authority_allowed=True)
    if headers.response is not None:
        _check_operations(report, f"{path}.response", headers.response, authority_allowed=False)


def _check_operations(report: Report, path: str, operations: HeaderOperations, *, authority_allowed: bool) -> None:
    for field, changes in (("set", operations.set), ("add", operations.add)):
        for entry, name, value in keyed(f"{path}.{field}", changes):
            if not (authority_allowed and is_authority(name)):
                report.require(entry, _changed_name_fault(name))
            report.require(entry, _value_fault(value))
    for entry, name in indexed(f"{path}.remove", operations.remove):
        report.require(entry, _changed_name_fault(name))


def _changed_name_fault(name: str) -> str:
    if name.startswith(":") or name.lower() == "host":
        return f"{name!r} cannot be changed here"
    return header_name_fault(name)


def _value_fault(value: str) -> str:
    if _CONTROL_CHARACTERS.search(value):
        return "control characters are not allowed in a header"
    return substitution_fault(value)
