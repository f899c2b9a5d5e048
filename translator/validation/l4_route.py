"""Rules for the TLS and TCP rules of a VirtualService."""

from collections.abc import Sequence

from translator.model.host import covers, is_ip, normalize_host
from translator.objects.virtual_service import L4MatchAttributes, TCPRoute, TLSMatchAttributes, TLSRoute
from translator.validation.address import subnet_fault
from translator.validation.destination import check_weighted_destinations
from translator.validation.gateway_name import check_gateway_names
from translator.validation.hostname import dns_label_fault, is_generated_sni, wildcard_domain_fault
from translator.validation.label import check_labels
from translator.validation.port import port_fault
from translator.validation.report import Report, indexed


def check_tls_route(report: Report, path: str, route: TLSRoute, hosts: Sequence[str], *, on_gateway: bool) -> None:
    """Rule: at least one match, each with SNI hosts that belong to the VirtualService, and destinations."""
    if not route.match:
        report.error(f"{path}.match", "at least one match is needed")
    for entry, match in indexed(f"{path}.match", route.match):
        if not match.sni_hosts:
            report.error(f"{entry}.sniHosts", "at least one SNI host is needed")
        for host_path, sni_host in indexed(f"{entry}.sniHosts", match.sni_hosts):
            _check_sni_host(report, host_path, sni_host, hosts, on_gateway=on_gateway)
        _check_connection(report, entry, match)
    _check_destinations(report, path, route)


def check_tcp_route(report: Report, path: str, route: TCPRoute) -> None:
    """Rule: destinations; conditions are optional."""
    for entry, match in indexed(f"{path}.match", route.match):
        if match.source_subnet:
            report.require(f"{entry}.sourceSubnet", subnet_fault(match.source_subnet))
        _check_connection(report, entry, match)
    _check_destinations(report, path, route)


def _check_sni_host(report: Report, path: str, sni_host: str, hosts: Sequence[str], *, on_gateway: bool) -> None:
    if is_ip(sni_host):
        report.warn(path, f"{sni_host!r} is an IP address: clients do not send addresses as SNI")
        return
    fault = "" if on_gateway and is_generated_sni(sni_host) else wildcard_domain_fault(sni_host)
    if fault:
        report.error(path, fault)
    elif not any(covers(normalize_host(host), normalize_host(sni_host)) for host in hosts):
        report.error(path, f"{sni_host!r} is not covered by any of spec.hosts ({', '.join(hosts)})")


def _check_connection(report: Report, path: str, match: L4MatchAttributes | TLSMatchAttributes) -> None:
    for entry, subnet in indexed(f"{path}.destinationSubnets", match.destination_subnets):
        report.require(entry, subnet_fault(subnet))
    if match.port:
        report.require(f"{path}.port", port_fault(match.port))
    check_labels(report, f"{path}.sourceLabels", match.source_labels)
    check_gateway_names(report, f"{path}.gateways", match.gateways)
    if match.source_namespace:
        report.require(f"{path}.sourceNamespace", dns_label_fault(match.source_namespace))


def _check_destinations(report: Report, path: str, route: TLSRoute | TCPRoute) -> None:
    if not route.route:
        report.error(f"{path}.route", "at least one destination is needed")
    check_weighted_destinations(report, f"{path}.route", route.route)
