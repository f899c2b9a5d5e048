"""Rules for PeerAuthentication."""

from translator.diagnostics import Violation
from translator.objects.security import PeerAuthentication
from translator.validation.label import check_selector
from translator.validation.port import port_fault
from translator.validation.report import Report


def validate_peer_authentication(obj: PeerAuthentication) -> tuple[Violation, ...]:
    """Check one PeerAuthentication by itself."""
    report, spec = Report(), obj.spec
    if spec.selector is not None:
        check_selector(report, "spec.selector.matchLabels", spec.selector.match_labels)
    if spec.port_level_mtls is None:
        return report.violations
    if not spec.port_level_mtls:
        report.error("spec.portLevelMtls", "at least one port is needed")
    if spec.selector is None or not spec.selector.match_labels:
        report.error("spec.portLevelMtls", "needs a selector: ports belong to workloads")
    for number in spec.port_level_mtls:
        text = str(number)
        fault = port_fault(int(text)) if text.isascii() and text.isdigit() else f"{text!r} is not a port number"
        report.require(f"spec.portLevelMtls[{text}]", fault)
    return report.violations
