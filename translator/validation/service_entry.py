"""Rules for ServiceEntry."""

from typing import Final

from translator.diagnostics import Violation
from translator.model.host import is_ip, is_wildcard
from translator.model.protocol import Protocol, parse_protocol
from translator.objects.service_entry import ServiceEntry, ServiceEntryResolution, ServiceEntrySpec
from translator.validation.address import UNIX_PREFIX, subnet_fault
from translator.validation.export_to import check_export_to
from translator.validation.hostname import address_fault, fqdn_fault, wildcard_domain_fault
from translator.validation.label import check_selector
from translator.validation.port import port_fault, port_name_fault, protocol_fault
from translator.validation.report import Report, indexed, keyed
from translator.validation.workload import check_workload

_BY_DNS: Final = frozenset({ServiceEntryResolution.DNS, ServiceEntryResolution.DNS_ROUND_ROBIN})
_AUTO_ALLOCATE: Final = "networking.istio.io/enable-autoallocate-ip"
_DYNAMIC_PROTOCOLS: Final = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS})


def validate_service_entry(obj: ServiceEntry) -> tuple[Violation, ...]:
    """Check one ServiceEntry by itself."""
    report, spec = Report(), obj.spec
    if spec.workload_selector is not None:
        check_selector(report, "spec.workloadSelector.labels", spec.workload_selector.labels)
        if spec.endpoints:
            report.error("spec.endpoints", "cannot be combined with workloadSelector")
    _check_hosts(report, spec)
    _check_addresses(report, spec)
    _check_ports(report, spec)
    if obj.metadata.labels.get(_AUTO_ALLOCATE) == "false":
        _check_reachable_by_address(report, spec)
    _check_resolution(report, spec)
    check_export_to(report, spec.export_to, obj.metadata.namespace, nobody_allowed=True)
    return report.violations


def _check_hosts(report: Report, spec: ServiceEntrySpec) -> None:
    if not spec.hosts:
        report.error("spec.hosts", "at least one host is needed")
    for path, host in indexed("spec.hosts", spec.hosts):
        if host == "*":
            report.error(path, "'*' cannot be a service")
            continue
        report.require(path, wildcard_domain_fault(host))
        if is_wildcard(host) and not host.startswith("*."):
            report.warn(path, f"{host!r}: a wildcard that is only a part of a label is not supported everywhere")
    names = {parse_protocol(port.protocol) for port in spec.ports}
    opaque = [protocol for protocol in names if not protocol.is_http and not protocol.is_tls]
    if spec.resolution is not ServiceEntryResolution.NONE and len(spec.hosts) > 1 and opaque:
        report.error("spec.hosts", "several hosts cannot be told apart on ports that are neither HTTP nor TLS")


def _check_addresses(report: Report, spec: ServiceEntrySpec) -> None:
    for path, address in indexed("spec.addresses", spec.addresses):
        report.require(path, subnet_fault(address))
        if "/" in address and spec.resolution not in (ServiceEntryResolution.NONE, ServiceEntryResolution.STATIC):
            report.error(path, "subnets are for resolution NONE and STATIC only")


def _check_ports(report: Report, spec: ServiceEntrySpec) -> None:
    names: set[str] = set()
    numbers: set[int] = set()
    for path, port in indexed("spec.ports", spec.ports):
        report.require(f"{path}.name", port_name_fault(port.name))
        report.require(f"{path}.number", port_fault(port.number))
        report.require(f"{path}.protocol", protocol_fault(port.protocol))
        if port.target_port:
            report.require(f"{path}.targetPort", port_fault(port.target_port))
        if port.name in names:
            report.error(f"{path}.name", f"port name {port.name!r} is given twice")
        if port.number in numbers:
            report.error(f"{path}.number", f"port {port.number} is given twice")
        names.add(port.name)
        numbers.add(port.number)


def _check_reachable_by_address(report: Report, spec: ServiceEntrySpec) -> None:
    for path, port in indexed("spec.ports", spec.ports):
        if not spec.addresses and port.protocol.upper() in ("", "TCP"):
            report.warn(f"{path}.protocol", "a TCP port without addresses is told apart from others by number only")


def _check_resolution(report: Report, spec: ServiceEntrySpec) -> None:
    match spec.resolution:
        case ServiceEntryResolution.NONE:
            if spec.endpoints:
                report.error("spec.endpoints", "resolution NONE takes the address of each connection")
            if spec.workload_selector is not None:
                report.warn("spec.workloadSelector", "has no effect with resolution NONE")
        case ServiceEntryResolution.STATIC:
            _check_static(report, spec)
        case ServiceEntryResolution.DYNAMIC_DNS:
            _check_dynamic_dns(report, spec)
        case _:
            _check_dns(report, spec)


def _check_static(report: Report, spec: ServiceEntrySpec) -> None:
    for path, endpoint in indexed("spec.endpoints", spec.endpoints):
        check_workload(report, path, endpoint)
        if endpoint.address.startswith(UNIX_PREFIX):
            if len(spec.ports) != 1:
                report.error(f"{path}.address", "a Unix domain socket needs a service with exactly one port")
        elif endpoint.address and not is_ip(endpoint.address):
            report.error(f"{path}.address", f"{endpoint.address!r} is not an IP address (resolution is STATIC)")
    _check_endpoint_ports(report, spec)


def _check_dns(report: Report, spec: ServiceEntrySpec) -> None:
    if not spec.endpoints and spec.workload_selector is None:
        for path, host in indexed("spec.hosts", spec.hosts):
            if fqdn_fault(host) and not wildcard_domain_fault(host):
                report.error(path, f"{host!r} cannot be resolved by DNS: give endpoints")
    for path, endpoint in indexed("spec.endpoints", spec.endpoints):
        check_workload(report, path, endpoint)
        if endpoint.address or endpoint.network:
            report.require(f"{path}.address", address_fault(endpoint.address))
    if spec.resolution is ServiceEntryResolution.DNS_ROUND_ROBIN and len(spec.endpoints) > 1:
        report.error("spec.endpoints", "resolution DNS_ROUND_ROBIN allows one endpoint only")
    if spec.addresses and len(spec.hosts) > 1 and any(parse_protocol(port.protocol).is_tcp for port in spec.ports):
        report.warn("spec.hosts", "several hosts share the addresses: TCP ports cannot tell them apart")
    _check_endpoint_ports(report, spec)


def _check_dynamic_dns(report: Report, spec: ServiceEntrySpec) -> None:
    for path, host in indexed("spec.hosts", spec.hosts):
        if not is_wildcard(host):
            report.error(path, f"{host!r} is not a wildcard: use resolution DNS")
    for field, given in (("addresses", spec.addresses), ("endpoints", spec.endpoints)):
        if given:
            report.error(f"spec.{field}", "resolution DYNAMIC_DNS takes the address from the name of each request")
    for path, port in indexed("spec.ports", spec.ports):
        if parse_protocol(port.protocol) not in _DYNAMIC_PROTOCOLS:
            report.error(f"{path}.protocol", "resolution DYNAMIC_DNS needs HTTP, HTTP2, GRPC or TLS")


def _check_endpoint_ports(report: Report, spec: ServiceEntrySpec) -> None:
    known = {port.name for port in spec.ports}
    for path, endpoint in indexed("spec.endpoints", spec.endpoints):
        for entry, name, _ in keyed(f"{path}.ports", endpoint.ports):
            if name not in known:
                report.error(entry, f"the service has no port {name!r}")
