"""Rules for gateways of the Gateway API."""

from translator.diagnostics import Violation
from translator.objects.gateway_api import FromNamespaces, KubernetesGateway, Listener, ListenerTLSMode
from translator.validation.hostname import wildcard_domain_fault
from translator.validation.port import port_fault
from translator.validation.report import Report, indexed

_MOST_LISTENERS = 64
_PLAIN = ("HTTP", "TCP", "UDP")


def validate_kubernetes_gateway(obj: KubernetesGateway) -> tuple[Violation, ...]:
    """All that is wrong with a gateway by itself."""
    report = Report()
    spec = obj.spec
    if not spec.gateway_class_name:
        report.error("spec.gatewayClassName", "must not be empty")
    if not 1 <= len(spec.listeners) <= _MOST_LISTENERS:
        report.error("spec.listeners", f"must be 1 to {_MOST_LISTENERS}, not {len(spec.listeners)}")
    seen: set[str] = set()
    for path, listener in indexed("spec.listeners", spec.listeners):
        if listener.name in seen:
            report.error(f"{path}.name", f"{listener.name!r} is given twice")
        seen.add(listener.name)
        _check_listener(report, path, listener)
    return report.violations


def _check_listener(report: Report, path: str, listener: Listener) -> None:
    if not listener.name:
        report.error(f"{path}.name", "must not be empty")
    report.require(f"{path}.port", port_fault(listener.port))
    if listener.hostname:
        fault = "must not be * alone; leave it out" if listener.hostname == "*" else ""
        report.require(f"{path}.hostname", fault or wildcard_domain_fault(listener.hostname))
        if listener.protocol in ("TCP", "UDP"):
            report.error(f"{path}.hostname", f"cannot be combined with protocol {listener.protocol}")
    if listener.tls is not None:
        if listener.protocol in _PLAIN:
            report.error(f"{path}.tls", f"cannot be combined with protocol {listener.protocol}")
        if listener.protocol == "HTTPS" and listener.tls.mode is ListenerTLSMode.PASSTHROUGH:
            report.error(f"{path}.tls.mode", "must be Terminate with protocol HTTPS")
    namespaces = listener.allowed_routes.namespaces
    if (namespaces.from_ is FromNamespaces.SELECTOR) != (namespaces.selector is not None):
        report.error(f"{path}.allowedRoutes.namespaces.selector", "goes with from: Selector, and only with it")
