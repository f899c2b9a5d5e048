"""Rules for VirtualService."""

from typing import Final

from translator.diagnostics import Violation
from translator.model.host import is_ip, normalize_host, overlaps
from translator.objects.virtual_service import VirtualService, VirtualServiceSpec
from translator.validation.export_to import check_export_to
from translator.validation.gateway_name import check_gateway_names
from translator.validation.hostname import is_generated_sni, wildcard_domain_fault
from translator.validation.http_route import check_http_route
from translator.validation.l4_route import check_tcp_route, check_tls_route
from translator.validation.reachability import check_prefixes, check_reachable
from translator.validation.report import Report, indexed

_MESH: Final = "mesh"
_INTERNAL_PREFIX: Final = "internal.istio.io/"
_DRY_RUN: Final = "istio.io/dry-run"


def validate_virtual_service(obj: VirtualService) -> tuple[Violation, ...]:
    """Check one VirtualService by itself: what other objects it names may not exist is never its fault."""
    report, spec = Report(), obj.spec
    on_mesh = not spec.gateways or _MESH in spec.gateways
    _check_annotations(report, obj)
    _check_hosts(report, spec, on_mesh=on_mesh)
    check_gateway_names(report, "spec.gateways", spec.gateways)
    check_export_to(report, spec.export_to, obj.metadata.namespace)
    if not (spec.http or spec.tls or spec.tcp):
        report.error("spec", "one of http, tls and tcp must be set")
    for path, http in indexed("spec.http", spec.http):
        check_http_route(report, path, http, in_delegate=not spec.hosts, claims_allowed=not on_mesh)
    for path, tls in indexed("spec.tls", spec.tls):
        check_tls_route(report, path, tls, spec.hosts, on_gateway=not on_mesh)
    for path, tcp in indexed("spec.tcp", spec.tcp):
        check_tcp_route(report, path, tcp)
    check_reachable(report, "spec.http", spec.http)
    check_prefixes(report, "spec.http", spec.http)
    check_reachable(report, "spec.tls", spec.tls)
    check_reachable(report, "spec.tcp", spec.tcp)
    return report.violations


def _check_annotations(report: Report, obj: VirtualService) -> None:
    """Rule: annotations by which control planes talk to themselves are not for users."""
    for name in sorted(obj.metadata.annotations):
        if name.startswith(_INTERNAL_PREFIX):
            report.error(f"metadata.annotations[{name}]", "is reserved")
        elif name == _DRY_RUN:
            report.error(f"metadata.annotations[{name}]", "is not supported on a VirtualService")


def _check_hosts(report: Report, spec: VirtualServiceSpec, *, on_mesh: bool) -> None:
    if not spec.hosts:
        for field, given in (("gateways", spec.gateways), ("tls", spec.tls), ("tcp", spec.tcp)):
            if given:
                report.error(f"spec.{field}", "a delegate (a VirtualService without hosts) cannot have this")
        return
    has_sni = any(match.sni_hosts for tls in spec.tls for match in tls.match)
    valid = True
    for path, host in indexed("spec.hosts", spec.hosts):
        fault = (
            "" if is_ip(host) or (has_sni and not on_mesh and is_generated_sni(host)) else wildcard_domain_fault(host)
        )
        if host == "*" and on_mesh:
            fault = "'*' is for gateways only: sidecars route by the hosts of services"
        report.require(path, fault)
        valid = valid and not fault
    if valid:
        _check_overlaps(report, [normalize_host(host) for host in spec.hosts])


def _check_overlaps(report: Report, hosts: list[str]) -> None:
    """Rule: no host twice, neither literally nor through a wildcard."""
    for path, (position, host) in indexed("spec.hosts", enumerate(hosts)):
        earlier = next((other for other in hosts[:position] if overlaps(other, host)), None)
        if earlier is not None:
            report.error(path, f"{host!r} overlaps with {earlier!r}")
