"""Gateways: which servers a gateway proxy serves, merged into the sockets that it has to listen on."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import GATEWAYS
from translator.model.gateway_api.listener import (
    applicable_kubernetes_gateways,
    build_server,
    listener_key,
    served_listeners,
)
from translator.model.host import normalize_host
from translator.model.protocol import Protocol, parse_protocol
from translator.model.proxy import DatagramPort, Labels, Role, ServiceTarget, ViewKey
from translator.model.workload import has_labels
from translator.names import http_gateway_route, https_gateway_route
from translator.objects.gateway import IstioGateway, Server, ServerTLSMode, ServerTLSSettings
from translator.objects.registry import ObjectKey

ANY_NAMESPACE = "*"
_FIRST_UNPRIVILEGED_PORT = 1024


class ServerHost(NamedTuple):
    """A host of a server, and the namespace whose routing rules may bind to it (``*``: any)."""

    namespace: str
    host: str


class GatewayServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a Gateway. ``number`` is the port as the Gateway says it; ``route_name`` is empty without HTTP."""

    gateway: ObjectKey
    number: int
    port_name: str
    protocol: Protocol
    hosts: tuple[ServerHost, ...]
    name: str = ""
    tls: ServerTLSSettings | None = None
    route_name: str = ""

    @property
    def gateway_name(self) -> str:
        """The qualified name by which routing rules refer to the Gateway."""
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def is_plaintext(self) -> bool:
        """Whether connections carry no TLS (an HTTP server may have ``tls`` for its redirect alone)."""
        return self.tls is None or self.protocol.is_http

    @property
    def is_terminating(self) -> bool:
        """Whether the gateway itself ends the TLS of its clients."""
        tls = self.tls
        passing = (ServerTLSMode.PASSTHROUGH, ServerTLSMode.AUTO_PASSTHROUGH)
        return tls is not None and not self.protocol.is_http and tls.mode not in passing

    @property
    def passes_mesh_tls(self) -> bool:
        """Whether connections go, unopened, where the SNI of the mesh's own TLS says."""
        return self.tls is not None and self.tls.mode is ServerTLSMode.AUTO_PASSTHROUGH

    @property
    def is_http(self) -> bool:
        """Whether requests are routed, not connections."""
        return self.protocol.is_http or (self.protocol is Protocol.HTTPS and self.is_terminating)

    @property
    def speaks_http3(self) -> bool:
        """Whether the server may be had over HTTP/3, too. Clients with certificates of the mesh speak HTTP/2."""
        tls = self.tls
        return tls is not None and self.is_http and self.is_terminating and tls.mode is not ServerTLSMode.ISTIO_MUTUAL

    @property
    def redirects_to_https(self) -> bool:
        """Whether plain requests are answered with a redirect to https."""
        return self.tls is not None and self.tls.https_redirect

    @property
    def sni_hosts(self) -> tuple[str, ...]:
        """The hosts without their namespaces, sorted."""
        return tuple(sorted({each.host for each in self.hosts}))

    def hosts_for(self, namespace: str) -> tuple[str, ...]:
        """The hosts that routing rules of a namespace may bind to."""
        return tuple(each.host for each in self.hosts if each.namespace in (ANY_NAMESPACE, namespace))


class GatewayListener(msgspec.Struct, frozen=True, kw_only=True):
    """The servers that share a socket; an empty ``bind`` is every interface. ``port`` is that of the workload.

    ``quic_port`` is the UDP port of the workload on which they also take HTTP/3; 0 where they do not.
    """

    bind: str
    port: int
    servers: tuple[GatewayServer, ...]
    quic_port: int = 0


class GatewayProxy(msgspec.Struct, frozen=True, kw_only=True):
    """What the servers of a gateway proxy depend on.

    ``targets`` translate the port of a server to that of the workload, ``datagram_ports`` to its UDP port; an
    unprivileged workload gets no port below 1024.
    """

    namespace: str
    labels: Labels = ()
    targets: tuple[ServiceTarget, ...] = ()
    datagram_ports: tuple[DatagramPort, ...] = ()
    unprivileged: bool = False

    def may_bind(self, port: int) -> bool:
        """Whether it may listen on a port."""
        return not self.unprivileged or port >= _FIRST_UNPRIVILEGED_PORT


class RejectedServer(msgspec.Struct, frozen=True):
    """A server that cannot share its port with an older one."""

    server: GatewayServer
    reason: str


class GatewayPlan(msgspec.Struct, frozen=True):
    """What a gateway proxy listens on, in order of first mention, and what it had to leave out."""

    listeners: tuple[GatewayListener, ...]
    rejected: tuple[RejectedServer, ...] = ()


@query
def applicable_gateways(
    db: Database, namespace: str, labels: Labels, targets: tuple[ServiceTarget, ...]
) -> tuple[ObjectKey, ...]:
    """The gateways that a gateway proxy serves, oldest first.

    Those of Istio select it by its labels; no selector selects every proxy.
    """
    carried = dict(labels)
    found = [
        (source.metadata.creation_timestamp, key)
        for key in db.members(GATEWAYS, "")
        if isinstance(source := db.row(key), IstioGateway) and has_labels(carried, source.spec.selector)
    ]
    found.extend(applicable_kubernetes_gateways(db, namespace, labels, targets))
    return tuple(key for _, key in sorted(found, key=lambda each: (each[0], each[1].name, each[1].namespace)))


@query
def gateway_plan(db: Database, proxy: GatewayProxy) -> GatewayPlan:
    """The servers of all applicable Gateways, merged by socket."""
    ports: dict[int, _SharedPort] = {}
    for gateway in applicable_gateways(db, proxy.namespace, proxy.labels, proxy.targets):
        for key, server in _servers(db, gateway):
            port = _target_port(server.port.number, proxy.targets)
            if proxy.may_bind(port):
                ports.setdefault(port, _SharedPort(port)).add(server.bind, _convert(server, key, port))
    usable = {each.number: each.target for each in proxy.datagram_ports if proxy.may_bind(each.target)}
    return GatewayPlan(
        tuple(listener for port in ports.values() for listener in port.listeners(usable)),
        tuple(rejected for port in ports.values() for rejected in port.rejected),
    )


def gateway_servers(db: Database, view: ViewKey) -> tuple[GatewayListener, ...]:
    """What a gateway proxy listens on: sockets with their servers, in order of first mention."""
    proxy = GatewayProxy(
        namespace=view.namespace,
        labels=view.labels,
        targets=view.targets,
        datagram_ports=view.datagram_ports,
        unprivileged=view.unprivileged,
    )
    return gateway_plan(db, proxy).listeners


def passed_hosts(db: Database, view: ViewKey) -> tuple[str, ...]:
    """The hosts whose mesh TLS a gateway lets through; none for other proxies."""
    if view.role is not Role.GATEWAY:
        return ()
    servers = (server for listener in gateway_servers(db, view) for server in listener.servers)
    return tuple(sorted({host for server in servers if server.passes_mesh_tls for host in server.sni_hosts}))


def _servers(db: Database, gateway: ObjectKey) -> Iterator[tuple[ObjectKey, Server]]:
    """The servers of a gateway, each with what routing rules are bound to: the gateway, or a listener of it."""
    source = db.row(gateway)
    if isinstance(source, IstioGateway):
        for server in source.spec.servers:
            yield gateway, server
    else:
        for listener in served_listeners(db, gateway):
            yield listener_key(gateway, listener.name), build_server(gateway, listener)


def _target_port(number: int, targets: Iterable[ServiceTarget]) -> int:
    """Istio: the first service of the proxy with this port says where the workload really listens."""
    return next((target.target_port for target in targets if target.port.number == number), number)


def _convert(server: Server, key: ObjectKey, port: int) -> GatewayServer:
    converted = GatewayServer(
        gateway=key,
        number=server.port.number,
        port_name=server.port.name,
        protocol=parse_protocol(server.port.protocol),
        hosts=tuple(dict.fromkeys(_hosts(server.hosts, key.namespace))),
        name=server.name,
        tls=server.tls,
    )
    return msgspec.structs.replace(converted, route_name=_route_name(converted, server.bind, port))


def _hosts(hosts: Iterable[str], namespace: str) -> Iterator[ServerHost]:
    """Istio: ``./host`` binds rules of the Gateway's own namespace, ``*/host`` and a bare host those of any."""
    for text in hosts:
        owner, slash, host = text.partition("/")
        if not slash:
            owner, host = ANY_NAMESPACE, text
        yield ServerHost(namespace if owner == "." else owner, normalize_host(host))


def _route_name(server: GatewayServer, bind: str, port: int) -> str:
    """Istio: plain servers of a port share a table under the workload's port; every HTTPS server has its own."""
    if server.protocol.is_http:
        return http_gateway_route(port, bind)
    if not server.is_http:
        return ""
    gateway = (server.gateway.name, server.gateway.namespace)
    return https_gateway_route(server.number, server.port_name, gateway, bind)


class _SharedPort:
    """The merging of all servers whose workload port is the same, by Istio's rules of who may join whom."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.rejected: list[RejectedServer] = []
        self._binds: dict[str, list[GatewayServer]] = {}

    def add(self, bind: str, server: GatewayServer) -> None:
        present = self._binds.get(bind, [])
        reason = _conflict(present, server)
        if reason:
            self.rejected.append(RejectedServer(server, reason))
        else:
            self._binds.setdefault(bind, present).append(server)

    def listeners(self, datagram_ports: Mapping[int, int]) -> Iterator[GatewayListener]:
        for bind, servers in self._binds.items():
            ports = (datagram_ports.get(each.number, 0) for each in servers if each.speaks_http3)
            quic_port = next((port for port in ports if port), 0)
            yield GatewayListener(bind=bind, port=self.port, servers=tuple(servers), quic_port=quic_port)


def _conflict(present: list[GatewayServer], server: GatewayServer) -> str:
    """Why a server cannot join those that are on the same address and port already; empty if it can."""
    taken = _shared_hosts(present, server)
    if taken:
        return f"host {', '.join(taken)} is served with TLS by an older server of the same port"
    plain = next((other for other in present if other.is_plaintext), None)
    if plain is not None and not (plain.protocol.is_http and server.protocol.is_http):
        return f"an older server uses the port for {plain.protocol} without TLS"
    if server.route_name and server.is_terminating and any(each.route_name == server.route_name for each in present):
        return f"another server of the Gateway has the same port and port name {server.port_name}"
    return ""


def _shared_hosts(present: list[GatewayServer], server: GatewayServer) -> list[str]:
    """The hosts of a TLS server that older TLS servers have already, so that connections could not be told apart.

    Chains that end TLS are selected by host alone. Between pass-through servers it is routing rules that bring
    the hosts, and those come from other namespaces if the servers say so.
    """
    if server.is_plaintext:
        return []
    shared: set[str] = set()
    for other in present:
        if other.is_plaintext:
            continue
        if server.is_terminating or other.is_terminating:
            shared.update(set(server.sni_hosts) & set(other.sni_hosts))
        else:
            shared.update(each.host for each in server.hosts if each in other.hosts)
    return sorted(shared)
