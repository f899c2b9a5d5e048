"""Comparisons as Envoy makes them: texts, headers, query parameters and the claims of tokens."""

from collections.abc import Mapping
from functools import lru_cache

import re2  # type: ignore[import-untyped]
from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2

from translator.simulation.traffic import Request


@lru_cache(maxsize=1024)
def compile_regex(regex: str) -> "re2.Pattern":
    """A compiled expression."""
    return re2.compile(regex)


def matches_regex(regex: str, value: str) -> bool:
    """Whether the whole value is matched."""
    return compile_regex(regex).fullmatch(value) is not None


def matches_string(matcher: string_pb2.StringMatcher, value: str) -> bool:
    """Whether a text is what the matcher wants."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return matches_regex(matcher.safe_regex.regex, value)
    wanted = str(getattr(matcher, kind)) if kind else ""
    if matcher.ignore_case:
        wanted, value = wanted.lower(), value.lower()
    return _compare(kind or "", wanted, value)


def _compare(kind: str, wanted: str, value: str) -> bool:
    match kind:
        case "exact":
            return value == wanted
        case "prefix":
            return value.startswith(wanted)
        case "suffix":
            return value.endswith(wanted)
        case "contains":
            return wanted in value
        case _:
            return False


def matches_header(matcher: route_components_pb2.HeaderMatcher, request: Request, scheme: str) -> bool:
    """Whether a request has what a header matcher wants.

    Envoy: of several values one has to match. A missing header fails every comparison, inverted or not, unless it
    is to be taken as empty.
    """
    values = header_values(request, matcher.name, scheme)
    if matcher.HasField("present_match"):
        return (bool(values) == matcher.present_match) != matcher.invert_match
    if not values and not matcher.treat_missing_header_as_empty:
        return False
    return any(matches_string(matcher.string_match, value) for value in values or ("",)) != matcher.invert_match


def header_values(request: Request, name: str, scheme: str) -> tuple[str, ...]:
    """The values of a header, or that of a pseudo header, of a request."""
    pseudo = {":method": request.method, ":authority": request.host, ":path": request.path, ":scheme": scheme}
    if name.lower() in ("host", *pseudo):
        return (pseudo.get(name.lower(), request.host),)
    return request.header(name)


def matches_query(matcher: route_components_pb2.QueryParameterMatcher, request: Request) -> bool:
    """Whether a request has the query parameter that is wanted."""
    value = request.query.get(matcher.name)
    if value is None:
        return False
    return matches_string(matcher.string_match, value) if matcher.HasField("string_match") else matcher.present_match


def matches_claim(matcher: metadata_pb2.MetadataMatcher, request: Request) -> bool:
    """Whether the claims of a request's token are as wanted. The first key leads to the token itself."""
    value: object = request.claims
    for segment in list(matcher.path)[1:]:
        value = value.get(segment.key) if isinstance(value, Mapping) else None
    return _matches_value(matcher.value, value) != matcher.invert


def _matches_value(matcher: value_pb2.ValueMatcher, value: object) -> bool:
    match matcher.WhichOneof("match_pattern"):
        case "present_match":
            return (value is not None) == matcher.present_match
        case "string_match":
            return isinstance(value, str) and matches_string(matcher.string_match, value)
        case "list_match":
            return isinstance(value, list | tuple) and any(
                _matches_value(matcher.list_match.one_of, each) for each in value
            )
        case "or_match":
            return any(_matches_value(each, value) for each in matcher.or_match.value_matchers)
        case _:
            return False
