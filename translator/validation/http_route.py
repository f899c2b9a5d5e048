"""Rules for one HTTP rule of a VirtualService."""

from translator.objects.virtual_service import HTTPRoute
from translator.validation.destination import check_weighted_destinations
from translator.validation.duration import check_duration
from translator.validation.header import check_headers
from translator.validation.hostname import dns_label_fault
from translator.validation.http_action import check_direct_response, check_redirect, check_rewrite
from translator.validation.http_match import check_http_match
from translator.validation.http_policy import check_cors, check_fault, check_mirrors, check_retries
from translator.validation.report import Report, indexed


def check_http_route(report: Report, path: str, http: HTTPRoute, *, in_delegate: bool, claims_allowed: bool) -> None:
    """Check a rule as a whole; ``in_delegate`` if its VirtualService has no hosts."""
    _check_action(report, path, http, in_delegate=in_delegate)
    for entry, match in indexed(f"{path}.match", http.match):
        check_http_match(report, entry, match, claims_allowed=claims_allowed)
    check_weighted_destinations(report, f"{path}.route", http.route)
    for entry, route in indexed(f"{path}.route", http.route):
        check_headers(report, f"{entry}.headers", route.headers)
    check_redirect(report, f"{path}.redirect", http.redirect, http.match)
    check_direct_response(report, f"{path}.directResponse", http.direct_response)
    check_rewrite(report, f"{path}.rewrite", http.rewrite, http.headers)
    check_headers(report, f"{path}.headers", http.headers)
    check_mirrors(report, path, http)
    check_duration(report, f"{path}.timeout", http.timeout)
    check_retries(report, f"{path}.retries", http.retries)
    check_fault(report, f"{path}.fault", http.fault)
    check_cors(report, f"{path}.corsPolicy", http.cors_policy)


def _check_action(report: Report, path: str, http: HTTPRoute, *, in_delegate: bool) -> None:
    """Rule: exactly one action, and nothing beside it that it would ignore."""
    if http.delegate is not None:
        _check_delegate(report, path, http, in_delegate=in_delegate)
    elif http.redirect is not None:
        _exclude(report, path, http, "redirect", ("route", "directResponse", "fault", "rewrite"))
    elif http.direct_response is not None:
        _exclude(report, path, http, "directResponse", ("route", "fault", "rewrite"))
    elif not http.route:
        report.error(path, "one of route, redirect, directResponse and delegate must be set")


def _check_delegate(report: Report, path: str, http: HTTPRoute, *, in_delegate: bool) -> None:
    if in_delegate:
        report.error(f"{path}.delegate", "a delegate (a VirtualService without hosts) cannot delegate further")
    _exclude(report, path, http, "delegate", ("route", "redirect", "directResponse"))
    if http.delegate is None:
        return
    if not http.delegate.name:
        report.error(f"{path}.delegate.name", "must not be empty")
    if http.delegate.namespace:
        report.require(f"{path}.delegate.namespace", dns_label_fault(http.delegate.namespace))


def _exclude(report: Report, path: str, http: HTTPRoute, action: str, others: tuple[str, ...]) -> None:
    given = {
        "route": bool(http.route),
        "redirect": http.redirect is not None,
        "directResponse": http.direct_response is not None,
        "fault": http.fault is not None,
        "rewrite": http.rewrite is not None,
    }
    for other in others:
        if given[other]:
            report.error(f"{path}.{other}", f"cannot be combined with {action}")
