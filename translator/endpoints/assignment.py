"""ClusterLoadAssignments: the endpoints of one cluster."""

import functools
from collections.abc import Mapping
from typing import Final

import msgspec
from envoy.config.core.v3.base_pb2 import Locality
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from translator.database import Database
from translator.endpoints.destination import Destination, destination_policy, destination_spread, sends_unhealthy
from translator.endpoints.locality import LocalityGroup, Place, group_endpoints, spread_groups
from translator.endpoints.mesh_tls import build_tls_metadata, mark_tls_modes
from translator.endpoints.network import enter_networks
from translator.endpoints.spread import Spread
from translator.engine import query
from translator.model.destination_rule import PortPolicy, policy_for
from translator.model.endpoint import Endpoint, Health, own_endpoints, service_endpoints
from translator.model.network import network_gateways, resolved_gateways
from translator.model.service import Resolution, Service, service
from translator.model.workload import has_labels
from translator.pb import encode, repeated, uint32
from xds.resource import Resource, length_delimited
from xds.types import ENDPOINT

_HEALTH: Final[Mapping[Health, HealthStatus]] = {
    Health.HEALTHY: HealthStatus.HEALTHY,
    Health.UNHEALTHY: HealthStatus.UNHEALTHY,
    Health.DRAINING: HealthStatus.DRAINING,
    Health.UNKNOWN: HealthStatus.UNKNOWN,
}
# Stands for any: before an address there are only tags, and lengths of what it is in, and none of their bytes is zero.
_ANY: Final = "\0"


class AssignmentInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that shapes an assignment; ``endpoints`` are those that belong to the cluster."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    spread: Spread = Spread()
    place: Place = Place()


class Assignment(Resource):
    """One with its endpoints at hand: what another one takes away is found without looking into the message."""

    __slots__ = ("endpoints",)

    def __init__(self, inputs: AssignmentInputs) -> None:
        super().__init__(ENDPOINT, inputs.name, encode_assignment(inputs))
        self.endpoints = inputs.endpoints


@query
def assignment(db: Database, destination: Destination) -> Resource:
    """The endpoints of a cluster that asks for them by its name."""
    return Assignment(assignment_inputs(db, destination))


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
    name = destination.cluster
    if owner is None:
        return AssignmentInputs(name=name)
    policy = destination_policy(db, destination)
    return AssignmentInputs(
        name=name,
        endpoints=_told_endpoints(db, owner, destination, by_name=by_name),
        spread=destination_spread(db, owner, policy, destination.port, destination.subset),
        place=destination.place,
    )


def _told_endpoints(db: Database, owner: Service, destination: Destination, *, by_name: bool) -> tuple[Endpoint, ...]:
    found = _select_endpoints(db, owner, destination, by_name=by_name)
    network = destination.place.network
    if destination.by_sni:
        # What comes is the mesh's TLS already, whatever rules say of one's own connections.
        found = tuple(each for each in mark_tls_modes(db, found, None) if each.tls_mode)
    elif destination.has_identity:
        policy = destination_policy(db, destination)
        found = mark_tls_modes(db, found, policy_for(policy, destination.port, destination.subset).tls)
    if network is not None:
        gateways = network_gateways(db) if by_name else resolved_gateways(db)
        found = enter_networks(found, gateways, network, by_name=by_name)
    # Envoy: a logical DNS cluster has exactly one endpoint.
    return found[:1] if owner.resolution is Resolution.DNS_ROUND_ROBIN else found


def encode_assignment(inputs: AssignmentInputs) -> bytes:
    """The message, joined from its endpoints, which are encoded once: one more costs one more."""
    groups = spread_groups(group_endpoints(inputs.endpoints), inputs.spread, inputs.place)
    return encode(ClusterLoadAssignment(cluster_name=inputs.name)) + repeated(
        ClusterLoadAssignment.ENDPOINTS_FIELD_NUMBER, map(_encode_group, groups)
    )


def build_assignment(inputs: AssignmentInputs) -> ClusterLoadAssignment:
    """The message itself, to stand in a cluster."""
    return ClusterLoadAssignment.FromString(encode_assignment(inputs))


def _encode_group(group: LocalityGroup) -> bytes:
    region, zone, subzone = group.locality
    head = LocalityLbEndpoints(
        locality=Locality(region=region, zone=zone, sub_zone=subzone),
        load_balancing_weight=uint32(group.weight),
        priority=group.priority,
    )
    records = (
        _encode_endpoint(each.address, each.port, each.health, each.weight or 1, each.tls_mode)
        for each in group.endpoints
    )
    return encode(head) + b"".join(records)


# A large service that scales finds its other endpoints here. Those of a whole mesh would take more than they save.
@functools.lru_cache(maxsize=4096)
def _encode_endpoint(address: str, port: int, health: Health, weight: int, tls_mode: str) -> bytes:
    """The record of an endpoint in its group. Envoy requires weights of at least 1."""
    if address.startswith("/"):
        message = _describe_endpoint(health, weight, tls_mode)
        message.endpoint.address.pipe.path = address
        return _encode_record(message)
    encoded = address.encode()
    before, after = _encode_around(len(encoded), port, health, weight, tls_mode)
    return before + encoded + after


@functools.lru_cache(maxsize=1024)
def _encode_around(length: int, port: int, health: Health, weight: int, tls_mode: str) -> tuple[bytes, bytes]:
    """What stands before and after an address of so many bytes: the same for thousands of endpoints."""
    message = _describe_endpoint(health, weight, tls_mode)
    address = _ANY * length
    message.endpoint.address.socket_address.address = address
    message.endpoint.address.socket_address.port_value = port
    record = _encode_record(message)
    if not address:
        return record, b""
    before, _, after = record.partition(address.encode())
    return before, after


def _describe_endpoint(health: Health, weight: int, tls_mode: str) -> LbEndpoint:
    message = LbEndpoint(health_status=_HEALTH[health], load_balancing_weight=uint32(weight))
    if tls_mode:
        message.metadata.CopyFrom(build_tls_metadata(tls_mode))
    return message


def _encode_record(message: LbEndpoint) -> bytes:
    return length_delimited(LocalityLbEndpoints.LB_ENDPOINTS_FIELD_NUMBER, encode(message))


def _select_endpoints(db: Database, owner: Service, destination: Destination, *, by_name: bool) -> tuple[Endpoint, ...]:
    port = owner.port(destination.port)
    policy = destination_policy(db, destination)
    subset = policy.subset(destination.subset) if policy and destination.subset else None
    if port is None or (destination.subset and subset is None):
        return ()
    admitted = _admitted_states(owner, policy_for(policy, destination.port, destination.subset))
    known = (
        own_endpoints(owner) if by_name and owner.unresolved else service_endpoints(db, owner.namespace, owner.hostname)
    )
    labels, place = subset.labels if subset else {}, destination.place
    return tuple(
        endpoint
        for endpoint in known
        if endpoint.port_name == port.name
        and endpoint.health in admitted
        and (not labels or has_labels(endpoint.workload.labels, labels))
        # EDS takes no names; DNS clusters take names and addresses, but no sockets in the file system.
        and not (endpoint.is_unix if by_name else endpoint.has_name)
        and (endpoint.address or place.network is not None)
        and (not owner.node_local or endpoint.workload.node == place.node)
        and (not place.cluster or endpoint.workload.cluster_id == place.cluster)
    )


def _admitted_states(owner: Service, policy: PortPolicy) -> tuple[Health, ...]:
    """Istio: who is about to end gets nothing, unless sessions are to stay with it until it does."""
    admitted = [Health.HEALTHY, Health.UNKNOWN]
    if sends_unhealthy(policy, owner.distribution):
        admitted.append(Health.UNHEALTHY)
    if owner.persistent_session:
        admitted.append(Health.DRAINING)
    return tuple(admitted)
