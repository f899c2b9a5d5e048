"""Rules for Kubernetes' own objects: what would make Envoy refuse a whole resource.

The API server has checked them when they come from a cluster; nobody has when they come from files.
"""

from typing import Final

from translator.diagnostics import Violation
from translator.objects.core import EndpointSlice, Pod, Service
from translator.validation.address import ip_fault
from translator.validation.hostname import dns_label_fault
from translator.validation.port import port_fault
from translator.validation.report import Report, indexed

_HEADLESS: Final = "None"
_IP_TYPES: Final = frozenset({"IPv4", "IPv6"})


def validate_service(obj: Service) -> tuple[Violation, ...]:
    """Check one Service: its name is a DNS label, its ports and addresses are such."""
    report, spec = Report(), obj.spec
    report.require("metadata.name", dns_label_fault(obj.metadata.name))
    seen: set[tuple[str, int]] = set()
    for path, port in indexed("spec.ports", spec.ports):
        report.require(f"{path}.port", port_fault(port.port))
        if isinstance(port.target_port, int) and port.target_port:
            report.require(f"{path}.targetPort", port_fault(port.target_port))
        if (port.protocol, port.port) in seen:
            report.error(f"{path}.port", f"port {port.port} ({port.protocol}) is given twice")
        seen.add((port.protocol, port.port))
    if spec.cluster_ip not in ("", _HEADLESS):
        report.require("spec.clusterIP", ip_fault(spec.cluster_ip))
    for path, address in indexed("spec.clusterIPs", spec.cluster_ips):
        if address not in ("", _HEADLESS):
            report.require(path, ip_fault(address))
    return report.violations


def validate_endpoint_slice(obj: EndpointSlice) -> tuple[Violation, ...]:
    """Check one EndpointSlice: addresses fit the type, ports are such."""
    report = Report()
    if obj.address_type in _IP_TYPES:
        for path, endpoint in indexed("endpoints", obj.endpoints):
            for entry, address in indexed(f"{path}.addresses", endpoint.addresses):
                report.require(entry, ip_fault(address))
    for path, port in indexed("ports", obj.ports):
        if port.port is not None:
            report.require(f"{path}.port", port_fault(port.port))
    return report.violations


def validate_pod(obj: Pod) -> tuple[Violation, ...]:
    """Check one Pod: its addresses are such."""
    report = Report()
    if obj.status.pod_ip:
        report.require("status.podIP", ip_fault(obj.status.pod_ip))
    for path, address in indexed("status.podIPs", obj.status.pod_ips):
        report.require(f"{path}.ip", ip_fault(address.ip))
    return report.violations
