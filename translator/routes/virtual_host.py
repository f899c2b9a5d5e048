"""Virtual hosts as encoded pieces: the head (name and domains), the routes, and the tail (flags).

Protobuf allows to concatenate the fields of a message in any number of parts. The parts follow the order of the
field numbers, so what is joined is byte for byte what protobuf would serialise. Routes are by far the costliest
part and do not depend on the domains, so that tables of different proxies share them.
"""

from collections.abc import Iterable, Iterator

import msgspec
from envoy.config.route.v3 import route_components_pb2

from translator import pb
from translator.routes.match import is_catch_all

_ROUTES = route_components_pb2.VirtualHost.ROUTES_FIELD_NUMBER


class EncodedRoutes(msgspec.Struct, frozen=True, cache_hash=True):
    """Routes as records of a virtual host, and the clusters they send to, sorted.

    ``catch_all`` are those that no request passes; where lists are joined they go to the end.
    """

    specific: bytes = b""
    catch_all: bytes = b""
    clusters: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is no route at all."""
        return not self.specific and not self.catch_all

    @property
    def body(self) -> bytes:
        """All routes in order."""
        return self.specific + self.catch_all


def encode_routes(routes: Iterable[route_components_pb2.Route]) -> EncodedRoutes:
    """Encode routes of which only the last may catch every request."""
    specific: list[bytes] = []
    catch_all: list[bytes] = []
    clusters: set[str] = set()
    for route in routes:
        (catch_all if is_catch_all(route.match) else specific).append(pb.encode(route))
        clusters.update(_clusters_of(route.route))
    return EncodedRoutes(pb.repeated(_ROUTES, specific), pb.repeated(_ROUTES, catch_all), tuple(sorted(clusters)))


def join_routes(parts: Iterable[EncodedRoutes]) -> EncodedRoutes:
    """One list after the other, except that what catches every request stands at the end."""
    known = tuple(parts)
    return EncodedRoutes(
        b"".join(part.specific for part in known),
        b"".join(part.catch_all for part in known),
        tuple(sorted({cluster for part in known for cluster in part.clusters})),
    )


def encode_head(name: str, domains: Iterable[str]) -> bytes:
    """The part of a virtual host that stands before its routes."""
    return pb.encode(route_components_pb2.VirtualHost(name=name, domains=domains))


def encode_tail(*, attempt_count: bool, require_tls: bool = False) -> bytes:
    """The part of a virtual host that stands after its routes.

    ``attempt_count`` tells upstreams which attempt a request is; ``require_tls`` redirects plain requests to https.
    """
    kind = route_components_pb2.VirtualHost
    return pb.encode(
        kind(require_tls=kind.ALL if require_tls else kind.NONE, include_request_attempt_count=attempt_count)
    )


def _clusters_of(action: route_components_pb2.RouteAction) -> Iterator[str]:
    if action.cluster:
        yield action.cluster
    for weight in action.weighted_clusters.clusters:
        yield weight.name
    for mirror in action.request_mirror_policies:
        yield mirror.cluster
