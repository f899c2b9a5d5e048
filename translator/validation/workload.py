"""Rules for WorkloadEntry and WorkloadGroup."""

import re
from typing import Final

from translator.diagnostics import Violation
from translator.objects.workload import ReadinessProbe, WorkloadEntry, WorkloadEntrySpec, WorkloadGroup
from translator.validation.address import UNIX_PREFIX, unix_fault
from translator.validation.hostname import address_fault
from translator.validation.label import check_labels
from translator.validation.port import port_fault, port_name_fault
from translator.validation.report import Report, count_set, indexed, keyed

_PROBE_HEADER: Final = re.compile(r"[-A-Za-z0-9]+")


def validate_workload_entry(obj: WorkloadEntry) -> tuple[Violation, ...]:
    """Check one WorkloadEntry by itself: whether a service needs a bare IP address is not known here."""
    report = Report()
    check_workload(report, "spec", obj.spec)
    if obj.spec.address and not obj.spec.address.startswith(UNIX_PREFIX):
        report.require("spec.address", address_fault(obj.spec.address))
    return report.violations


def check_workload(report: Report, path: str, workload: WorkloadEntrySpec) -> None:
    """Rule: an address, unless a network stands for it; a socket has no ports.

    Which forms of address are right depends on the service, so that is left to the caller.
    """
    if not workload.address:
        if workload.network:
            report.warn(
                f"{path}.address", f"is empty: traffic goes through the gateway of network {workload.network!r}"
            )
        else:
            report.error(f"{path}.address", "must not be empty")
    if workload.address.startswith(UNIX_PREFIX):
        report.require(f"{path}.address", unix_fault(workload.address))
        if workload.ports:
            report.error(f"{path}.ports", "a Unix domain socket has no ports")
    for entry, name, number in keyed(f"{path}.ports", workload.ports):
        report.require(entry, port_name_fault(name))
        report.require(entry, port_fault(number))
    check_labels(report, f"{path}.labels", workload.labels)


def validate_workload_group(obj: WorkloadGroup) -> tuple[Violation, ...]:
    """Check one WorkloadGroup; its template needs no address, each workload brings its own."""
    report, spec = Report(), obj.spec
    if spec.metadata is not None:
        check_labels(report, "spec.metadata.labels", spec.metadata.labels)
    check_labels(report, "spec.template.labels", spec.template.labels)
    for entry, name, number in keyed("spec.template.ports", spec.template.ports):
        report.require(entry, port_name_fault(name))
        report.require(entry, port_fault(number))
    if spec.probe is not None:
        _check_probe(report, "spec.probe", spec.probe)
    return report.violations


def _check_probe(report: Report, path: str, probe: ReadinessProbe) -> None:
    for field, number in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        if number < 0:
            report.error(f"{path}.{field}", "must not be negative")
    if count_set(probe.http_get, probe.tcp_socket, probe.exec, probe.grpc) != 1:
        report.error(path, "exactly one of httpGet, tcpSocket, exec and grpc must be set")
    _check_http_get(report, f"{path}.httpGet", probe)
    if probe.tcp_socket is not None:
        report.require(f"{path}.tcpSocket.port", port_fault(probe.tcp_socket.port))
    if probe.grpc is not None:
        report.require(f"{path}.grpc.port", port_fault(probe.grpc.port))
    if probe.exec is not None and not probe.exec.command:
        report.error(f"{path}.exec.command", "must not be empty")


def _check_http_get(report: Report, path: str, probe: ReadinessProbe) -> None:
    check = probe.http_get
    if check is None:
        return
    report.require(f"{path}.port", port_fault(check.port))
    if check.scheme not in ("", "HTTP", "HTTPS"):
        report.error(f"{path}.scheme", f"{check.scheme!r} is neither HTTP nor HTTPS")
    for entry, header in indexed(f"{path}.httpHeaders", check.http_headers):
        if not _PROBE_HEADER.fullmatch(header.name):
            report.error(f"{entry}.name", f"{header.name!r} is not a header name")
