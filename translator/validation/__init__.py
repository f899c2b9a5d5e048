"""The rules of each kind of object: shared by the sources, the command line and the webhook.

A rule looks at one object alone. What an object names (services, subsets, gateways) may be missing: that is a
state of the mesh, not a fault of the object.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from translator.diagnostics import Severity, Violation
from translator.objects.core import EndpointSlice, Pod, Service
from translator.objects.destination_rule import DestinationRule
from translator.objects.gateway import IstioGateway
from translator.objects.gateway_api import KubernetesGateway
from translator.objects.kubernetes_route import KubernetesRoute
from translator.objects.meta import MeshObject
from translator.objects.security import AuthorizationPolicy, PeerAuthentication
from translator.objects.service_entry import ServiceEntry
from translator.objects.sidecar import Sidecar
from translator.objects.virtual_service import VirtualService
from translator.objects.workload import WorkloadEntry, WorkloadGroup
from translator.validation.authorization_policy import validate_authorization_policy
from translator.validation.core import validate_endpoint_slice, validate_pod, validate_service
from translator.validation.destination_rule import validate_destination_rule
from translator.validation.gateway import validate_gateway
from translator.validation.gateway_api import validate_kubernetes_gateway
from translator.validation.kubernetes_route import validate_kubernetes_route
from translator.validation.peer_authentication import validate_peer_authentication
from translator.validation.service_entry import validate_service_entry
from translator.validation.sidecar import validate_sidecar
from translator.validation.virtual_service import validate_virtual_service
from translator.validation.workload import validate_workload_entry, validate_workload_group

# Each validator takes exactly the type of its key.
_VALIDATORS: Final[Mapping[type[MeshObject], Callable[[Any], tuple[Violation, ...]]]] = {
    Service: validate_service,
    EndpointSlice: validate_endpoint_slice,
    Pod: validate_pod,
    VirtualService: validate_virtual_service,
    DestinationRule: validate_destination_rule,
    IstioGateway: validate_gateway,
    KubernetesGateway: validate_kubernetes_gateway,
    KubernetesRoute: validate_kubernetes_route,
    ServiceEntry: validate_service_entry,
    Sidecar: validate_sidecar,
    WorkloadEntry: validate_workload_entry,
    WorkloadGroup: validate_workload_group,
    PeerAuthentication: validate_peer_authentication,
    AuthorizationPolicy: validate_authorization_policy,
}


def validate(obj: MeshObject) -> tuple[Violation, ...]:
    """All that is wrong with an object; an ERROR among it keeps the object out, warnings do not."""
    validator = _VALIDATORS.get(type(obj))
    return validator(obj) if validator else ()


def is_acceptable(violations: tuple[Violation, ...]) -> bool:
    """Whether none of the violations keeps the object out."""
    return all(violation.severity is not Severity.ERROR for violation in violations)
