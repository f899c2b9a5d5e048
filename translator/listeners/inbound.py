"""Inbound listeners of sidecars: what arrives for the workload is taken apart by the port that it is meant for."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from translator.database import Database
from translator.engine import query
from translator.http_filters.filter import Side
from translator.listeners.address import balance_exactly, bind_listener, wildcards
from translator.listeners.chain_match import TLS, ChainMatch, chain_match, plaintext_http
from translator.listeners.filter_chain import TCPChain, build_http_chain, build_tcp_chain
from translator.listeners.inbound_mode import bears_http_inspection, forms_behind_tls, inbound_forms
from translator.listeners.inbound_plan import InboundKey, InboundPort, inbound_plan
from translator.listeners.inspector import (
    Needs,
    build_inspectors,
    build_original_dst,
    build_original_src,
    needs_by_port,
)
from translator.listeners.resource import listener_resource
from translator.listeners.server_tls import build_server_tls
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.peer_authentication import MutualTLS
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, Tuning
from translator.names import BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, VIRTUAL_INBOUND, inbound_cluster
from translator.network_filters.http_connection_manager import ManagerInputs
from translator.network_filters.tcp_proxy import to_cluster
from translator.objects.gateway import ServerTLSSettings
from translator.objects.registry import ObjectKey
from translator.pb import boolean, duration, uint32
from translator.routes.inbound import InboundRoute, build_inbound_route
from translator.security.authorization.access import UNRESTRICTED, AccessRules, access_rules
from translator.security.mesh_tls import build_mesh_server
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource

_LOOP_GUARD: Final = "virtualInbound-blackhole"
_UNKNOWN_HTTP: Final = "virtualInbound-catchall-http"

_Chain = listener_components_pb2.FilterChain


class InboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the virtual inbound listener is made of.

    ``unknown`` is asked of clients at ports that no service declares, except those that ``undeclared`` lists.
    """

    families: IpFamilies
    transparent: bool
    tuning: Tuning
    ports: tuple[InboundPort, ...]
    unknown: MutualTLS
    undeclared: tuple[tuple[int, MutualTLS], ...] = ()
    settings: ListenerSettings
    access: AccessRules = UNRESTRICTED


class RealInboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the listener of a single port is made of."""

    port: InboundPort
    tuning: Tuning
    settings: ListenerSettings
    access: AccessRules = UNRESTRICTED


@query
def virtual_inbound(db: Database, key: InboundKey, tuning: Tuning) -> Resource:
    """The resource of the listener where all intercepted connections to the workload arrive."""
    plan = inbound_plan(db, key)
    inputs = InboundInputs(
        families=key.families,
        transparent=key.capture is Capture.TPROXY,
        tuning=tuning,
        ports=plan.captured,
        unknown=plan.policy.mode,
        undeclared=plan.undeclared,
        settings=listener_settings(db),
        access=access_rules(db, key.authorizing),
    )
    clusters = {
        BLACK_HOLE_CLUSTER,
        INBOUND_PASSTHROUGH_CLUSTER,
        *(inbound_cluster(each.port) for each in plan.captured),
    }
    return listener_resource(build_virtual_inbound(inputs), clusters=clusters)


@query
def real_inbound(db: Database, port: InboundPort, authorizing: tuple[ObjectKey, ...], tuning: Tuning) -> Resource:
    """The resource of the listener of one port that is not intercepted."""
    access = access_rules(db, authorizing)
    inputs = RealInboundInputs(port=port, tuning=tuning, settings=listener_settings(db), access=access)
    return listener_resource(build_real_inbound(inputs), clusters=(inbound_cluster(port.port),))


def build_virtual_inbound(inputs: InboundInputs) -> listener_pb2.Listener:
    """The message of the virtual inbound listener.

    Envoy: the listener filter, not ``use_original_dst``, restores the destination here, because the connection
    has to stay in this listener. It has no default chain: what no chain takes is refused.
    """
    number = inputs.settings.inbound_port
    guard = TCPChain(name=_LOOP_GUARD, match=ChainMatch(destination_port=number), proxy=to_cluster(BLACK_HOLE_CLUSTER))
    # Connections to the listener's own port are a loop.
    unknown = {0: inputs.unknown, **{port: mode for port, mode in inputs.undeclared if port != number}}
    served = [chain for port, mode in unknown.items() for chain in _unknown_chains(inputs, port, mode)]
    for port in inputs.ports:
        served += _port_chains(port, inputs)
    listener = _start_listener(VIRTUAL_INBOUND, inputs.settings, inputs.tuning)
    bind_listener(listener, wildcards(inputs.families), number)
    listener.filter_chains.append(build_tcp_chain(guard, None))
    listener.filter_chains.extend(each.chain for each in served)
    listener.listener_filters.append(build_original_dst())
    if inputs.transparent:
        listener.transparent.CopyFrom(boolean(True))  # noqa: FBT003 - a wrapped value
        listener.listener_filters.append(build_original_src())
    listener.listener_filters.extend(build_inspectors({**_needs(served), number: Needs()}))
    return listener


def build_real_inbound(inputs: RealInboundInputs) -> listener_pb2.Listener:
    """The message of the listener of one port."""
    chains = _port_chains(inputs.port, inputs)
    listener = _start_listener(inputs.port.name, inputs.settings, inputs.tuning)
    bind_listener(listener, (inputs.port.bind,), inputs.port.port)
    listener.filter_chains.extend(each.chain for each in chains)
    listener.listener_filters.extend(build_inspectors(_needs(chains)))
    return listener


_Inputs = InboundInputs | RealInboundInputs


class _InspectedChain(NamedTuple):
    """A chain for a port (0: every other), and what it needs to be told of connections."""

    port: int
    needs: Needs
    chain: _Chain


class _ChainTarget(NamedTuple):
    """What chains of one port have in common. ``port`` 0 stands for all that have no chains of their own.

    ``tls`` is that of clients which ends here, other than that of the mesh.
    """

    port: int
    http_stat_prefix: str
    http_name: str
    tcp_stat_prefix: str
    tcp_name: str
    protocol: Protocol
    route: InboundRoute
    tls: ServerTLSSettings | None = None


def _start_listener(name: str, settings: ListenerSettings, tuning: Tuning) -> listener_pb2.Listener:
    listener = listener_pb2.Listener(
        name=name,
        traffic_direction=base_pb2.INBOUND,
        continue_on_listener_filters_timeout=True,
        listener_filters_timeout=duration(settings.detection_timeout),
        max_connections_to_accept_per_socket_event=uint32(1),
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
    )
    if tuning.exact_balance:
        balance_exactly(listener)
    return listener


def _unknown_chains(inputs: InboundInputs, port: int, mode: MutualTLS) -> Iterable[_InspectedChain]:
    """The chains for a port that no service declares: passed through to the workload as it is."""
    cluster = INBOUND_PASSTHROUGH_CLUSTER
    target = _ChainTarget(
        port=port,
        http_stat_prefix=f"{cluster};",
        http_name=_UNKNOWN_HTTP,
        tcp_name=VIRTUAL_INBOUND,
        tcp_stat_prefix=cluster,
        protocol=Protocol.AUTO,
        route=InboundRoute(cluster=cluster, service_port=0),
    )
    return _chains(target, mode, inputs)


def _port_chains(port: InboundPort, inputs: _Inputs) -> list[_InspectedChain]:
    cluster = inbound_cluster(port.port)
    route = InboundRoute(
        cluster=cluster, service_port=port.service_port, hostname=port.hostname, protocol=port.protocol
    )
    target = _ChainTarget(
        port=port.port,
        http_stat_prefix=f"inbound_{port.name};",
        http_name=port.name,
        tcp_name=port.name,
        tcp_stat_prefix=port.stat_name,
        protocol=port.protocol,
        route=route,
        tls=port.tls,
    )
    return list(_chains(target, port.mode, inputs))


def _chains(target: _ChainTarget, mode: MutualTLS, inputs: _Inputs) -> Iterator[_InspectedChain]:
    bears = target.tls is not None or bears_http_inspection(target.protocol, mode)
    forms = inbound_forms(target.protocol, mode) if target.tls is None else forms_behind_tls(target.protocol)
    for form in forms:
        match = chain_match(
            destination_port=target.port,
            transport=form.transport,
            applications=plaintext_http(inputs.tuning.http10) if form.detected else form.applications,
        )
        build = _build_http if form.http else _build_tcp
        chain = build(target, match, inputs)
        if form.mutual:
            chain.transport_socket.CopyFrom(build_mesh_server(inputs.settings.mesh_tls))
        if target.tls is not None:
            chain.transport_socket.CopyFrom(build_server_tls(target.tls, inputs.settings.tls_defaults))
        # Application protocols of TLS connections come from the TLS inspector.
        needs = Needs(tls=form.transport == TLS, http=form.detected, bears_http=bears)
        yield _InspectedChain(target.port, needs, chain)


def _needs(chains: Iterable[_InspectedChain]) -> dict[int, Needs]:
    return needs_by_port((each.port, each.needs) for each in chains)


def _build_http(target: _ChainTarget, match: ChainMatch, inputs: _Inputs) -> _Chain:
    settings, tuning = inputs.settings, inputs.tuning
    manager = ManagerInputs(
        side=Side.INBOUND,
        stat_prefix=target.http_stat_prefix,
        protocols=frozenset({target.protocol}),
        http10=tuning.http10,
        idle_timeout=tuning.idle_timeout,
        normalization=settings.normalization,
        proxy=settings.proxy,
        access_log=settings.access_log,
        access_rules=inputs.access.http,
    )
    chain = build_http_chain(match, manager, build_inbound_route(target.route))
    chain.name = target.http_name
    return chain


def _build_tcp(target: _ChainTarget, match: ChainMatch, inputs: _Inputs) -> _Chain:
    chain = TCPChain(
        name=target.tcp_name,
        match=match,
        proxy=to_cluster(target.route.cluster, target.tcp_stat_prefix),
        mongo=target.protocol is Protocol.MONGO,
        access_rules=inputs.access.network,
    )
    return build_tcp_chain(chain, inputs.settings.access_log, inputs.tuning.idle_timeout)
