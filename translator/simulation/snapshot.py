"""The resources of a proxy, decoded when they are needed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf.message import Message

from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl

M = TypeVar("M", bound=Message)


class Resources(Protocol):
    """Whatever holds the resources of a proxy, as a View does."""

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        """The resources of a type by name."""


class Snapshot:
    """What a proxy knows, as messages. Everything is decoded once."""

    def __init__(self, source: Resources) -> None:
        self._source = source
        self._decoded: dict[tuple[TypeUrl, str], Message] = {}

    def listeners(self) -> Iterator[listener_pb2.Listener]:
        """All listeners."""
        for name in self._source.resources(LISTENER):
            listener = self._find(LISTENER, name, listener_pb2.Listener)
            if listener is not None:
                yield listener

    def listener(self, name: str) -> listener_pb2.Listener | None:
        """A listener by name."""
        return self._find(LISTENER, name, listener_pb2.Listener)

    def routes(self, name: str) -> route_pb2.RouteConfiguration | None:
        """A route table by name."""
        return self._find(ROUTE, name, route_pb2.RouteConfiguration)

    def cluster(self, name: str) -> cluster_pb2.Cluster | None:
        """A cluster by name."""
        return self._find(CLUSTER, name, cluster_pb2.Cluster)

    def endpoints(self, cluster: cluster_pb2.Cluster) -> Iterable[endpoint_components_pb2.LocalityLbEndpoints]:
        """The endpoints of a cluster by locality, wherever it has them from."""
        if cluster.type != cluster_pb2.Cluster.EDS:
            return cluster.load_assignment.endpoints
        name = cluster.eds_cluster_config.service_name or cluster.name
        found = self._find(ENDPOINT, name, endpoint_pb2.ClusterLoadAssignment)
        return found.endpoints if found is not None else ()

    def _find(self, type_url: TypeUrl, name: str, kind: type[M]) -> M | None:
        known = self._decoded.get((type_url, name))
        if isinstance(known, kind):
            return known
        resource = self._source.resources(type_url).get(name)
        if resource is None:
            return None
        decoded = kind()
        decoded.ParseFromString(resource.body)
        self._decoded[type_url, name] = decoded
        return decoded
