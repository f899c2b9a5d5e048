"""ClusterLoadAssignments: the endpoints of one cluster."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from translator.database import Database
from translator.endpoints.destination import Destination, destination_policy, destination_spread, sends_unhealthy
from translator.endpoints.locality import Place, group_endpoints, spread_groups
from translator.endpoints.spread import Spread
from translator.engine import query
from translator.model.destination_rule import PortPolicy, policy_for
from translator.model.endpoint import Endpoint, Health, own_endpoints, service_endpoints
from translator.model.host import is_ip
from translator.model.service import Resolution, Service, service
from translator.model.workload import has_labels
from translator.names import outbound_cluster
from translator.pb import encode
from xds.resource import Resource
from xds.types import ENDPOINT

_DRAINING_LABEL: Final = "istio.io/draining"

_HEALTH: Final[Mapping[Health, HealthStatus]] = {
    Health.HEALTHY: HealthStatus.HEALTHY,
    Health.UNHEALTHY: HealthStatus.UNHEALTHY,
    Health.DRAINING: HealthStatus.DRAINING,
    Health.UNKNOWN: HealthStatus.UNKNOWN,
}


class AssignmentInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that shapes an assignment; ``endpoints`` are those that belong to the cluster."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    spread: Spread = Spread()
    place: Place = Place()


@query
def assignment(db: Database, destination: Destination) -> Resource:
    """The endpoints of a cluster that asks for them by its name."""
    inputs = assignment_inputs(db, destination)
    return Resource(ENDPOINT, inputs.name, encode(build_assignment(inputs)))


@query
def assignment_inputs(db: Database, destination: Destination) -> AssignmentInputs:
    """Select the endpoints of a destination; a port or a service that is unknown has none."""
    return _select_inputs(db, destination, by_name=False)


@query
def resolved_inputs(db: Database, destination: Destination) -> AssignmentInputs:
    """The same where the proxy resolves names, so that endpoints may have them."""
    return _select_inputs(db, destination, by_name=True)


def _select_inputs(db: Database, destination: Destination, *, by_name: bool) -> AssignmentInputs:
    owner = service(db, destination.namespace, destination.hostname)
    name = outbound_cluster(destination.port, destination.subset, destination.hostname)
    if owner is None:
        return AssignmentInputs(name=name)
    policy = destination_policy(db, destination)
    return AssignmentInputs(
        name=name,
        endpoints=_select_endpoints(db, owner, destination, by_name=by_name),
        spread=destination_spread(db, owner, policy, destination.port, destination.subset),
        place=destination.place,
    )


def build_assignment(inputs: AssignmentInputs) -> ClusterLoadAssignment:
    """The message. Envoy requires weights of at least 1."""
    message = ClusterLoadAssignment(cluster_name=inputs.name)
    for group in spread_groups(group_endpoints(inputs.endpoints), inputs.spread, inputs.place):
        locality = message.endpoints.add()
        region, zone, subzone = group.locality
        locality.locality.region, locality.locality.zone, locality.locality.sub_zone = region, zone, subzone
        locality.load_balancing_weight.value = group.weight
        locality.priority = group.priority
        add = locality.lb_endpoints.add
        for endpoint in group.endpoints:
            added = add()
            if endpoint.is_unix:
                added.endpoint.address.pipe.path = endpoint.address
            else:
                address = added.endpoint.address.socket_address
                address.address = endpoint.address
                address.port_value = endpoint.port
            added.health_status = _HEALTH[endpoint.health]
            added.load_balancing_weight.value = endpoint.weight or 1
    return message


def _select_endpoints(db: Database, owner: Service, destination: Destination, *, by_name: bool) -> tuple[Endpoint, ...]:
    port = owner.port(destination.port)
    policy = destination_policy(db, destination)
    subset = policy.subset(destination.subset) if policy and destination.subset else None
    if port is None or (destination.subset and subset is None):
        return ()
    admitted = _admitted_states(owner, policy_for(policy, destination.port, destination.subset))
    has_address = _is_resolvable if by_name else _is_dialable
    known = (
        own_endpoints(owner) if by_name and owner.unresolved else service_endpoints(db, owner.namespace, owner.hostname)
    )
    labels = subset.labels if subset else {}
    found = tuple(
        endpoint
        for endpoint in _drain_marked(known)
        if endpoint.port_name == port.name
        and endpoint.health in admitted
        and (not labels or has_labels(endpoint.workload.labels, labels))
        and has_address(endpoint)
        and (not owner.node_local or endpoint.workload.node == destination.place.node)
    )
    # Envoy: a logical DNS cluster has exactly one endpoint.
    return found[:1] if owner.resolution is Resolution.DNS_ROUND_ROBIN else found


def _admitted_states(owner: Service, policy: PortPolicy) -> tuple[Health, ...]:
    """Istio: who is about to end gets nothing, unless sessions are to stay with it until it does."""
    admitted = [Health.HEALTHY, Health.UNKNOWN]
    if sends_unhealthy(policy, owner.distribution):
        admitted.append(Health.UNHEALTHY)
    if owner.persistent_session:
        admitted.append(Health.DRAINING)
    return tuple(admitted)


def _drain_marked(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Istio: a label can mark a workload as draining by hand."""
    for endpoint in endpoints:
        marked = endpoint.workload.labels.get(_DRAINING_LABEL)
        yield msgspec.structs.replace(endpoint, health=Health.DRAINING) if marked else endpoint


def _is_dialable(endpoint: Endpoint) -> bool:
    """EDS takes no names."""
    return endpoint.is_unix or is_ip(endpoint.address)


def _is_resolvable(endpoint: Endpoint) -> bool:
    """DNS clusters take names and addresses, but no sockets in the file system."""
    return not endpoint.is_unix
