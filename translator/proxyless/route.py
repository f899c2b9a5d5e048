"""The routes of a target: those of sidecars, as far as gRPC understands them."""

from collections.abc import Iterable

from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from translator.database import Database
from translator.engine import query
from translator.http_filters import fault
from translator.model.proxy import Labels
from translator.pb import encode
from translator.proxyless.target import Target
from translator.routes.candidate import table_routes
from translator.routes.claim import service_rules
from translator.routes.virtual_host import EncodedRoutes
from xds.resource import Reference, Resource
from xds.types import CLUSTER, ROUTE


@query
def call_routes(db: Database, name: str, target: Target, labels: Labels) -> Resource | None:
    """The route table of a target."""
    rules = service_rules(db, target.place, labels, target.hostname)
    owner = ((target.namespace, target.hostname), target.port)
    routes = table_routes(db, target.place, labels, rules[0].key if rules else None, owner)
    references = tuple(Reference(CLUSTER, cluster) for cluster in routes.clusters)
    return Resource(ROUTE, name, encode(build_call_routes(name, routes)), references)


def build_call_routes(name: str, routes: EncodedRoutes) -> RouteConfiguration:
    """The message. Whoever asks for it has chosen the service already, so every authority is meant."""
    known = VirtualHost.FromString(routes.body).routes
    return RouteConfiguration(
        name=name, virtual_hosts=[VirtualHost(name=name, domains=["*"], routes=_understood(known))]
    )


def _understood(routes: Iterable[Route]) -> Iterable[Route]:
    """gRPC: refuses a table with settings of a filter that it does not know; it passes over conditions it does not.

    It knows one timeout, which is not Envoy's usual one.
    """
    for route in routes:
        if route.match.dynamic_metadata:
            continue
        for name in route.typed_per_filter_config.keys() - {fault.NAME}:
            del route.typed_per_filter_config[name]
        for entry in route.route.weighted_clusters.clusters:
            for name in entry.typed_per_filter_config.keys() - {fault.NAME}:
                del entry.typed_per_filter_config[name]
        if route.route.timeout.ByteSize():
            route.route.max_stream_duration.grpc_timeout_header_max.CopyFrom(route.route.timeout)
        yield route
