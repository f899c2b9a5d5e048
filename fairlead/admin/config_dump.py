"""What a proxy has, in the form of Envoy's own dump of its configuration."""

from collections.abc import Iterator

from envoy.admin.v3 import config_dump_pb2
from envoy.admin.v3 import config_dump_shared_pb2 as dump
from google.protobuf import any_pb2
from google.protobuf.message import Message

from fairlead.proto_json import open_resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, TypeUrl
from xds.view import View


def dump_view(view: View, *, with_endpoints: bool) -> config_dump_pb2.ConfigDump:
    """The sections of Envoy's own dump, in its order."""
    listener = dump.ListenersConfigDump.DynamicListener
    sections: list[Message] = [
        config_dump_pb2.BootstrapConfigDump(),
        dump.ClustersConfigDump(
            dynamic_active_clusters=(
                dump.ClustersConfigDump.DynamicCluster(cluster=body) for _, body in _packed(view, CLUSTER)
            )
        ),
        dump.ListenersConfigDump(
            dynamic_listeners=(
                listener(name=name, active_state=dump.ListenersConfigDump.DynamicListenerState(listener=body))
                for name, body in _packed(view, LISTENER)
            )
        ),
        dump.RoutesConfigDump(
            dynamic_route_configs=(
                dump.RoutesConfigDump.DynamicRouteConfig(route_config=body) for _, body in _packed(view, ROUTE)
            )
        ),
        config_dump_pb2.SecretsConfigDump(
            dynamic_active_secrets=(
                config_dump_pb2.SecretsConfigDump.DynamicSecret(name=name, secret=body)
                for name, body in _packed(view, SECRET)
            )
        ),
    ]
    if with_endpoints:
        entry = dump.EndpointsConfigDump.DynamicEndpointConfig
        assignments = (entry(endpoint_config=body) for _, body in _packed(view, ENDPOINT))
        sections.insert(2, dump.EndpointsConfigDump(dynamic_endpoint_configs=assignments))
    result = config_dump_pb2.ConfigDump()
    for section in sections:
        result.configs.add().Pack(section)
    return result


def _packed(view: View, type_url: TypeUrl) -> Iterator[tuple[str, any_pb2.Any]]:
    for name, resource in sorted(view.resources(type_url).items()):
        body = any_pb2.Any()
        body.Pack(open_resource(resource))
        yield name, body
