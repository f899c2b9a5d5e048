"""Endpoints that an assignment has lost: for those who hand over messages.

Whoever builds resources in a pipeline of its own knows what its endpoints do and does not need this.
"""

from collections.abc import Iterator
from typing import Final

from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.message import DecodeError

from xds.resource import Resource
from xds.types import ENDPOINT

# How much a proxy sends to an endpoint of this health; all others get nothing.
_SHARES: Final = {HealthStatus.UNKNOWN: 2, HealthStatus.HEALTHY: 2, HealthStatus.DEGRADED: 1, HealthStatus.DRAINING: 1}


def loses_endpoints(before: Resource | None, after: Resource | None) -> bool:
    """Whether a proxy that has the one still sends requests where it should not by the other (None: there is none)."""
    if before is None or before.type_url != ENDPOINT or before is after:
        return False
    if after is None:
        return True
    try:
        left = dict(_shares(after))
        return any(left.get(place, 0) < share for place, share in _shares(before))
    except DecodeError:
        # The client is going to say what is wrong with it.
        return False


def _shares(assignment: Resource) -> Iterator[tuple[bytes, int]]:
    """The endpoints by their address as it stands in the message."""
    for group in ClusterLoadAssignment.FromString(assignment.body).endpoints:
        for endpoint in group.lb_endpoints:
            yield _place(endpoint), _SHARES.get(endpoint.health_status, 0)


def _place(endpoint: LbEndpoint) -> bytes:
    return endpoint.endpoint.address.SerializeToString() or endpoint.endpoint_name.encode()
