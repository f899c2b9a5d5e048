"""Rules for Sidecar."""

from typing import Final

from translator.diagnostics import Violation
from translator.model.protocol import parse_protocol
from translator.objects.gateway import ServerTLSMode, ServerTLSSettings
from translator.objects.sidecar import (
    CaptureMode,
    EgressListener,
    IngressListener,
    OutboundTrafficMode,
    OutboundTrafficPolicy,
    Sidecar,
    SidecarPort,
    SidecarSpec,
)
from translator.validation.address import UNIX_PREFIX, ip_fault, unix_fault
from translator.validation.connection_pool import check_connection_pool
from translator.validation.destination import check_destination
from translator.validation.hostname import fqdn_fault, is_dns_label, wildcard_domain_fault
from translator.validation.label import check_selector
from translator.validation.port import port_fault, port_name_fault, protocol_fault
from translator.validation.report import Report, indexed
from translator.validation.server_tls import check_server_tls

_DEFAULT_ENDPOINT_HOSTS: Final = frozenset({"", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"})  # noqa: S104 - compared only


def validate_sidecar(obj: Sidecar) -> tuple[Violation, ...]:
    """Check one Sidecar by itself: that its hosts may not exist is never its fault."""
    report, spec = Report(), obj.spec
    if spec.workload_selector is not None:
        check_selector(report, "spec.workloadSelector.labels", spec.workload_selector.labels)
    if not (spec.ingress or spec.egress or spec.outbound_traffic_policy or spec.inbound_connection_pool):
        report.error("spec", "one of ingress, egress, outboundTrafficPolicy, inboundConnectionPool must be set")
    numbers: set[int] = set()
    for path, ingress in indexed("spec.ingress", spec.ingress):
        _check_ingress(report, path, ingress)
        if ingress.port.number in numbers:
            report.error(f"{path}.port.number", f"port {ingress.port.number} is given twice")
        numbers.add(ingress.port.number)
    check_connection_pool(report, "spec.inboundConnectionPool", spec.inbound_connection_pool)
    _check_egress_ports(report, spec)
    for path, egress in indexed("spec.egress", spec.egress):
        _check_hosts(report, path, egress, obj.metadata.namespace)
    _check_policy(report, "spec.outboundTrafficPolicy", spec.outbound_traffic_policy)
    return report.violations


def _check_ingress(report: Report, path: str, ingress: IngressListener) -> None:
    _check_port(report, f"{path}.port", ingress.port)
    report.require(f"{path}.port.number", port_fault(ingress.port.number))
    if ingress.bind:
        report.require(f"{path}.bind", ip_fault(ingress.bind))
    if ingress.default_endpoint:
        report.require(f"{path}.defaultEndpoint", _default_endpoint_fault(ingress.default_endpoint))
    check_connection_pool(report, f"{path}.connectionPool", ingress.connection_pool)
    protocol = parse_protocol(ingress.port.protocol)
    if ingress.connection_pool is not None and ingress.connection_pool.http is not None and not protocol.is_http:
        report.warn(f"{path}.connectionPool.http", "has no effect: the protocol of the port is not HTTP")
    if ingress.tls is not None:
        if not protocol.is_tls:
            report.error(f"{path}.tls", "the protocol of the port must be HTTPS or TLS")
        _check_ingress_tls(report, f"{path}.tls", ingress.tls)


def _default_endpoint_fault(endpoint: str) -> str:
    """Rule: a socket, or a port of the workload itself."""
    if endpoint.startswith(UNIX_PREFIX):
        return unix_fault(endpoint)
    host, colon, port = endpoint.rpartition(":")
    if not colon or host not in _DEFAULT_ENDPOINT_HOSTS:
        return f"{endpoint!r} is none of 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT and unix://PATH"
    return port_fault(int(port)) if port.isascii() and port.isdigit() else f"{port!r} is not a port number"


def _check_ingress_tls(report: Report, path: str, tls: ServerTLSSettings) -> None:
    unsupported = {
        "subjectAltNames": tls.subject_alt_names,
        "httpsRedirect": tls.https_redirect,
        "credentialName": tls.credential_name,
        "credentialNames": tls.credential_names,
        "caCertCredentialName": tls.ca_cert_credential_name,
        "tlsCertificates": tls.tls_certificates,
    }
    for field, value in unsupported.items():
        if value:
            report.error(f"{path}.{field}", "is not supported for a sidecar")
    if tls.mode in (ServerTLSMode.ISTIO_MUTUAL, ServerTLSMode.AUTO_PASSTHROUGH):
        report.error(f"{path}.mode", f"{tls.mode} is not supported for a sidecar")
    else:
        check_server_tls(report, path, tls)


def _check_egress_ports(report: Report, spec: SidecarSpec) -> None:
    """Rule: one listener for each port or socket, and the one without a port comes last."""
    seen: set[int | str] = set()
    for position, (path, egress) in enumerate(indexed("spec.egress", spec.egress)):
        if egress.port is None:
            if position < len(spec.egress) - 1:
                report.error(path, "only the last listener can be without port")
            continue
        _check_port(report, f"{path}.port", egress.port)
        _check_bind(report, path, egress, egress.port)
        place = egress.port.number or egress.bind
        if place in seen:
            report.error(f"{path}.port.number" if egress.port.number else f"{path}.bind", f"{place} is given twice")
        seen.add(place)


def _check_port(report: Report, path: str, port: SidecarPort) -> None:
    report.require(f"{path}.protocol", protocol_fault(port.protocol))
    if port.name:
        report.require(f"{path}.name", port_name_fault(port.name))
    if port.target_port:
        report.error(f"{path}.targetPort", "has no meaning for a sidecar")


def _check_bind(report: Report, path: str, egress: EgressListener, port: SidecarPort) -> None:
    if port.number:
        report.require(f"{path}.port.number", port_fault(port.number))
        if egress.bind:
            report.require(f"{path}.bind", ip_fault(egress.bind))
        return
    if egress.bind.startswith(UNIX_PREFIX):
        report.require(f"{path}.bind", unix_fault(egress.bind))
    else:
        report.error(f"{path}.bind", "must be a Unix domain socket where the port is 0")
    if egress.capture_mode is CaptureMode.IPTABLES:
        report.error(f"{path}.captureMode", "IPTABLES cannot capture a Unix domain socket")


def _check_hosts(report: Report, path: str, egress: EgressListener, namespace: str) -> None:
    if not egress.hosts:
        report.error(f"{path}.hosts", "at least one host is needed")
    seen: set[tuple[str, str]] = set()
    for entry, host in indexed(f"{path}.hosts", egress.hosts):
        report.require(entry, _host_fault(host))
        home, _, name = host.partition("/")
        if home.startswith("~"):
            continue
        scope = namespace if home == "." else home
        if (scope, name) in seen or (scope, "*") in seen or (name == "*" and any(scope == other for other, _ in seen)):
            report.warn(entry, f"{host!r} is given twice")
        seen.add((scope, name))
    if ("*", "*") in seen and any(scope != "*" for scope, _ in seen):
        report.warn(f"{path}.hosts", "'*/*' selects everything: the other hosts have no effect")


def _host_fault(host: str) -> str:
    """Rule: ``namespace/name``; the namespace also ``*``, ``.``, or excluded by ``~``; the name not a short one."""
    home, slash, name = host.partition("/")
    namespace = home.removeprefix("~")
    if not slash or not (namespace in ("*", ".") or is_dns_label(namespace) or home == "~"):
        return f"{host!r} is not of the form namespace/name"
    if name == "*":
        return ""
    fault = wildcard_domain_fault(name)
    if not fault and "." not in name:
        return f"{name!r} is a short name: the full one is needed"
    return fault


def _check_policy(report: Report, path: str, policy: OutboundTrafficPolicy | None) -> None:
    if policy is None:
        return
    if policy.mode is OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS:
        report.error(f"{path}.mode", f"{policy.mode} can be set for the whole mesh only")
    proxy = policy.egress_proxy
    if proxy is None:
        return
    if policy.mode is not OutboundTrafficMode.ALLOW_ANY:
        report.error(f"{path}.egressProxy", "needs mode: ALLOW_ANY")
    if proxy.port is None:
        report.error(f"{path}.egressProxy.port", "required field is missing")
    check_destination(report, f"{path}.egressProxy", proxy)
    if proxy.host.startswith("*") and proxy.host != "*":
        report.require(f"{path}.egressProxy.host", fqdn_fault(proxy.host))
