"""Route tables (RouteConfigurations): encoded virtual hosts joined into a resource."""

from collections.abc import Iterable

from envoy.config.route.v3 import route_pb2

from translator import pb
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ROUTE

_VIRTUAL_HOSTS = route_pb2.RouteConfiguration.VIRTUAL_HOSTS_FIELD_NUMBER
# As much as validation lets a direct response have; Envoy's own limit is 4 KiB.
_LARGEST_BODY = 1 << 20


def join_table(
    name: str, virtual_hosts: Iterable[bytes], clusters: Iterable[str], *, ignore_port: bool = True
) -> Resource:
    """The table of encoded virtual hosts, in order.

    Clusters are not validated: a route to one that does not exist yet has to cost that route alone.
    ``ignore_port``: domains have no ports, and a port in the request's authority is not compared.
    """
    head = pb.encode(route_pb2.RouteConfiguration(name=name))
    tail = route_pb2.RouteConfiguration(
        validate_clusters=pb.boolean(False),  # noqa: FBT003 - a protobuf wrapper
        max_direct_response_body_size_bytes=pb.uint32(_LARGEST_BODY),
        ignore_port_in_host_matching=ignore_port,
    )
    body = b"".join((head, pb.repeated(_VIRTUAL_HOSTS, virtual_hosts), pb.encode(tail)))
    references = tuple(Reference(CLUSTER, cluster) for cluster in sorted(set(clusters)))
    return Resource(ROUTE, name, body, references)


def empty_table(name: str) -> Resource:
    """The table for a name that means nothing (any more).

    Envoy goes on asking for the routes of a listener that drains, and one that warms waits for an answer.
    """
    table = route_pb2.RouteConfiguration(name=name, validate_clusters=pb.boolean(False))  # noqa: FBT003 - a wrapper
    return Resource(ROUTE, name, pb.encode(table))
