"""The virtual outbound listener: intercepted connections arrive here, and unknown destinations stay here."""

from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2
from google.protobuf.duration_pb2 import Duration

from translator.database import Database
from translator.engine import query
from translator.http_filters.filter import Side
from translator.listeners.address import bind_listener, wildcards
from translator.listeners.chain_match import ChainMatch, chain_match, plaintext_http
from translator.listeners.filter_chain import TCPChain, build_http_chain, build_tcp_chain
from translator.listeners.inspector import build_http_inspector, build_original_dst
from translator.listeners.outbound import unmatched_cluster
from translator.listeners.resource import listener_resource
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.proxy import Capture, IpFamilies, Tuning
from translator.model.scope import ScopeKey, TrafficPolicy, outbound_traffic_policy
from translator.names import BLACK_HOLE_CLUSTER, DYNAMIC_DNS_CLUSTER, VIRTUAL_OUTBOUND
from translator.network_filters.http_connection_manager import ManagerInputs
from translator.network_filters.tcp_proxy import to_cluster
from translator.objects.sidecar import OutboundTrafficMode
from translator.pb import boolean, uint32
from translator.routes.default import build_unknown_table
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource

_LOOP_GUARD: Final = "virtualOutbound-blackhole"
_UNKNOWN_HTTP: Final = "virtualOutbound-catchall-tcp-http"
_UNKNOWN: Final = "virtualOutbound-catchall-tcp"

# Every intercepted connection waits here for the client's first bytes, also those of clients that let the server speak
# first. Who takes longer is passed on as it is.
_DETECTION_TIMEOUT: Final = Duration(nanos=100_000_000)


class VirtualOutboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the listener is made of."""

    families: IpFamilies
    transparent: bool
    policy: TrafficPolicy
    tuning: Tuning
    settings: ListenerSettings

    @property
    def resolves_hosts(self) -> bool:
        """Whether requests to unknown hosts go where DNS says, whatever address the client has dialled."""
        return self.policy.mode is OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS


@query
def virtual_outbound(db: Database, scope: ScopeKey, capture: Capture, families: IpFamilies, tuning: Tuning) -> Resource:
    """The resource of the listener."""
    inputs = VirtualOutboundInputs(
        families=families,
        transparent=capture is Capture.TPROXY,
        policy=outbound_traffic_policy(db, scope),
        tuning=tuning,
        settings=listener_settings(db),
    )
    clusters = {BLACK_HOLE_CLUSTER, unmatched_cluster(inputs.policy)}
    if inputs.resolves_hosts:
        clusters.add(DYNAMIC_DNS_CLUSTER)
    return listener_resource(build_virtual_outbound(inputs), clusters=clusters)


def build_virtual_outbound(inputs: VirtualOutboundInputs) -> listener_pb2.Listener:
    """The message of the listener.

    Envoy: ``use_original_dst`` hands a connection to the listener of the address that the client dialled.
    """
    settings, port = inputs.settings, inputs.settings.outbound_port
    # Connections made to this port itself would otherwise be sent to it again, forever.
    guard = TCPChain(name=_LOOP_GUARD, match=ChainMatch(destination_port=port), proxy=to_cluster(BLACK_HOLE_CLUSTER))
    unknown = TCPChain(name=_UNKNOWN, proxy=to_cluster(unmatched_cluster(inputs.policy)))
    listener = listener_pb2.Listener(
        name=VIRTUAL_OUTBOUND,
        traffic_direction=base_pb2.OUTBOUND,
        use_original_dst=boolean(True),  # noqa: FBT003 - a wrapped value
        max_connections_to_accept_per_socket_event=uint32(1),
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
        filter_chains=[
            build_tcp_chain(guard, None),
            build_tcp_chain(unknown, settings.access_log, inputs.tuning.idle_timeout),
        ],
    )
    bind_listener(listener, wildcards(inputs.families), port)
    if inputs.resolves_hosts:
        _route_requests(listener, inputs)
    if inputs.transparent:
        listener.transparent.CopyFrom(boolean(True))  # noqa: FBT003 - a wrapped value
    return listener


def _route_requests(listener: listener_pb2.Listener, inputs: VirtualOutboundInputs) -> None:
    """Tell requests from other bytes, and send them where their host is."""
    settings, tuning = inputs.settings, inputs.tuning
    manager = ManagerInputs(
        side=Side.OUTBOUND,
        stat_prefix=f"outbound_{VIRTUAL_OUTBOUND};",
        dynamic_hosts=(DYNAMIC_DNS_CLUSTER,),
        families=inputs.families,
        http10=tuning.http10,
        idle_timeout=tuning.idle_timeout,
        normalization=settings.normalization,
        proxy=settings.proxy,
        access_log=settings.access_log,
    )
    # Envoy: with the transport in the match, whatever else is not encrypted would find no chain at all.
    match = chain_match(applications=plaintext_http(tuning.http10))
    chain = build_http_chain(match, manager, build_unknown_table(inputs.policy))
    chain.name = _UNKNOWN_HTTP
    listener.filter_chains.insert(1, chain)
    # Envoy restores the destination only after the filters that are listed; one that times out prevents it.
    listener.listener_filters.extend((build_original_dst(), build_http_inspector()))
    listener.listener_filters_timeout.CopyFrom(_DETECTION_TIMEOUT)
    listener.continue_on_listener_filters_timeout = True
