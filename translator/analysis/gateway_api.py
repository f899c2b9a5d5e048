"""Gateways and HTTPRoutes of the Gateway API: what is not served, what is attached to nothing, missing backends."""

from collections.abc import Iterator

from translator.analysis.codes import GATEWAY_CONFLICT, MISSING_REFERENCE
from translator.analysis.completeness import missing_severity
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.model.gateway_api.attachment import NO_HOSTNAME, NOT_ALLOWED, bind_route, gateway_of
from translator.model.gateway_api.listener import CONTROLLER, is_served, listener_faults
from translator.model.gateway_api.route import rule_backends
from translator.model.host import kubernetes_host
from translator.model.service import visible_service
from translator.objects.gateway_api import GROUP, KubernetesGateway
from translator.objects.kubernetes_route import KubernetesRoute, ParentReference
from translator.objects.registry import Kind, ObjectKey, key_of

_REASONS = {
    NOT_ALLOWED: "no listener of it allows HTTPRoutes of namespace {namespace}",
    NO_HOSTNAME: "no listener of it has one of the hostnames",
}


def analyze_kubernetes_gateway(db: Database, source: KubernetesGateway) -> Iterator[Diagnostic]:
    """Find listeners that are not served, and gateways that are somebody else's."""
    key = key_of(source)
    name = source.spec.gateway_class_name
    if not is_served(db, name):
        reason = f"class {name!r} is not one of controller {CONTROLLER}: the gateway is left to others"
        yield Diagnostic(Severity.INFO, MISSING_REFERENCE, key, "spec.gatewayClassName", reason)
        return
    faults = listener_faults(db, key)
    for index, listener in enumerate(source.spec.listeners):
        fault = faults.get(listener.name)
        if fault is not None:
            reason = f"is left out ({fault.reason}): {fault.message}"
            yield Diagnostic(Severity.ERROR, GATEWAY_CONFLICT, key, f"spec.listeners[{index}]", reason)


def analyze_kubernetes_route(db: Database, source: KubernetesRoute) -> Iterator[Diagnostic]:
    """Find references to parents and backends that lead nowhere."""
    key = key_of(source)
    for index, parent in enumerate(source.spec.parent_refs):
        reason = _parent_fault(db, key, parent)
        if reason:
            yield Diagnostic(missing_severity(db), MISSING_REFERENCE, key, f"spec.parentRefs[{index}]", reason)
    in_mesh = all(parent.kind == "Service" for parent in source.spec.parent_refs)
    for position, rule in enumerate(source.spec.rules):
        for path, backend in rule_backends(db, key, rule, in_mesh=in_mesh):
            if backend.reason:
                reason = f"{backend.message} ({backend.reason}): its share of the requests gets 500"
                yield Diagnostic(missing_severity(db), MISSING_REFERENCE, key, f"spec.rules[{position}].{path}", reason)


def _parent_fault(db: Database, route: ObjectKey, parent: ParentReference) -> str:
    namespace = parent.namespace or route.namespace
    if (parent.group, parent.kind) == ("", "Service"):
        host = kubernetes_host(parent.name, namespace, db.settings.domain_suffix)
        return "" if visible_service(db, route.namespace, host) else f"Service {namespace}/{parent.name} does not exist"
    if (parent.group, parent.kind) != (GROUP, "Gateway"):
        return f"{parent.kind} of {parent.group or 'the core group'} cannot be a parent here"
    gateway = gateway_of(db, route, parent)
    if gateway is None:
        known = db.get(KubernetesGateway, namespace, parent.name)
        return "" if known else f"{ObjectKey(Kind.GATEWAY, namespace, parent.name)} does not exist"
    binding = bind_route(db, route, gateway, parent.section_name, parent.port)
    if not binding.reason:
        return ""
    detail = _REASONS.get(binding.reason, "no served listener of it has that name or port")
    return f"is not attached ({binding.reason}): {detail.format(namespace=route.namespace)}"
