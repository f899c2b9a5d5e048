"""Conditions on a request: VirtualService matches as Envoy matches."""

import re
from collections.abc import Iterator
from typing import Final

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import metadata_pb2, regex_pb2, string_pb2, value_pb2

from translator import pb
from translator.objects.virtual_service import HTTPMatchRequest, StringMatch

_CLAIMS: Final = "@request.auth.claims"
_BRACKETED: Final = re.compile(r"\[([^\[\]]+)\]")
_JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
# Where that filter is told to put the claims.
_JWT_PAYLOAD: Final = "payload"


def build_match(match: HTTPMatchRequest | None, *, segments: bool = False) -> route_components_pb2.RouteMatch:
    """The Envoy match of one match; None matches every request. ``segments``: prefixes are whole segments of a path.

    Ports, gateways, labels and namespaces of the source are not encoded: they decide whether there is a route at all.
    """
    if match is None:
        return route_components_pb2.RouteMatch(prefix="/")
    built = route_components_pb2.RouteMatch(case_sensitive=pb.boolean(not match.ignore_uri_case))
    _match_path(built, match.uri)
    if segments and built.prefix not in ("", "/"):
        built.path_separated_prefix = built.prefix
    built.headers.extend(_header_matchers(match))
    built.query_parameters.extend(_query_matcher(name, match.query_params[name]) for name in sorted(match.query_params))
    built.dynamic_metadata.extend(_claim_matchers(match))
    return built


def is_catch_all(match: route_components_pb2.RouteMatch) -> bool:
    """Whether no request escapes the match, so that what stands after it can never be reached."""
    anything = match.prefix == "/" or match.path_separated_prefix == "/" or match.safe_regex.regex == ".*"
    return anything and not match.headers and not match.query_parameters and not match.dynamic_metadata


def describe_path(match: route_components_pb2.RouteMatch) -> str:
    """The path as it is shown in the name of a span."""
    if match.HasField("path"):
        return match.path
    if match.HasField("safe_regex"):
        return match.safe_regex.regex
    return f"{match.prefix or match.path_separated_prefix}*"


def is_presence(match: StringMatch | None) -> bool:
    """Whether only presence is asked for. Istio: the regex ``*``, which is none, counts as that."""
    if match is None or match.regex == "*":
        return True
    return match.exact is None and match.prefix is None and match.regex is None


def build_string_matcher(match: StringMatch) -> string_pb2.StringMatcher:
    """A comparison of one of the three kinds; regular expressions match the whole value."""
    if match.exact is not None:
        return string_pb2.StringMatcher(exact=match.exact)
    if match.prefix is not None:
        return string_pb2.StringMatcher(prefix=match.prefix)
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=match.regex or ""))


def _match_path(built: route_components_pb2.RouteMatch, uri: StringMatch | None) -> None:
    if uri is None:
        built.prefix = "/"
    elif uri.exact is not None:
        built.path = uri.exact
    elif uri.regex is not None:
        built.safe_regex.regex = uri.regex
    else:
        # A plain string prefix: /foo also matches /foobar.
        built.prefix = uri.prefix or "/"


def _conditions(match: HTTPMatchRequest) -> Iterator[tuple[str, bool, StringMatch | None]]:
    """(header, whether it is unwanted, comparison): wanted and unwanted ones sorted together by name."""
    for name in sorted({*match.headers, *match.without_headers}):
        if name in match.headers:
            yield name, False, match.headers[name]
        if name in match.without_headers:
            yield name, True, match.without_headers[name]


def _header_matchers(match: HTTPMatchRequest) -> Iterator[route_components_pb2.HeaderMatcher]:
    """Those of ordinary headers, then those of the pseudo headers."""
    for name, invert, value in _conditions(match):
        if not _claim_path(name):
            yield _header_matcher(name, value, invert=invert)
    pseudo = ((":method", match.method), (":authority", match.authority), (":scheme", match.scheme))
    for name, value in pseudo:
        if value is not None:
            yield _header_matcher(name, value, invert=False)


def _header_matcher(name: str, value: StringMatch | None, *, invert: bool) -> route_components_pb2.HeaderMatcher:
    """Istio: a request without the header fulfils "without the header with this value"."""
    if value is None or is_presence(value):
        return route_components_pb2.HeaderMatcher(name=name, present_match=True, invert_match=invert)
    return route_components_pb2.HeaderMatcher(
        name=name,
        string_match=build_string_matcher(value),
        invert_match=invert,
        treat_missing_header_as_empty=invert,
    )


def _query_matcher(name: str, value: StringMatch | None) -> route_components_pb2.QueryParameterMatcher:
    if value is None or is_presence(value):
        return route_components_pb2.QueryParameterMatcher(name=name, present_match=True)
    return route_components_pb2.QueryParameterMatcher(name=name, string_match=build_string_matcher(value))


def _claim_matchers(match: HTTPMatchRequest) -> Iterator[metadata_pb2.MetadataMatcher]:
    for name, invert, value in _conditions(match):
        path = _claim_path(name)
        if path:
            segments = (metadata_pb2.MetadataMatcher.PathSegment(key=key) for key in (_JWT_PAYLOAD, *path))
            yield metadata_pb2.MetadataMatcher(
                filter=_JWT_FILTER, path=segments, value=_claim_value(value), invert=invert
            )


def _claim_value(value: StringMatch | None) -> value_pb2.ValueMatcher:
    """A claim is a text, or a list of which one element has to match."""
    if value is None or is_presence(value):
        return value_pb2.ValueMatcher(present_match=True)
    text = value_pb2.ValueMatcher(string_match=build_string_matcher(value))
    element = value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=text))
    return value_pb2.ValueMatcher(or_match=value_pb2.OrMatcher(value_matchers=(element, text)))


def _claim_path(name: str) -> tuple[str, ...]:
    """The path of a claim that a header name stands for (``@request.auth.claims.a.b`` or ``[a][b]``), else ()."""
    if not name.lower().startswith(_CLAIMS):
        return ()
    rest = name[len(_CLAIMS) :]
    if rest.startswith("."):
        return tuple(rest[1:].split("."))
    return tuple(_BRACKETED.findall(rest))
