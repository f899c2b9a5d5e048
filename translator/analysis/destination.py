"""The destinations of VirtualServices: hosts, ports and subsets that do not exist."""

from collections.abc import Iterator, Sequence

from translator.analysis.codes import AMBIGUOUS_PORT, MISSING_REFERENCE, RELATIVE_WEIGHTS
from translator.analysis.completeness import missing_severity
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import HOST_NAMESPACES
from translator.model.destination_rule import effective_policy
from translator.model.host import resolve_short_name
from translator.model.service import Service, visible_service
from translator.objects.registry import key_of
from translator.objects.virtual_service import Destination, HTTPRouteDestination, RouteDestination, VirtualService

_WHOLE = 100


def analyze_destinations(db: Database, source: VirtualService) -> Iterator[Diagnostic]:
    """Find destinations that no request can be sent to."""
    key = key_of(source)
    for path, destination in _destinations(source):
        host = resolve_short_name(destination.host, key.namespace, db.settings.domain_suffix)
        owner = visible_service(db, key.namespace, host)
        if owner is None:
            reason = _missing_host(db, host, key.namespace)
            yield Diagnostic(missing_severity(db), MISSING_REFERENCE, key, f"{path}.host", reason)
        else:
            for severity, code, field, reason in _port_faults(owner, destination):
                yield Diagnostic(severity, code, key, f"{path}.{field}", reason)
        if destination.subset:
            reason = _subset_fault(db, key.namespace, owner, host, destination.subset)
            if reason:
                yield Diagnostic(missing_severity(db), MISSING_REFERENCE, key, f"{path}.subset", reason)


def analyze_weights(_db: Database, source: VirtualService) -> Iterator[Diagnostic]:
    """Find weights that are probably meant as percentages and are none."""
    for path, routes in _route_lists(source):
        total = sum(route.weight for route in routes)
        if len(routes) > 1 and total not in (0, _WHOLE):
            reason = f"the weights add up to {total}, not to {_WHOLE}: each destination gets its share of {total}"
            yield Diagnostic(Severity.WARNING, RELATIVE_WEIGHTS, key_of(source), path, reason)


def _missing_host(db: Database, host: str, namespace: str) -> str:
    owners = db.members(HOST_NAMESPACES, host)
    if owners:
        return f"host {host} is not exported to namespace {namespace} by {', '.join(owners)}"
    return f"host {host} is provided by no Service or ServiceEntry: requests get 503"


def _port_faults(owner: Service, destination: Destination) -> Iterator[tuple[Severity, str, str, str]]:
    numbers = [port.number for port in owner.ports]
    listed = ", ".join(map(str, numbers)) or "none"
    if destination.port is None:
        if len(numbers) > 1:
            reason = f"host {owner.hostname} has several ports ({listed}); say which one is meant"
            yield Severity.WARNING, AMBIGUOUS_PORT, "host", reason
    elif destination.port.number not in numbers:
        reason = f"host {owner.hostname} has no port {destination.port.number} (it has: {listed})"
        yield Severity.ERROR, MISSING_REFERENCE, "port.number", reason


def _subset_fault(db: Database, namespace: str, owner: Service | None, host: str, subset: str) -> str:
    policy = effective_policy(db, namespace, (), owner.namespace if owner else namespace, host)
    if policy is None:
        return f"no DestinationRule for host {host} defines subset {subset!r}: requests get 503"
    if policy.subset(subset) is not None:
        return ""
    rules = ", ".join(str(key) for key in policy.sources)
    known = ", ".join(each.name for each in policy.subsets) or "none"
    return f"subset {subset!r} is not defined by {rules} (defined: {known}): requests get 503"


def _destinations(source: VirtualService) -> Iterator[tuple[str, Destination]]:
    for path, routes in _route_lists(source):
        for index, route in enumerate(routes):
            yield f"{path}[{index}].destination", route.destination
    for position, http in enumerate(source.spec.http):
        if http.mirror is not None:
            yield f"spec.http[{position}].mirror", http.mirror
        for index, mirror in enumerate(http.mirrors):
            yield f"spec.http[{position}].mirrors[{index}].destination", mirror.destination


def _route_lists(source: VirtualService) -> Iterator[tuple[str, Sequence[HTTPRouteDestination | RouteDestination]]]:
    spec = source.spec
    for position, http in enumerate(spec.http):
        yield f"spec.http[{position}].route", http.route
    for position, tls in enumerate(spec.tls):
        yield f"spec.tls[{position}].route", tls.route
    for position, tcp in enumerate(spec.tcp):
        yield f"spec.tcp[{position}].route", tcp.route
