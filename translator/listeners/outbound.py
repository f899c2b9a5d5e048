"""Outbound listeners of sidecars: one for each address and port that the services of a scope are dialled at."""

from collections.abc import Iterable
from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from translator.database import Database
from translator.engine import query
from translator.http_filters.filter import Side
from translator.listeners.address import balance_exactly, bind_listener, is_wildcard
from translator.listeners.chain_match import MATCH_ALL, RAW_BUFFER, ChainMatch, chain_match, plaintext_http
from translator.listeners.connection_routing import (
    Caller,
    ConnectionRoute,
    connection_rules,
    select_proxy,
    select_tcp_routes,
    select_tls_routes,
)
from translator.listeners.filter_chain import (
    SNIResolution,
    TCPChain,
    build_http_chain,
    build_tcp_chain,
    keep_distinct,
    limit_handshake,
)
from translator.listeners.inspector import build_http_inspector, build_tls_inspector
from translator.listeners.planned_listener import PlannedListener, TCPBackend
from translator.listeners.resource import listener_resource
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies, Labels, Tuning
from translator.model.scope import ScopeKey, TrafficPolicy, imports_rule, outbound_traffic_policy
from translator.model.service import aliases
from translator.names import (
    BLACK_HOLE_CLUSTER,
    DYNAMIC_DNS_CLUSTER,
    HTTP_PROXY_ROUTE,
    PASSTHROUGH_CLUSTER,
    outbound_cluster,
)
from translator.network_filters.http_connection_manager import ManagerInputs
from translator.network_filters.tcp_proxy import TCPProxyInputs, to_cluster
from translator.objects.sidecar import OutboundTrafficMode
from translator.objects.virtual_service import Destination, PortSelector, RouteDestination
from translator.pb import boolean, duration, uint32
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource

_UNMATCHED: Final = "PassthroughFilterChain"


class OutboundSite(msgspec.Struct, frozen=True):
    """What else than its plan an outbound listener depends on; ``labels`` are empty where only HTTP is served."""

    scope: ScopeKey
    families: IpFamilies = IpFamilies.V4
    labels: Labels = ()
    tuning: Tuning = Tuning()


class OutboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an outbound listener is made of. ``unmatched`` is the cluster for what no chain takes.

    ``resolves_unknown``: requests to unknown hosts go where DNS says.
    """

    plan: PlannedListener
    chains: tuple[TCPChain, ...]
    unmatched: str
    resolves_unknown: bool = False
    families: IpFamilies
    tuning: Tuning
    settings: ListenerSettings


@query
def outbound_listener(db: Database, site: OutboundSite, plan: PlannedListener) -> Resource | None:
    """The resource of one planned listener; None if nothing is left to listen for."""
    inputs = outbound_inputs(db, site, plan)
    if not inputs.chains and not plan.route_name:
        return None
    clusters = {cluster for chain in inputs.chains for cluster in chain.clusters}
    if _unmatched_chain(inputs) is not None:
        clusters.add(inputs.unmatched)
    return listener_resource(build_outbound_listener(inputs), (plan.route_name,), clusters)


@query
def outbound_inputs(db: Database, site: OutboundSite, plan: PlannedListener) -> OutboundInputs:
    """Select what a planned listener is made of."""
    chains = [chain for backend in plan.backends for chain in backend_chains(db, site, backend)]
    if plan.backends and plan.backends[0].by_sni and not is_wildcard(plan.binds[0]):
        # Clients without SNI mean the oldest service, unless one is there that needs none.
        chains.append(TCPChain(proxy=_own_proxy(db, site, plan.backends[0])))
    policy = outbound_traffic_policy(db, site.scope)
    return OutboundInputs(
        plan=plan,
        chains=keep_distinct(chains),
        unmatched=unmatched_cluster(policy),
        resolves_unknown=policy.mode is OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS,
        families=site.families,
        tuning=site.tuning,
        settings=listener_settings(db),
    )


@query
def backend_chains(db: Database, site: OutboundSite, backend: TCPBackend) -> tuple[TCPChain, ...]:
    """The chains of one service port: those that routing rules ask for, and its own cluster for the rest."""
    caller = Caller(site.scope.namespace, site.labels)
    rules = [
        rule
        for rule in connection_rules(db, caller.namespace, backend.hostname)
        if imports_rule(db, site.scope, backend.position, rule)
    ]
    own = _own_match(db, backend)
    if backend.protocol.is_tls:
        routes = tuple(select_tls_routes(rules, caller, backend.port, backend.prefixes))
        # Istio: a rule for the host replaces the service's own chain, whichever SNI it is about.
        complete = bool(routes)
    else:
        routes = select_tcp_routes(rules, caller, backend.port, backend.prefixes)
        complete = any(_route_match(route) == own for route in routes)
    chains = [_route_chain(db, caller, backend, route) for route in routes]
    if not complete:
        chains.append(_own_chain(db, site, backend, own))
    return tuple(chains)


def unmatched_cluster(policy: TrafficPolicy) -> str:
    """Where connections to unknown destinations go."""
    if policy.mode is OutboundTrafficMode.REGISTRY_ONLY:
        return BLACK_HOLE_CLUSTER
    proxy = policy.egress_proxy
    if policy.mode is OutboundTrafficMode.ALLOW_ANY and proxy is not None:
        return outbound_cluster(proxy.port.number if proxy.port else 0, proxy.subset, proxy.host)
    return PASSTHROUGH_CLUSTER


def build_outbound_listener(inputs: OutboundInputs) -> listener_pb2.Listener:
    """The message of an outbound listener."""
    plan, settings = inputs.plan, inputs.settings
    listener = listener_pb2.Listener(
        name=plan.name,
        traffic_direction=base_pb2.OUTBOUND,
        continue_on_listener_filters_timeout=True,
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
    )
    bind_listener(listener, plan.binds, plan.port)
    if plan.real:
        listener.max_connections_to_accept_per_socket_event.CopyFrom(uint32(1))
    else:
        # Intercepted connections are handed over by the virtual listener.
        listener.bind_to_port.CopyFrom(boolean(False))  # noqa: FBT003 - a wrapped value
    if inputs.tuning.exact_balance:
        balance_exactly(listener)
    _add_inspectors(listener, inputs)
    _add_chains(listener, inputs)
    return listener


def _add_inspectors(listener: listener_pb2.Listener, inputs: OutboundInputs) -> None:
    """Inspection takes as long as it takes: a timeout would send slow clients to the wrong chain."""
    if any(chain.match.server_names for chain in inputs.chains):
        listener.listener_filters.append(build_tls_inspector())
    if inputs.plan.route_name and inputs.plan.detects_http:
        listener.listener_filters.append(build_http_inspector())
        listener.listener_filters_timeout.CopyFrom(duration(inputs.settings.detection_timeout))
    else:
        listener.listener_filters_timeout.SetInParent()


def _add_chains(listener: listener_pb2.Listener, inputs: OutboundInputs) -> None:
    """Envoy: connections that match no chain get the default one; a lone chain needs no default."""
    chains = [chain for chain in inputs.chains if chain.match != MATCH_ALL]
    built = [_build_chain(chain, inputs) for chain in chains]
    if inputs.plan.route_name:
        built.append(limit_handshake(_build_http_chain(inputs)))
    default = next((_build_chain(chain, inputs) for chain in inputs.chains if chain.match == MATCH_ALL), None)
    if default is None:
        default = _unmatched_chain(inputs)
    if default is not None and not built:
        built, default = [default], None
    listener.filter_chains.extend(built)
    if default is not None:
        listener.default_filter_chain.CopyFrom(default)


def _build_chain(chain: TCPChain, inputs: OutboundInputs) -> listener_components_pb2.FilterChain:
    return limit_handshake(build_tcp_chain(chain, inputs.settings.access_log, inputs.tuning.idle_timeout))


def _build_http_chain(inputs: OutboundInputs) -> listener_components_pb2.FilterChain:
    plan, settings = inputs.plan, inputs.settings
    match = MATCH_ALL
    if plan.detects_http:
        match = chain_match(transport=RAW_BUFFER, applications=plaintext_http(inputs.tuning.http10))
    manager = ManagerInputs(
        side=Side.OUTBOUND,
        stat_prefix=f"outbound_{plan.name};",
        route_name=plan.route_name,
        protocols=frozenset({Protocol.GRPC_WEB} if plan.grpc_web else ()),
        dynamic_hosts=(*plan.dynamic_hosts, *((DYNAMIC_DNS_CLUSTER,) if inputs.resolves_unknown else ())),
        families=inputs.families,
        http10=inputs.tuning.http10,
        idle_timeout=inputs.tuning.idle_timeout,
        forwards_proxy_requests=plan.route_name == HTTP_PROXY_ROUTE,
        normalization=settings.normalization,
        proxy=settings.proxy,
        access_log=settings.access_log,
    )
    return build_http_chain(match, manager)


def _unmatched_chain(inputs: OutboundInputs) -> listener_components_pb2.FilterChain | None:
    """The chain for what no service claims: connections to the same port of unknown addresses.

    On a socket of its own, and where a chain takes everything anyway, there are none.
    """
    plan = inputs.plan
    takes_all = any(chain.match == MATCH_ALL for chain in inputs.chains)
    if takes_all or plan.real or (plan.route_name and not plan.detects_http):
        return None
    chain = TCPChain(name=_UNMATCHED, proxy=to_cluster(inputs.unmatched))
    return build_tcp_chain(chain, inputs.settings.access_log, inputs.tuning.idle_timeout)


def _own_match(db: Database, backend: TCPBackend) -> ChainMatch:
    names: Iterable[str] = (backend.hostname, *aliases(db, backend.hostname)) if backend.by_sni else ()
    return chain_match(prefixes=backend.prefixes, server_names=names)


def _own_chain(db: Database, site: OutboundSite, backend: TCPBackend, match: ChainMatch) -> TCPChain:
    resolution = None
    if backend.resolves_names and backend.protocol.is_tls:
        resolution = SNIResolution(backend.hostname, backend.port, site.families)
    proxy = _own_proxy(db, site, backend)
    return TCPChain(match=match, proxy=proxy, mongo=_is_mongo(backend), resolution=resolution)


def _own_proxy(db: Database, site: OutboundSite, backend: TCPBackend) -> TCPProxyInputs:
    destination = Destination(host=backend.hostname, port=PortSelector(number=backend.cluster_port))
    caller = Caller(site.scope.namespace, site.labels)
    return select_proxy(db, caller, (RouteDestination(destination=destination),), backend.port, None)


def _route_match(route: ConnectionRoute) -> ChainMatch:
    return chain_match(prefixes=route.prefixes, server_names=route.server_names)


def _route_chain(db: Database, caller: Caller, backend: TCPBackend, route: ConnectionRoute) -> TCPChain:
    return TCPChain(
        match=_route_match(route),
        proxy=select_proxy(db, caller, route.destinations, backend.port, route.rule),
        rule=None if route.own_subnets else route.rule,
        mongo=_is_mongo(backend),
    )


def _is_mongo(backend: TCPBackend) -> bool:
    return backend.protocol is Protocol.MONGO
