"""The backends of routes of the Gateway API: the services that they mean, or why requests to them get 500."""

from typing import Final, NamedTuple

from translator.database import Database
from translator.model.gateway_api.grant import is_granted
from translator.model.host import kubernetes_host, normalize_host
from translator.model.service import visible_service
from translator.objects.kubernetes_route import BackendObjectReference, BackendRef
from translator.objects.registry import Kind, ObjectKey
from translator.objects.virtual_service import Destination, PortSelector

# Istio: a reference to a host of the registry, which may be one of a ServiceEntry.
_HOSTNAME: Final = ("networking.istio.io", "Hostname")
# A host that nobody has, so that its cluster is never there and Envoy answers 500 for its share of the requests.
_NOBODY: Final = "invalid-backend.gateway.networking.k8s.io"


class Backend(NamedTuple):
    """Where requests go; ``reason`` is the Gateway API's for a backend that has none, and ``message`` says more."""

    destination: Destination
    reason: str = ""
    message: str = ""


def resolve_backend(
    db: Database, route: ObjectKey, reference: BackendObjectReference | BackendRef, *, in_mesh: bool
) -> Backend:
    """What a reference of a route means. Reads through the caller's query.

    Gateway API: a backend that cannot be used keeps its share of the requests, which get 500. Istio: routes of the
    mesh need no permission to refer to services of other namespaces.
    """
    kind = (reference.group, reference.kind)
    namespace = reference.namespace or route.namespace
    if kind == _HOSTNAME:
        host = normalize_host(reference.name)
    elif kind == ("", "Service"):
        host = kubernetes_host(reference.name, namespace, db.settings.domain_suffix)
        if not in_mesh and not is_granted(db, route, ObjectKey(Kind.SERVICE, namespace, reference.name)):
            message = f"no ReferenceGrant in {namespace} lets HTTPRoutes of {route.namespace} refer to it"
            return _invalid("RefNotPermitted", f"Service {namespace}/{reference.name}: {message}")
    else:
        return _invalid("InvalidKind", f"{reference.kind} {reference.name} cannot be a backend")
    found = visible_service(db, route.namespace, host)
    if found is None:
        return _invalid("BackendNotFound", f"host {host} is provided by no Service or ServiceEntry")
    if found.port(reference.port) is None:
        listed = ", ".join(str(port.number) for port in found.ports) or "none"
        return _invalid("BackendNotFound", f"host {host} has no port {reference.port} (it has: {listed})")
    return Backend(Destination(host=host, port=PortSelector(number=reference.port)))


def _invalid(reason: str, message: str) -> Backend:
    return Backend(Destination(host=_NOBODY, port=PortSelector(number=1)), reason, message)
