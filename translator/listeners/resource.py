"""Listeners as resources: encoded, with what they refer to."""

from collections.abc import Iterable

from envoy.config.listener.v3 import listener_pb2

from translator.pb import encode
from xds.resource import Reference, Resource
from xds.types import CLUSTER, LISTENER, ROUTE


def listener_resource(
    listener: listener_pb2.Listener, route_names: Iterable[str] = (), clusters: Iterable[str] = ()
) -> Resource:
    """The resource of a listener that fetches these route tables and sends straight to these clusters."""
    references = {Reference(ROUTE, name) for name in route_names if name}
    references |= {Reference(CLUSTER, name) for name in clusters}
    return Resource(LISTENER, listener.name, encode(listener), tuple(sorted(references)))
