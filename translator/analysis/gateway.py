"""Gateways that no proxy serves, and servers that cannot share a port."""

from collections.abc import Iterator

from translator.analysis.codes import GATEWAY_CONFLICT, MISSING_REFERENCE
from translator.analysis.selected_pods import selected_namespaces
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import POD_NAMESPACES
from translator.model.gateway import GatewayProxy, gateway_plan
from translator.objects.gateway import IstioGateway
from translator.objects.registry import key_of


def analyze_selector(db: Database, source: IstioGateway) -> Iterator[Diagnostic]:
    """Find a Gateway that selects no pod. Proxies may also run outside of pods, so it is no error."""
    selector = source.spec.selector
    if not selector or selected_namespaces(db, selector):
        return
    wanted = ", ".join(f"{name}={value}" for name, value in sorted(selector.items()))
    severity = Severity.WARNING if db.members(POD_NAMESPACES, "") else Severity.INFO
    reason = f"no pod has the labels {wanted}: only a proxy that connects with them serves this Gateway"
    yield Diagnostic(severity, MISSING_REFERENCE, key_of(source), "spec.selector", reason)


def analyze_servers(db: Database, source: IstioGateway) -> Iterator[Diagnostic]:
    """Find servers that are left out because of an older one on the same port."""
    key = key_of(source)
    plan = gateway_plan(db, GatewayProxy(namespace=key.namespace, labels=tuple(sorted(source.spec.selector.items()))))
    for rejected in plan.rejected:
        if rejected.server.gateway == key:
            path = _path_of(source, rejected.server.number, rejected.server.port_name)
            yield Diagnostic(Severity.ERROR, GATEWAY_CONFLICT, key, path, f"is left out: {rejected.reason}")


def _path_of(source: IstioGateway, number: int, port_name: str) -> str:
    for index, server in enumerate(source.spec.servers):
        if (server.port.number, server.port.name) == (number, port_name):
            return f"spec.servers[{index}]"
    return "spec.servers"
