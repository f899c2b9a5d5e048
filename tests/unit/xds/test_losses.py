"""An assignment has lost endpoints if requests may still go where they should not."""

import pytest
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.wrappers_pb2 import UInt32Value

from xds.losses import loses_endpoints
from xds.references import resource_of
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT

HEALTHY, UNHEALTHY, DRAINING = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.DRAINING


def assignment(weight: int = 1, **endpoints: HealthStatus) -> Resource:
    """Endpoints by name, each in a locality of its own."""
    message = ClusterLoadAssignment(cluster_name="web")
    for name, health in endpoints.items():
        endpoint = LbEndpoint(health_status=health, load_balancing_weight=UInt32Value(value=weight))
        endpoint.endpoint.address.socket_address.address = name
        message.endpoints.add(lb_endpoints=[endpoint], priority=len(message.endpoints))
    return resource_of(message)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (assignment(a=HEALTHY), assignment(), True),
        (assignment(a=HEALTHY), assignment(b=HEALTHY), True),
        (assignment(a=HEALTHY), assignment(a=UNHEALTHY), True),
        (assignment(a=HEALTHY), assignment(a=DRAINING), True),
        (assignment(a=DRAINING), assignment(a=HEALTHY), False),
        (assignment(a=DRAINING), assignment(), True),
        (assignment(a=UNHEALTHY), assignment(), False),
        (assignment(a=HEALTHY), assignment(weight=2, a=HealthStatus.UNKNOWN, b=HEALTHY), False),
        (assignment(a=HEALTHY, b=HEALTHY), assignment(b=HEALTHY, a=HEALTHY), False),
        (assignment(), assignment(a=HEALTHY), False),
        (assignment(a=HEALTHY), None, True),
        (None, assignment(a=HEALTHY), False),
        (Resource(CLUSTER, "web", b""), None, False),
        (assignment(a=HEALTHY), Resource(ENDPOINT, "web", b"garbage"), False),
    ],
)
def test_what_is_a_loss(before: Resource | None, after: Resource | None, expected: object) -> None:
    assert loses_endpoints(before, after) is expected
