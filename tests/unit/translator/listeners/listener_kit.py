"""Listeners of a small mesh in memory, and ways to look at them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from tests.unit.translator.mesh_kit import GATEWAY, SIDECAR, Mesh, entry
from translator.listeners.selection import listener_references
from translator.model.proxy import Capture, Proxy
from translator.routes.selection import route_references
from xds.resource import Resource

HCM = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"
PLAIN_HTTP = ["http/1.1", "h2c"]
UNMATCHED = "PassthroughFilterChain"

DUAL = msgspec.structs.replace(SIDECAR, addresses=("10.9.9.9", "fd00::9"))
V6 = msgspec.structs.replace(SIDECAR, addresses=("fd00::9",))
UNCAPTURED = msgspec.structs.replace(SIDECAR, capture=Capture.NONE)


def gateway(**labels: str) -> Proxy:
    """A gateway proxy with labels."""
    return msgspec.structs.replace(GATEWAY, labels=tuple(sorted(labels.items())))


def sharing(*texts: str) -> Mesh:
    """A mesh in which the endpoints of a TCP port of headless services share a listener."""
    mesh = Mesh(*texts)
    mesh.db.replace_settings(msgspec.structs.replace(mesh.db.settings, headless_chains=True))
    return mesh


def resources(mesh: Mesh, proxy: Proxy = SIDECAR) -> dict[str, Resource]:
    """The listeners of a proxy as resources, in the order of the list."""
    found: dict[str, Resource] = {}
    for name, query, args in listener_references(mesh.db, mesh.view(proxy)):
        assert name not in found
        resource = query(mesh.db, *args)
        if resource is not None:
            assert resource.name == name
            found[name] = resource
    return found


def listeners(mesh: Mesh, proxy: Proxy = SIDECAR) -> dict[str, listener_pb2.Listener]:
    """The listeners of a proxy."""
    return {name: listener_pb2.Listener.FromString(each.body) for name, each in resources(mesh, proxy).items()}


def route_tables(mesh: Mesh, proxy: Proxy = SIDECAR) -> dict[str, route_pb2.RouteConfiguration]:
    """The route tables of a proxy."""
    built = (query(mesh.db, *args) for _, query, args in route_references(mesh.db, mesh.view(proxy)))
    tables = (route_pb2.RouteConfiguration.FromString(each.body) for each in built if each is not None)
    return {table.name: table for table in tables}


def outbound_names(mesh: Mesh, proxy: Proxy = SIDECAR) -> list[str]:
    """The names of a sidecar's listeners, except the virtual ones."""
    return [name for name in resources(mesh, proxy) if not name.startswith("virtual")]


def chains(listener: listener_pb2.Listener) -> list[dict[str, Any]]:
    """The chains of a listener in brief, the default one last: match, and ``to``: a cluster, clusters or route."""
    found = [_brief(chain) for chain in listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        found.append({"default": True, **_brief(listener.default_filter_chain)})
    return found


def manager(listener: listener_pb2.Listener) -> http_connection_manager_pb2.HttpConnectionManager:
    """The first connection manager of a listener."""
    return managers(listener)[0]


def managers(listener: listener_pb2.Listener) -> list[http_connection_manager_pb2.HttpConnectionManager]:
    """The connection managers of a listener."""
    return [
        http_connection_manager_pb2.HttpConnectionManager.FromString(each.typed_config.value)
        for chain in _all_chains(listener)
        for each in chain.filters
        if each.name == HCM
    ]


def proxies(listener: listener_pb2.Listener) -> list[tcp_proxy_pb2.TcpProxy]:
    """The TCP proxies of a listener, that of the default chain last."""
    return [
        tcp_proxy_pb2.TcpProxy.FromString(each.typed_config.value)
        for chain in _all_chains(listener)
        for each in chain.filters
        if each.name == TCP_PROXY
    ]


def filter_names(listener: listener_pb2.Listener) -> list[str]:
    """The last parts of the names of the listener filters."""
    return [each.name.rpartition(".")[2] for each in listener.listener_filters]


def address(listener: listener_pb2.Listener) -> tuple[str, int]:
    """Where a listener binds."""
    where = listener.address.socket_address
    return where.address, where.port_value


def istio(kind: str, name: str, spec: str, *, namespace: str = "default", created: str = "2026-01-01T00:00:00Z") -> str:
    """An object of networking.istio.io from the text of its specification."""
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
            "spec": yaml.safe_load(spec),
        }
    )


def kube_service(
    name: str, ports: str, *, ip: str = "10.0.0.1", created: str = "2026-01-01T00:00:00Z", **spec: object
) -> str:
    """A Kubernetes Service in the namespace default."""
    fields: Mapping[str, object] = {"clusterIP": ip, "selector": {"app": name}, **spec}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default", "creationTimestamp": created},
            "spec": {**fields, "ports": yaml.safe_load(f"[{ports}]")},
        }
    )


def host(name: str) -> str:
    """The hostname of a Kubernetes Service in the namespace default."""
    return f"{name}.default.svc.cluster.local"


def _all_chains(listener: listener_pb2.Listener) -> Iterable[listener_components_pb2.FilterChain]:
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def _brief(chain: listener_components_pb2.FilterChain) -> dict[str, Any]:
    match = chain.filter_chain_match
    brief: dict[str, Any] = {
        "port": match.destination_port.value,
        "prefixes": [f"{each.address_prefix}/{each.prefix_len.value}" for each in match.prefix_ranges],
        "sni": list(match.server_names),
        "transport": match.transport_protocol,
        "alpn": list(match.application_protocols),
        "tls": chain.HasField("transport_socket"),
    }
    return {"name": chain.name, "to": _target(chain), **brief} if chain.name else {"to": _target(chain), **brief}


def _target(chain: listener_components_pb2.FilterChain) -> object:
    last = chain.filters[-1]
    if last.name == HCM:
        found = http_connection_manager_pb2.HttpConnectionManager.FromString(last.typed_config.value)
        if found.HasField("route_config"):
            return f"inline {found.route_config.name}"
        return f"rds {found.rds.route_config_name}"
    proxy = tcp_proxy_pb2.TcpProxy.FromString(last.typed_config.value)
    return proxy.cluster or {each.name: each.weight for each in proxy.weighted_clusters.clusters}


def matching(found: Iterable[Mapping[str, Any]], **wanted: object) -> list[Mapping[str, Any]]:
    """Of chains in brief those that have these values."""
    return [each for each in found if all(each.get(name) == value for name, value in wanted.items())]


def external(host: str, *ports: str, created: str = "2026-01-01T00:00:00Z", **fields: object) -> str:
    """A ServiceEntry named like its host; ports are ``number/protocol``."""
    listed = ", ".join(
        f"{{number: {port.split('/')[0]}, name: p{index}, protocol: {port.split('/')[1]}}}"
        for index, port in enumerate(ports)
    )
    extra = "".join(f"\n{key}: {value}" for key, value in {"resolution": "DNS", **fields}.items())
    return entry(
        f"hosts: ['{host}']\nports: [{listed}]{extra}",
        name=host.replace("*", "wild").replace(".", "-"),
        created=created,
    )
