"""The virtual outbound listener: intercepted connections arrive here, and unknown destinations stay here."""

from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2

from translator.database import Database
from translator.engine import query
from translator.listeners.address import bind_listener, wildcards
from translator.listeners.chain_match import ChainMatch
from translator.listeners.filter_chain import TCPChain, build_tcp_chain
from translator.listeners.outbound import unmatched_cluster
from translator.listeners.resource import listener_resource
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.proxy import Capture, IpFamilies
from translator.model.scope import ScopeKey, outbound_traffic_policy
from translator.names import BLACK_HOLE_CLUSTER, VIRTUAL_OUTBOUND
from translator.network_filters.tcp_proxy import to_cluster
from translator.objects.duration import Duration
from translator.pb import boolean, uint32
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource

_LOOP_GUARD: Final = "virtualOutbound-blackhole"
_UNKNOWN: Final = "virtualOutbound-catchall-tcp"


class VirtualOutboundInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the listener is made of."""

    families: IpFamilies
    transparent: bool
    unmatched: str
    idle_timeout: Duration | None
    settings: ListenerSettings


@query
def virtual_outbound(
    db: Database, scope: ScopeKey, capture: Capture, families: IpFamilies, idle_timeout: Duration | None
) -> Resource:
    """The resource of the listener."""
    inputs = VirtualOutboundInputs(
        families=families,
        transparent=capture is Capture.TPROXY,
        unmatched=unmatched_cluster(outbound_traffic_policy(db, scope)),
        idle_timeout=idle_timeout,
        settings=listener_settings(db),
    )
    clusters = {BLACK_HOLE_CLUSTER, inputs.unmatched}
    return listener_resource(build_virtual_outbound(inputs), clusters=clusters)


def build_virtual_outbound(inputs: VirtualOutboundInputs) -> listener_pb2.Listener:
    """The message of the listener.

    Envoy: ``use_original_dst`` hands a connection to the listener of the address that the client dialled.
    """
    settings, port = inputs.settings, inputs.settings.outbound_port
    # Connections made to this port itself would otherwise be sent to it again, forever.
    guard = TCPChain(name=_LOOP_GUARD, match=ChainMatch(destination_port=port), proxy=to_cluster(BLACK_HOLE_CLUSTER))
    unknown = TCPChain(name=_UNKNOWN, proxy=to_cluster(inputs.unmatched))
    listener = listener_pb2.Listener(
        name=VIRTUAL_OUTBOUND,
        traffic_direction=base_pb2.OUTBOUND,
        use_original_dst=boolean(True),  # noqa: FBT003 - a wrapped value
        max_connections_to_accept_per_socket_event=uint32(1),
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
        filter_chains=[
            build_tcp_chain(guard, None),
            build_tcp_chain(unknown, settings.access_log, inputs.idle_timeout),
        ],
    )
    bind_listener(listener, wildcards(inputs.families), port)
    if inputs.transparent:
        listener.transparent.CopyFrom(boolean(True))  # noqa: FBT003 - a wrapped value
    return listener
