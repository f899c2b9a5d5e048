"""Rules for destinations and their weights."""

from collections.abc import Sequence

from translator.objects.virtual_service import Destination, HTTPRouteDestination, PortSelector, RouteDestination
from translator.validation.hostname import dns_label_fault, wildcard_domain_fault
from translator.validation.port import port_fault
from translator.validation.report import Report, indexed

_MAX_TOTAL_WEIGHT = 2**32 - 1


def check_destination(report: Report, path: str, destination: Destination | None) -> None:
    """Rule: the host is a name of the registry; a subset is named by a DNS label; a port is a number."""
    if destination is None:
        return
    host_fault = "'*' is not a destination" if destination.host == "*" else wildcard_domain_fault(destination.host)
    report.require(f"{path}.host", host_fault)
    if destination.subset:
        report.require(f"{path}.subset", dns_label_fault(destination.subset))
    check_port_selector(report, f"{path}.port", destination.port)


def check_port_selector(report: Report, path: str, selector: PortSelector | None) -> None:
    """Rule: a port number."""
    if selector is not None:
        report.require(f"{path}.number", port_fault(selector.number))


def check_weighted_destinations(
    report: Report, path: str, routes: Sequence[HTTPRouteDestination | RouteDestination]
) -> None:
    """Rule: weights are not negative; of several destinations at least one gets traffic. They need not add to 100."""
    for entry, route in indexed(path, routes):
        check_destination(report, f"{entry}.destination", route.destination)
        if route.weight < 0:
            report.error(f"{entry}.weight", f"weight {route.weight} is negative")
    total = sum(max(route.weight, 0) for route in routes)
    if len(routes) > 1 and total == 0:
        report.error(path, "the weights add up to 0: no destination would get traffic")
    if total > _MAX_TOTAL_WEIGHT:
        report.error(path, f"the weights add up to more than {_MAX_TOTAL_WEIGHT}")
