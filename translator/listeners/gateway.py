"""Listeners of gateways: one for each address and port of the Gateways' servers."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from translator.clusters.discovery import Client
from translator.clusters.selection import cluster_offers, passed_services
from translator.database import Database
from translator.engine import query
from translator.http_filters.filter import Side
from translator.listeners.address import balance_exactly, bind_listener, wildcards
from translator.listeners.chain_match import MATCH_ALL, MESH_APPLICATIONS, ChainMatch, chain_match
from translator.listeners.connection_routing import (
    Caller,
    connection_rules_of_gateway,
    select_gateway_route,
    select_proxy,
    select_tls_routes,
)
from translator.listeners.filter_chain import TCPChain, build_http_chain, build_tcp_chain, limit_handshake
from translator.listeners.inspector import build_proxy_protocol, build_tls_inspector
from translator.listeners.resource import listener_resource
from translator.listeners.server_tls import build_server_tls
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.connection_settings import gateway_connection_settings
from translator.model.destination_rule import policy_labels
from translator.model.gateway import GatewayListener, GatewayServer
from translator.model.host import overlaps
from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies, Labels, Role, Tuning
from translator.model.routing_rule import RoutingRule
from translator.names import listener as listener_name
from translator.names import subset_sni
from translator.network_filters.http_connection_manager import ManagerInputs
from translator.network_filters.tcp_proxy import to_cluster
from translator.objects.gateway import ServerTLSSettings
from translator.objects.registry import ObjectKey
from translator.pb import uint32
from translator.security.authorization.access import access_rules
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource


class GatewaySite(msgspec.Struct, frozen=True, kw_only=True):
    """What else than its servers a gateway's listener depends on. ``authorizing``: the policies about callers.

    ``has_identity``: it can show a certificate of the mesh.
    """

    namespace: str
    labels: Labels = ()
    families: IpFamilies = IpFamilies.V4
    tuning: Tuning = Tuning()
    authorizing: tuple[ObjectKey, ...] = ()
    has_identity: bool = False


@dataclass(frozen=True, slots=True)
class GatewayChain:
    """One chain: what takes its requests or passes its bytes on; ``tls`` is ended first."""

    match: ChainMatch
    target: ManagerInputs | TCPChain
    tls: ServerTLSSettings | None = None


class GatewayInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a gateway's listener is made of."""

    name: str
    binds: tuple[str, ...]
    port: int
    chains: tuple[GatewayChain, ...]
    tuning: Tuning
    settings: ListenerSettings
    has_identity: bool = False


def gateway_binds(site: GatewaySite, listener: GatewayListener) -> tuple[str, ...]:
    """The addresses of a listener; the first names it."""
    return (listener.bind,) if listener.bind else wildcards(site.families)


@query
def gateway_listener(db: Database, site: GatewaySite, listener: GatewayListener) -> Resource | None:
    """The resource of one listener; None while its servers have nowhere to send anything."""
    inputs = gateway_inputs(db, site, listener)
    if not inputs.chains:
        return None
    targets = [chain.target for chain in inputs.chains]
    routes = [each.route_name for each in targets if isinstance(each, ManagerInputs)]
    clusters = {name for each in targets if isinstance(each, TCPChain) for name in each.clusters}
    return listener_resource(build_gateway_listener(inputs), routes, clusters)


@query
def gateway_inputs(db: Database, site: GatewaySite, listener: GatewayListener) -> GatewayInputs:
    """Select what a listener is made of; of chains for the same connections the first stays."""
    binds = gateway_binds(site, listener)
    name = listener_name(binds[0], listener.port)
    chains: dict[ChainMatch, GatewayChain] = {}
    for server in listener.servers:
        for chain in _server_chains(db, site, listener, server):
            chains.setdefault(chain.match, chain)
    return GatewayInputs(
        name=name,
        binds=binds,
        port=listener.port,
        chains=tuple(chains.values()),
        tuning=site.tuning,
        settings=listener_settings(db),
        has_identity=site.has_identity,
    )


def build_gateway_listener(inputs: GatewayInputs) -> listener_pb2.Listener:
    """The message of a listener."""
    settings = inputs.settings
    listener = listener_pb2.Listener(
        name=inputs.name,
        traffic_direction=base_pb2.OUTBOUND,
        filter_chains=[_build_chain(chain, inputs) for chain in inputs.chains],
        max_connections_to_accept_per_socket_event=uint32(1),
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
    )
    bind_listener(listener, inputs.binds, inputs.port)
    limit = gateway_connection_settings(settings.proxy.connection_settings).listener_per_connection_buffer_limit_bytes
    if limit is not None and limit >= 0:
        listener.per_connection_buffer_limit_bytes.value = limit
    if inputs.tuning.exact_balance:
        balance_exactly(listener)
    if settings.proxy.gateway_topology.proxy_protocol is not None:
        listener.listener_filters.append(build_proxy_protocol())
    if any(chain.tls or chain.match.server_names for chain in inputs.chains):
        listener.listener_filters.append(build_tls_inspector())
    return listener


def _build_chain(chain: GatewayChain, inputs: GatewayInputs) -> listener_components_pb2.FilterChain:
    if isinstance(chain.target, ManagerInputs):
        built = build_http_chain(chain.match, chain.target)
    else:
        built = build_tcp_chain(chain.target, inputs.settings.access_log, inputs.tuning.idle_timeout)
    if chain.tls is not None:
        socket = build_server_tls(chain.tls, inputs.settings.tls_defaults, has_identity=inputs.has_identity)
        built.transport_socket.CopyFrom(socket)
    return limit_handshake(built)


def _server_chains(
    db: Database, site: GatewaySite, listener: GatewayListener, server: GatewayServer
) -> Iterator[GatewayChain]:
    tls = server.tls if server.is_terminating else None
    match = chain_match(server_names=server.sni_hosts) if tls else MATCH_ALL
    if server.is_http:
        yield GatewayChain(match, _manager(db, site, listener, server), tls)
    elif tls is not None or server.is_plaintext:
        yield from _routed_connections(db, site, server, match)
    elif server.passes_mesh_tls:
        yield from _passed_by_name(db, site, server)
    else:
        yield from _passed_through(db, site, server)


def _manager(db: Database, site: GatewaySite, listener: GatewayListener, server: GatewayServer) -> ManagerInputs:
    """The connection manager of a server and of those that share its route table."""
    settings = listener_settings(db)
    own_prefix = server.name if server.protocol is Protocol.HTTPS else ""
    name = listener_name(gateway_binds(site, listener)[0], listener.port)
    return ManagerInputs(
        side=Side.GATEWAY,
        stat_prefix=own_prefix or f"outbound_{name};",
        route_name=server.route_name,
        protocols=frozenset(each.protocol for each in listener.servers if each.route_name == server.route_name),
        http10=site.tuning.http10,
        idle_timeout=site.tuning.idle_timeout,
        normalization=settings.normalization,
        proxy=settings.proxy,
        access_log=settings.access_log,
        access_rules=access_rules(db, site.authorizing).http,
    )


def _routed_connections(
    db: Database, site: GatewaySite, server: GatewayServer, match: ChainMatch
) -> Iterator[GatewayChain]:
    """Istio: the first rule for connections takes all of them; without any there is no chain."""
    caller = Caller(site.namespace, site.labels, server.gateway_name)
    for rule in _rules(db, caller, server):
        route = select_gateway_route(rule, caller, server.number)
        if route is not None:
            proxy = select_proxy(db, caller, route, server.number, rule.key)
            connection = TCPChain(
                match=match,
                proxy=proxy,
                rule=rule.key,
                mongo=server.protocol is Protocol.MONGO,
                access_rules=access_rules(db, site.authorizing).network,
            )
            yield GatewayChain(match, connection, server.tls if server.is_terminating else None)
            return


def _passed_through(db: Database, site: GatewaySite, server: GatewayServer) -> Iterator[GatewayChain]:
    """The chains of a server that leaves TLS alone, by the SNI that rules name."""
    caller = Caller(site.namespace, site.labels, server.gateway_name)
    for route in select_tls_routes(_rules(db, caller, server), caller, server.number):
        match = chain_match(server_names=route.server_names)
        proxy = select_proxy(db, caller, route.destinations, server.number, route.rule)
        access = access_rules(db, site.authorizing).network
        yield GatewayChain(match, TCPChain(match=match, proxy=proxy, rule=route.rule, access_rules=access))


def _passed_by_name(db: Database, site: GatewaySite, server: GatewayServer) -> Iterator[GatewayChain]:
    """The chains of a server that lets the mesh's own TLS through: one for each cluster that clients can name.

    Istio: no policy holds here; those of the workload behind do.
    """
    client = Client(role=Role.GATEWAY, intercepted=False, families=site.families)
    for owner in passed_services(db, site.namespace, server.sni_hosts):
        labels = policy_labels(db, site.namespace, site.labels, owner[1])
        for offer in cluster_offers(db, site.namespace, client, labels, owner):
            name = subset_sni(offer.port, offer.subset, owner[1])
            match = chain_match(server_names=(name,), applications=MESH_APPLICATIONS)
            yield GatewayChain(match, TCPChain(match=match, proxy=to_cluster(name)))


def _rules(db: Database, caller: Caller, server: GatewayServer) -> Iterator[RoutingRule]:
    for rule in connection_rules_of_gateway(db, caller.gateway, caller.namespace):
        hosts = server.hosts_for(rule.key.namespace)
        if any(overlaps(own, host) for own in hosts for host in rule.hosts):
            yield rule
