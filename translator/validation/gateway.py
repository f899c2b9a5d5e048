"""Rules for Istio's Gateway."""

from translator.diagnostics import Violation
from translator.model.host import is_ip
from translator.model.protocol import Protocol, parse_protocol
from translator.objects.gateway import IstioGateway, Server
from translator.validation.address import UNIX_PREFIX, ip_fault, unix_fault
from translator.validation.hostname import dns_label_fault, is_dns_label, wildcard_domain_fault
from translator.validation.label import check_selector
from translator.validation.port import port_fault, protocol_fault
from translator.validation.report import Report, indexed
from translator.validation.server_tls import check_server_tls, has_only_redirect


def validate_gateway(obj: IstioGateway) -> tuple[Violation, ...]:
    """Check one Gateway by itself: that no proxy fits its selector is never its fault."""
    report, spec = Report(), obj.spec
    report.require("metadata.name", dns_label_fault(obj.metadata.name))
    if spec.selector:
        check_selector(report, "spec.selector", spec.selector)
    if not spec.servers:
        report.error("spec.servers", "at least one server is needed")
    names: set[str] = set()
    for path, server in indexed("spec.servers", spec.servers):
        _check_server(report, path, server)
        if server.port.name in names:
            report.error(f"{path}.port.name", f"port name {server.port.name!r} is given twice")
        names.add(server.port.name)
    return report.violations


def _check_server(report: Report, path: str, server: Server) -> None:
    if not server.hosts:
        report.error(f"{path}.hosts", "at least one host is needed")
    for entry, host in indexed(f"{path}.hosts", server.hosts):
        report.require(entry, _host_fault(host))
    _check_port(report, path, server)
    _check_tls(report, path, server)


def _host_fault(host: str) -> str:
    """Rule: ``[namespace/]name``, the namespace also ``*`` or ``.``; names without a dot mean nothing to a gateway."""
    namespace, slash, name = host.rpartition("/")
    if slash and namespace not in ("*", ".") and not is_dns_label(namespace):
        return f"{host!r} is not of the form namespace/name"
    if name == "*" or is_ip(name):
        return ""
    fault = wildcard_domain_fault(name)
    if not fault and "." not in name:
        return f"{name!r} is a short name: a gateway needs the full one"
    return fault


def _check_port(report: Report, path: str, server: Server) -> None:
    port, by_socket = server.port, server.bind.startswith(UNIX_PREFIX)
    if by_socket:
        report.require(f"{path}.bind", unix_fault(server.bind))
        if port.number:
            report.error(f"{path}.port.number", "must be 0 where bind is a Unix domain socket")
    else:
        report.require(f"{path}.port.number", port_fault(port.number))
        if server.bind:
            report.require(f"{path}.bind", ip_fault(server.bind))
    if not port.protocol:
        report.error(f"{path}.port.protocol", "must not be empty")
    report.require(f"{path}.port.protocol", protocol_fault(port.protocol))
    if not port.name:
        report.error(f"{path}.port.name", "must not be empty")
    if port.target_port:
        report.error(f"{path}.port.targetPort", "has no meaning for a gateway")


def _check_tls(report: Report, path: str, server: Server) -> None:
    protocol = parse_protocol(server.port.protocol)
    if server.tls is None:
        if protocol.is_tls:
            report.error(f"{path}.tls", f"required for protocol {protocol}")
        return
    if protocol.is_tls:
        check_server_tls(report, f"{path}.tls", server.tls)
        if server.tls.https_redirect:
            report.warn(f"{path}.tls.httpsRedirect", "has an effect on plain-text HTTP only")
    elif not protocol.is_http and protocol is not Protocol.AUTO:
        report.error(f"{path}.tls", f"protocol {protocol} has no TLS settings")
    elif protocol.is_http and not has_only_redirect(server.tls):
        report.error(f"{path}.tls", f"protocol {protocol} allows httpsRedirect only")
