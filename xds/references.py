"""Envoy messages as resources: their type, their name, and the other resources that they need.

Whoever builds resources in a pipeline of its own knows their references and does not need this; it is for
those who hand over plain messages.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from google.protobuf import any_pb2, symbol_database
from google.protobuf.message import Message

from xds.errors import UnsupportedMessage
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ENDPOINT, EXTENSION_CONFIG, ROUTE, SECRET, TRAITS, TypeUrl

_PREFIX: Final = "type.googleapis.com/"

# Fields that hold the name of another resource, by message and field.
_NAMING_FIELDS: Final[Mapping[tuple[str, str], TypeUrl]] = {
    ("envoy.config.route.v3.RouteAction", "cluster"): CLUSTER,
    ("envoy.config.route.v3.RouteAction.RequestMirrorPolicy", "cluster"): CLUSTER,
    ("envoy.config.route.v3.WeightedCluster.ClusterWeight", "name"): CLUSTER,
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster"): CLUSTER,
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight", "name"): CLUSTER,
    ("envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig", "cluster"): CLUSTER,
    ("envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters"): CLUSTER,
    ("envoy.config.core.v3.GrpcService.EnvoyGrpc", "cluster_name"): CLUSTER,
    ("envoy.config.core.v3.HttpUri", "cluster"): CLUSTER,
    ("envoy.extensions.filters.network.http_connection_manager.v3.Rds", "route_config_name"): ROUTE,
    ("envoy.config.route.v3.ScopedRouteConfiguration", "route_configuration_name"): ROUTE,
}
_HTTP_FILTER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"
_SDS_SECRET: Final = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"  # noqa: S105  # a message name


def resource_of(message: Message, *, version: str | None = None) -> Resource:
    """The message as a resource; raises UnsupportedMessage if its type is not one that xDS serves.

    ``version`` replaces the hash of its bytes, see ``Resource``.
    """
    type_url = TypeUrl(_PREFIX + message.DESCRIPTOR.full_name)
    if type_url not in TRAITS:
        raise UnsupportedMessage(f"{message.DESCRIPTOR.full_name} is no xDS resource")
    name = message.cluster_name if isinstance(message, endpoint_pb2.ClusterLoadAssignment) else _name_of(message)
    references = tuple(sorted(set(_references(message))))
    return Resource(type_url, name, message.SerializeToString(deterministic=True), references, version=version)


def _name_of(message: Message) -> str:
    name: str = getattr(message, "name")  # noqa: B009  # all other resource types have it; stubs see a plain Message
    return name


def _references(message: Message) -> Iterator[Reference]:
    """The references of a message and of everything inside it, typed configurations included."""
    if isinstance(message, any_pb2.Any):
        yield from _references_of_any(message)
        return
    yield from _own_references(message)
    full_name = message.DESCRIPTOR.full_name
    for field, value in message.ListFields():
        named_type = _NAMING_FIELDS.get((full_name, field.name))
        if named_type is not None:
            yield from (Reference(named_type, name) for name in ([value] if isinstance(value, str) else value))
        elif field.message_type is not None:
            for inner in _inner_messages(value):
                yield from _references(inner)


def _own_references(message: Message) -> Iterator[Reference]:
    """References whose name depends on several fields."""
    full_name = message.DESCRIPTOR.full_name
    if isinstance(message, cluster_pb2.Cluster):
        if message.type == cluster_pb2.Cluster.EDS:
            yield Reference(ENDPOINT, message.eds_cluster_config.service_name or message.name)
    elif full_name == _HTTP_FILTER and message.HasField("config_discovery"):
        yield Reference(EXTENSION_CONFIG, _name_of(message))
    elif full_name == _SDS_SECRET and message.HasField("sds_config"):
        yield Reference(SECRET, _name_of(message))


def _references_of_any(packed: any_pb2.Any) -> Iterator[Reference]:
    try:
        made: type[Message] = symbol_database.Default().GetSymbol(packed.type_url.rpartition("/")[2])
    except KeyError:
        # The message's module was not imported, so nobody here built it; what it refers to cannot be known.
        return
    yield from _references(made.FromString(packed.value))


def _inner_messages(value: object) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        yield from (inner for inner in value.values() if isinstance(inner, Message))
    else:
        yield from value  # type: ignore[misc]  # a repeated message field
