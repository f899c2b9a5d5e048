"""API listeners: what gRPC asks for by the name of a target, in place of an address that it would listen on."""

from typing import Final

from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from translator.database import Database
from translator.engine import query
from translator.http_filters import fault, router
from translator.http_filters.filter import build_http_filter
from translator.pb import encode, pack
from xds.resource import Reference, Resource
from xds.types import LISTENER, ROUTE

_ADS: Final = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)


@query
def api_listener(db: Database, name: str, route: str) -> Resource | None:
    """The listener of one spelling of a target, which refers to the target's routes."""
    # The name is the first field, so that the rest is encoded once for all spellings.
    return Resource(LISTENER, name, encode(Listener(name=name)) + _encode_rest(db, route), (Reference(ROUTE, route),))


@query
def _encode_rest(_db: Database, route: str) -> bytes:
    return encode(build_api_listener(route))


def build_api_listener(route: str) -> Listener:
    """The listener without its name. gRPC: refuses all filters that it does not know, and the last is the router."""
    manager = HttpConnectionManager(
        http_filters=[build_http_filter(fault.NAME, HTTPFault()), build_http_filter(router.NAME, Router())]
    )
    manager.rds.route_config_name = route
    manager.rds.config_source.CopyFrom(_ADS)
    listener = Listener()
    listener.api_listener.api_listener.CopyFrom(pack(manager))
    return listener
