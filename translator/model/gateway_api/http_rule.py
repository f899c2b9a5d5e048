"""The rules of HTTPRoutes as HTTP rules of the model: matches, filters, timeouts, retries."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from translator.model.gateway_api.backend import Backend
from translator.objects.duration import Duration
from translator.objects.kubernetes_route import (
    CORS,
    HeaderModifier,
    HeaderValue,
    PathMatchType,
    PathModifier,
    RequestMirror,
    RequestRedirect,
    Retry,
    RouteFilter,
    RouteMatch,
    RouteRule,
    Timeouts,
    URLRewrite,
    ValueMatch,
    ValueMatchType,
)
from translator.objects.virtual_service import (
    CorsPolicy,
    HeaderOperations,
    Headers,
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    Percent,
    RedirectPortSelection,
    RegexRewrite,
    StringMatch,
    UnmatchedPreflights,
)

# How a rule's backends and mirrors are found, by their position: those of ``backendRefs``, then those of filters.
Backends = Mapping[tuple[str, int], Backend]

_RETRY_CONDITIONS: Final = "connect-failure,refused-stream,unavailable,cancelled"
_DEFAULT_ATTEMPTS: Final = 2
_WHOLE: Final = 100
# What may follow the scheme of an origin; it has no path, query or fragment.
_ANY_AUTHORITY: Final = r"[^/?#\s]+"
_ANY_PART: Final = r"[^/?#\s]*"


def build_rule(rule: RouteRule, name: str, backends: Backends, port: int = 0) -> HTTPRoute:
    """A rule in the model's form. ``port``: the only port of the service at which it counts; 0 is every port."""
    filters = {each.type: each for each in rule.filters}
    redirect = next((each.request_redirect for each in rule.filters if each.request_redirect), None)
    rewrite = next((each.url_rewrite for each in rule.filters if each.url_rewrite), None)
    cors = next((each.cors for each in rule.filters if each.cors), None)
    destinations = tuple(_destinations(rule, backends)) if redirect is None else ()
    return HTTPRoute(
        name=name,
        match=tuple(_build_match(match, port) for match in rule.matches or (RouteMatch(),)),
        route=destinations,
        redirect=_build_redirect(redirect) if redirect else None,
        direct_response=None if destinations or redirect else HTTPDirectResponse(status=500),
        rewrite=_build_rewrite(rewrite) if rewrite else None,
        timeout=_request_timeout(rule.timeouts, rule.retry),
        retries=_build_retry(rule.retry, rule.timeouts),
        mirrors=tuple(_mirrors(rule.filters, backends)),
        cors_policy=_build_cors(cors) if cors else None,
        headers=_build_headers(filters.values()),
    )


def match_rank(match: HTTPMatchRequest) -> tuple[int, int, bool, int, int]:
    """Sort key among the matches of a host, first one first.

    Gateway API: exact paths, then prefixes, then (Istio) expressions; among those the longer path; then a method;
    then more headers; then more query parameters.
    """
    uri = match.uri or StringMatch(prefix="/")
    texts = (uri.exact, uri.prefix, uri.regex)
    kind = next(position for position, text in enumerate(texts) if text is not None)
    return (kind, -len(texts[kind] or ""), match.method is None, -len(match.headers), -len(match.query_params))


def _build_match(match: RouteMatch, port: int) -> HTTPMatchRequest:
    """Gateway API: of several conditions on one header or parameter the first counts."""
    path = match.path
    if path.type is PathMatchType.EXACT:
        uri = StringMatch(exact=path.value)
    elif path.type is PathMatchType.REGULAR_EXPRESSION:
        uri = StringMatch(regex=path.value)
    else:
        uri = StringMatch(prefix=path.value.rstrip("/") or "/")
    headers = ((each.name.lower(), each) for each in reversed(match.headers))
    parameters = ((each.name, each) for each in reversed(match.query_params))
    return HTTPMatchRequest(
        uri=uri,
        method=StringMatch(exact=match.method) if match.method else None,
        headers={name: _compare(each) for name, each in headers},
        query_params={name: _compare(each) for name, each in parameters},
        port=port,
    )


def _compare(match: ValueMatch) -> StringMatch:
    if match.type is ValueMatchType.REGULAR_EXPRESSION:
        return StringMatch(regex=match.value)
    return StringMatch(exact=match.value)


def _destinations(rule: RouteRule, backends: Backends) -> Iterator[HTTPRouteDestination]:
    """Those that get requests at all: without any, every request gets 500."""
    for position, reference in enumerate(rule.backend_refs):
        if reference.weight > 0:
            destination = backends["backendRefs", position].destination
            yield HTTPRouteDestination(
                destination=destination, weight=reference.weight, headers=_build_headers(reference.filters)
            )


def _mirrors(filters: Iterable[RouteFilter], backends: Backends) -> Iterator[HTTPMirrorPolicy]:
    """A backend that cannot be used gets no copies, and nobody else suffers for it."""
    for position, each in enumerate(filters):
        if each.request_mirror is not None and not backends["filters", position].reason:
            yield HTTPMirrorPolicy(
                destination=backends["filters", position].destination,
                percentage=Percent(value=_share(each.request_mirror)),
            )


def _share(mirror: RequestMirror) -> float:
    if mirror.fraction is not None:
        return _WHOLE * mirror.fraction.numerator / mirror.fraction.denominator
    return _WHOLE if mirror.percent is None else mirror.percent


def _build_headers(filters: Iterable[RouteFilter]) -> Headers | None:
    request = next((each.request_header_modifier for each in filters if each.request_header_modifier), None)
    response = next((each.response_header_modifier for each in filters if each.response_header_modifier), None)
    if request is None and response is None:
        return None
    return Headers(
        request=_build_operations(request) if request else None,
        response=_build_operations(response) if response else None,
    )


def _build_operations(modifier: HeaderModifier) -> HeaderOperations:
    return HeaderOperations(
        set=_first_of_each(modifier.set), add=_first_of_each(modifier.add), remove=tuple(dict.fromkeys(modifier.remove))
    )


def _first_of_each(headers: Iterable[HeaderValue]) -> dict[str, str]:
    """Gateway API: of several entries for one header, in whatever case, the first counts."""
    found: dict[str, HeaderValue] = {}
    for each in headers:
        found.setdefault(each.name.lower(), each)
    return {each.name: each.value for each in found.values()}


def _build_redirect(redirect: RequestRedirect) -> HTTPRedirect:
    """Gateway API: without port and scheme the port of the listener stays, with a scheme alone its well-known port."""
    keeps_port = not redirect.port and not redirect.scheme
    path = redirect.path
    return HTTPRedirect(
        uri=(path.replace_full_path or "") if path else "",
        prefix_rewrite=_replacement(path) if path and path.replace_prefix_match is not None else "",
        authority=redirect.hostname,
        scheme=redirect.scheme,
        port=redirect.port or None,
        derive_port=RedirectPortSelection.FROM_REQUEST_PORT if keeps_port else None,
        redirect_code=redirect.status_code,
    )


def _build_rewrite(rewrite: URLRewrite) -> HTTPRewrite:
    path = rewrite.path
    full = path.replace_full_path if path else None
    return HTTPRewrite(
        authority=rewrite.hostname,
        uri=_replacement(path) if path and path.replace_prefix_match is not None else "",
        uri_regex_rewrite=None
        if full is None
        else RegexRewrite(match="/.*", rewrite=full.replace("\\", "\\\\") or "/"),
    )


def _replacement(path: PathModifier) -> str:
    return (path.replace_prefix_match or "").rstrip("/") or "/"


def _request_timeout(timeouts: Timeouts, retry: Retry | None) -> Duration | None:
    """Without retries there is one try, so that the shorter of both limits is the limit; ``0s`` is none."""
    limits = [timeouts.request] if retry else [timeouts.request, timeouts.backend_request]
    given = [limit for limit in limits if limit]
    return min(given) if given else None


def _build_retry(retry: Retry | None, timeouts: Timeouts) -> HTTPRetry | None:
    if retry is None:
        return None
    return HTTPRetry(
        attempts=_DEFAULT_ATTEMPTS if retry.attempts is None else retry.attempts,
        retry_on=",".join((_RETRY_CONDITIONS, *map(str, retry.codes))),
        per_try_timeout=timeouts.backend_request or None,
        backoff=retry.backoff,
    )


def _build_cors(cors: CORS) -> CorsPolicy:
    return CorsPolicy(
        allow_origins=tuple(map(_match_origin, cors.allow_origins)),
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
        expose_headers=cors.expose_headers,
        max_age=Duration.of(seconds=cors.max_age) if cors.max_age > 0 else None,
        allow_credentials=cors.allow_credentials or None,
        unmatched_preflights=UnmatchedPreflights.IGNORE,
    )


def _match_origin(origin: str) -> StringMatch:
    """An origin is matched as a whole, so that ``https://a.com`` does not let ``https://a.com.evil`` in."""
    if origin == "*":
        return StringMatch(regex=rf"[a-zA-Z][a-zA-Z0-9+.-]*://{_ANY_AUTHORITY}")
    if "*" not in origin:
        return StringMatch(exact=origin)
    return StringMatch(regex=_ANY_PART.join(map(re.escape, origin.split("*"))))
