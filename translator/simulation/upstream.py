"""Clusters: which endpoints can get a request, and what the request looks like when it comes there."""

from collections.abc import Iterable, Iterator

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, health_check_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2
from envoy.config.route.v3 import route_components_pb2

from translator.simulation.path import rewrite_path
from translator.simulation.snapshot import Snapshot
from translator.simulation.table import Route
from translator.simulation.traffic import Connection, Request

ClusterWeight = route_components_pb2.WeightedCluster.ClusterWeight
Headers = tuple[tuple[str, str], ...]

_SERVING = (health_check_pb2.UNKNOWN, health_check_pb2.HEALTHY, health_check_pb2.DEGRADED)


def usable_endpoints(snapshot: Snapshot, cluster: cluster_pb2.Cluster, connection: Connection) -> tuple[str, ...]:
    """The endpoints (``ip:port``) that a request may be sent to: of the first priority that has any, the healthy ones.

    A cluster without endpoints of its own sends to where the client meant to connect.
    """
    if cluster.type == cluster_pb2.Cluster.ORIGINAL_DST:
        return (_join(connection.address, connection.port),)
    localities = list(snapshot.endpoints(cluster))
    for priority in sorted({each.priority for each in localities}):
        found = tuple(_serving(each for each in localities if each.priority == priority))
        if found:
            return found
    return ()


def forwarded_request(route: Route, weight: ClusterWeight | None, request: Request) -> tuple[str, str, Headers]:
    """Host, path and headers as the upstream sees them.

    Values of headers that Envoy fills in (``%REQ(...)%``) stay as they are written.
    """
    host = route.route.host_rewrite_literal
    headers = request.headers
    if weight is not None:
        host = weight.host_rewrite_literal or host
        headers = mutate(headers, weight.request_headers_to_remove, weight.request_headers_to_add)
    headers = mutate(headers, route.request_headers_to_remove, route.request_headers_to_add)
    return host or request.host, rewrite_path(route, request), headers


def mutate(headers: Headers, removed: Iterable[str], added: Iterable[base_pb2.HeaderValueOption]) -> Headers:
    """Headers after Envoy has removed some, then set others, then added others, in whatever order they are given."""
    gone = {name.lower() for name in removed}
    overwritten: dict[str, str] = {}
    appended: list[tuple[str, str]] = []
    for option in added:
        name, value = option.header.key.lower(), option.header.value.replace("%%", "%")
        if option.append_action == base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD:
            overwritten[name] = value
        else:
            appended.append((name, value))
    kept = (each for each in headers if each[0] not in gone and each[0] not in overwritten)
    return (*kept, *overwritten.items(), *appended)


def _serving(localities: Iterable[endpoint_components_pb2.LocalityLbEndpoints]) -> Iterator[str]:
    for locality in localities:
        for each in locality.lb_endpoints:
            if each.health_status in _SERVING:
                yield _address(each)


def _address(endpoint: endpoint_components_pb2.LbEndpoint) -> str:
    address: address_pb2.Address = endpoint.endpoint.address
    if address.HasField("pipe"):
        return address.pipe.path
    return _join(address.socket_address.address, address.socket_address.port_value)


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
