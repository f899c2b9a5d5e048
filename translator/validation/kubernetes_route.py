"""Rules for HTTPRoutes, as the Gateway API's own admission checks have them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from translator.diagnostics import Violation
from translator.objects.kubernetes_route import (
    BackendObjectReference,
    BackendRef,
    FilterType,
    HeaderModifier,
    KubernetesRoute,
    PathMatchType,
    PathModifier,
    PathModifierType,
    RequestMirror,
    RouteFilter,
    RouteMatch,
    RouteRule,
    ValueMatch,
    ValueMatchType,
)
from translator.validation.duration import check_duration, check_duration_or_zero
from translator.validation.header import header_name_fault
from translator.validation.hostname import fqdn_fault, wildcard_domain_fault
from translator.validation.port import port_fault
from translator.validation.regex import regex_fault
from translator.validation.report import Report, count_set, indexed

_REDIRECT_CODES: Final = (301, 302, 303, 307, 308)
_MOST_WEIGHT: Final = 1_000_000
_WHOLE: Final = 100
_CODES: Final = range(400, 600)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
# The field that a filter of each type has beside its type.
_FILTER_FIELDS: Final = {
    FilterType.REQUEST_HEADER_MODIFIER: "requestHeaderModifier",
    FilterType.RESPONSE_HEADER_MODIFIER: "responseHeaderModifier",
    FilterType.REQUEST_MIRROR: "requestMirror",
    FilterType.REQUEST_REDIRECT: "requestRedirect",
    FilterType.URL_REWRITE: "urlRewrite",
    FilterType.CORS: "cors",
    FilterType.EXTERNAL_AUTH: "externalAuth",
    FilterType.EXTENSION_REF: "extensionRef",
}
_ATTRIBUTES: Final = {field.encode_name: field.name for field in msgspec.structs.fields(RouteFilter)}
_UNSUPPORTED: Final = (FilterType.EXTERNAL_AUTH, FilterType.EXTENSION_REF)
_REPEATABLE: Final = (FilterType.REQUEST_MIRROR, *_UNSUPPORTED)
_OF_BACKENDS: Final = (FilterType.REQUEST_HEADER_MODIFIER, FilterType.RESPONSE_HEADER_MODIFIER)


def validate_kubernetes_route(obj: KubernetesRoute) -> tuple[Violation, ...]:
    """All that is wrong with an HTTPRoute by itself."""
    report = Report()
    for path, parent in indexed("spec.parentRefs", obj.spec.parent_refs):
        if parent.port:
            report.require(f"{path}.port", port_fault(parent.port))
    for path, hostname in indexed("spec.hostnames", obj.spec.hostnames):
        fault = "must not be * alone; leave it out" if hostname == "*" else ""
        report.require(path, fault or wildcard_domain_fault(hostname))
    for path, rule in indexed("spec.rules", obj.spec.rules):
        _check_rule(report, path, rule)
    return report.violations


def _check_rule(report: Report, path: str, rule: RouteRule) -> None:
    for place, match in indexed(f"{path}.matches", rule.matches):
        _check_match(report, place, match)
    _check_filters(report, f"{path}.filters", rule.filters)
    kinds = {each.type for each in rule.filters}
    if FilterType.REQUEST_REDIRECT in kinds:
        if rule.backend_refs:
            report.error(f"{path}.backendRefs", "cannot be combined with a RequestRedirect")
        if FilterType.URL_REWRITE in kinds:
            report.error(f"{path}.filters", "RequestRedirect cannot be combined with URLRewrite")
    _check_prefix_replacement(report, path, rule)
    for place, backend in indexed(f"{path}.backendRefs", rule.backend_refs):
        _check_backend(report, place, backend)
        if not 0 <= backend.weight <= _MOST_WEIGHT:
            report.error(f"{place}.weight", f"must be 0 to {_MOST_WEIGHT}, not {backend.weight}")
        _check_filters(report, f"{place}.filters", backend.filters, of_backend=True)
    _check_limits(report, path, rule)


def _check_match(report: Report, path: str, match: RouteMatch) -> None:
    value = match.path.value
    if match.path.type is PathMatchType.REGULAR_EXPRESSION:
        report.require(f"{path}.path.value", regex_fault(value))
    else:
        report.require(f"{path}.path.value", _path_fault(value))
    for place, header in indexed(f"{path}.headers", match.headers):
        report.require(f"{place}.name", header_name_fault(header.name))
        _check_value(report, place, header)
    for place, parameter in indexed(f"{path}.queryParams", match.query_params):
        if not parameter.name:
            report.error(f"{place}.name", "must not be empty")
        _check_value(report, place, parameter)
    if match.method and match.method not in _METHODS:
        report.error(f"{path}.method", f"{match.method!r} is not one of {', '.join(_METHODS)}")


def _check_value(report: Report, path: str, match: ValueMatch) -> None:
    if match.type is ValueMatchType.REGULAR_EXPRESSION:
        report.require(f"{path}.value", regex_fault(match.value))
    elif not match.value:
        report.error(f"{path}.value", "must not be empty")


def _path_fault(value: str) -> str:
    if not value.startswith("/"):
        return f"{value!r} does not begin with a slash"
    wrong = next((part for part in ("//", "/./", "/../", "%2f", "%2F", "#") if part in value), "")
    if wrong:
        return f"must not contain {wrong!r}"
    return f"must not end with {value[value.rfind('/') :]!r}" if value.endswith(("/.", "/..")) else ""


def _check_filters(report: Report, path: str, filters: Iterable[RouteFilter], *, of_backend: bool = False) -> None:
    seen: set[FilterType] = set()
    for place, each in indexed(path, filters):
        if each.type in _UNSUPPORTED:
            report.error(f"{place}.type", f"{each.type} is not supported")
        elif of_backend and each.type not in _OF_BACKENDS:
            report.error(f"{place}.type", f"{each.type} is not supported at a backend, only at the rule")
        if each.type in seen and each.type not in _REPEATABLE:
            report.error(f"{place}.type", f"{each.type} is given twice")
        seen.add(each.type)
        for kind, field in _FILTER_FIELDS.items():
            is_set = getattr(each, _ATTRIBUTES[field]) is not None
            if is_set != (kind is each.type):
                report.error(f"{place}.{field}", f"must {'not ' if is_set else ''}be set with type {each.type}")
        _check_filter(report, place, each)


def _check_filter(report: Report, path: str, each: RouteFilter) -> None:
    _check_modifier(report, f"{path}.requestHeaderModifier", each.request_header_modifier)
    _check_modifier(report, f"{path}.responseHeaderModifier", each.response_header_modifier)
    if each.request_mirror is not None:
        _check_mirror(report, f"{path}.requestMirror", each.request_mirror)
    redirect, rewrite = each.request_redirect, each.url_rewrite
    if redirect is not None:
        if redirect.status_code not in _REDIRECT_CODES:
            codes = ", ".join(map(str, _REDIRECT_CODES))
            report.error(f"{path}.requestRedirect.statusCode", f"{redirect.status_code} is not one of {codes}")
        if redirect.port:
            report.require(f"{path}.requestRedirect.port", port_fault(redirect.port))
        if redirect.scheme not in ("", "http", "https"):
            report.error(f"{path}.requestRedirect.scheme", f"{redirect.scheme!r} is not one of http, https")
        if redirect.hostname:
            report.require(f"{path}.requestRedirect.hostname", fqdn_fault(redirect.hostname))
        _check_path_modifier(report, f"{path}.requestRedirect.path", redirect.path)
    if rewrite is not None:
        if rewrite.hostname:
            report.require(f"{path}.urlRewrite.hostname", fqdn_fault(rewrite.hostname))
        _check_path_modifier(report, f"{path}.urlRewrite.path", rewrite.path)


def _check_modifier(report: Report, path: str, modifier: HeaderModifier | None) -> None:
    if modifier is None:
        return
    for field, headers in (("set", modifier.set), ("add", modifier.add)):
        for place, header in indexed(f"{path}.{field}", headers):
            report.require(f"{place}.name", header_name_fault(header.name))
            if any(ord(letter) < ord(" ") and letter != "\t" for letter in header.value):
                report.error(f"{place}.value", "must not contain control characters")
    for place, name in indexed(f"{path}.remove", modifier.remove):
        report.require(place, header_name_fault(name))


def _check_mirror(report: Report, path: str, mirror: RequestMirror) -> None:
    _check_backend(report, f"{path}.backendRef", mirror.backend_ref)
    if count_set(mirror.percent, mirror.fraction) > 1:
        report.error(path, "percent and fraction cannot be combined")
    if mirror.percent is not None and not 0 <= mirror.percent <= _WHOLE:
        report.error(f"{path}.percent", f"must be 0 to {_WHOLE}, not {mirror.percent}")
    share = mirror.fraction
    if share is not None and not 0 <= share.numerator <= max(share.denominator, 0):
        report.error(f"{path}.fraction", f"{share.numerator}/{share.denominator} is not a share of the whole")
    if share is not None and share.denominator <= 0:
        report.error(f"{path}.fraction.denominator", "must be at least 1")


def _check_path_modifier(report: Report, path: str, modifier: PathModifier | None) -> None:
    if modifier is None:
        return
    is_full = modifier.type is PathModifierType.REPLACE_FULL_PATH
    wanted, other = (
        (modifier.replace_full_path, modifier.replace_prefix_match)
        if is_full
        else (modifier.replace_prefix_match, modifier.replace_full_path)
    )
    names = ("replaceFullPath", "replacePrefixMatch") if is_full else ("replacePrefixMatch", "replaceFullPath")
    if wanted is None:
        report.error(f"{path}.{names[0]}", f"must be set with type {modifier.type}")
    if other is not None:
        report.error(f"{path}.{names[1]}", f"must not be set with type {modifier.type}")


def _check_prefix_replacement(report: Report, path: str, rule: RouteRule) -> None:
    """Rule: what replaces the matched prefix needs one match, by prefix."""
    for place, each in indexed(f"{path}.filters", rule.filters):
        change = each.request_redirect or each.url_rewrite
        modifier = change.path if change else None
        if modifier is None or modifier.type is not PathModifierType.REPLACE_PREFIX_MATCH:
            continue
        if any(match.path.type is not PathMatchType.PATH_PREFIX for match in rule.matches):
            field = "requestRedirect" if each.request_redirect else "urlRewrite"
            report.error(f"{place}.{field}.path.type", "ReplacePrefixMatch needs matches of type PathPrefix")


def _check_backend(report: Report, path: str, backend: BackendRef | BackendObjectReference) -> None:
    if not backend.name:
        report.error(f"{path}.name", "must not be empty")
    if (backend.group, backend.kind) == ("", "Service"):
        if "." in backend.name:
            report.error(f"{path}.name", f"{backend.name!r} is not the name of a Service; dots do not belong there")
        if not backend.port:
            report.error(f"{path}.port", "must be set for a Service")
    if backend.port:
        report.require(f"{path}.port", port_fault(backend.port))


def _check_limits(report: Report, path: str, rule: RouteRule) -> None:
    timeouts, retry = rule.timeouts, rule.retry
    check_duration_or_zero(report, f"{path}.timeouts.request", timeouts.request)
    check_duration_or_zero(report, f"{path}.timeouts.backendRequest", timeouts.backend_request)
    if timeouts.request and timeouts.backend_request and timeouts.backend_request > timeouts.request:
        report.error(f"{path}.timeouts.backendRequest", f"must not be longer than request ({timeouts.request})")
    if retry is None:
        return
    check_duration(report, f"{path}.retry.backoff", retry.backoff)
    if retry.attempts is not None and retry.attempts < 0:
        report.error(f"{path}.retry.attempts", "must not be negative")
    for place, code in indexed(f"{path}.retry.codes", retry.codes):
        if code not in _CODES:
            report.error(place, f"must be 400 to 599, not {code}")
