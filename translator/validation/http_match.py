"""Rules for the conditions of an HTTP rule."""

from collections.abc import Mapping

from translator.objects.virtual_service import HTTPMatchRequest, StringMatch
from translator.validation.gateway_name import check_gateway_names
from translator.validation.header import is_claim_match, match_name_fault
from translator.validation.hostname import dns_label_fault
from translator.validation.label import check_labels
from translator.validation.port import port_fault
from translator.validation.report import Report, keyed
from translator.validation.string_match import check_path_match, check_string_match


def check_http_match(report: Report, path: str, match: HTTPMatchRequest, *, claims_allowed: bool) -> None:
    """Check all conditions; matches on claims of a token need a gateway that verifies it."""
    check_path_match(report, f"{path}.uri", match.uri)
    check_string_match(report, f"{path}.scheme", match.scheme)
    check_string_match(report, f"{path}.method", match.method)
    check_string_match(report, f"{path}.authority", match.authority)
    for entry, _, condition in keyed(f"{path}.headers", match.headers):
        check_string_match(report, entry, condition)
    for entry, _, absence in keyed(f"{path}.withoutHeaders", match.without_headers):
        # Istio: "*" here is not an expression but asks for the absence of the header.
        if absence is None or absence.regex != "*":
            check_string_match(report, entry, absence)
    _check_names(report, f"{path}.headers", match.headers, claims_allowed=claims_allowed)
    _check_names(report, f"{path}.withoutHeaders", match.without_headers, claims_allowed=claims_allowed)
    for entry, _, parameter in keyed(f"{path}.queryParams", match.query_params):
        check_string_match(report, entry, parameter)
    if match.port:
        report.require(f"{path}.port", port_fault(match.port))
    check_labels(report, f"{path}.sourceLabels", match.source_labels)
    check_gateway_names(report, f"{path}.gateways", match.gateways)
    if match.source_namespace:
        report.require(f"{path}.sourceNamespace", dns_label_fault(match.source_namespace))


def _check_names(
    report: Report, path: str, conditions: Mapping[str, StringMatch | None], *, claims_allowed: bool
) -> None:
    for entry, name, condition in keyed(path, conditions):
        report.require(entry, match_name_fault(name))
        if not is_claim_match(name):
            continue
        if not claims_allowed:
            report.error(entry, "claims can be matched by gateways only")
        if condition is None or (condition.exact, condition.prefix, condition.regex) == (None, None, None):
            report.error(entry, "a match on a claim needs a value")
