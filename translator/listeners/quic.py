"""HTTP/3 at gateways: a listener on a UDP port for the servers that take HTTPS on the TCP port of the same number."""

from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2, udp_listener_config_pb2
from envoy.extensions.transport_sockets.quic.v3 import quic_transport_pb2

from translator.database import Database
from translator.engine import query
from translator.listeners.address import bind_listener
from translator.listeners.filter_chain import build_http_chain, limit_handshake
from translator.listeners.gateway import GatewayChain, GatewayInputs, GatewaySite, gateway_binds, gateway_inputs
from translator.listeners.resource import listener_resource
from translator.listeners.server_tls import build_quic_context
from translator.model.gateway import GatewayListener
from translator.names import datagram_listener
from translator.network_filters.http_connection_manager import ManagerInputs
from translator.pb import pack
from translator.telemetry.access_log import build_listener_access_logs
from xds.resource import Resource

_SOCKET: Final = "envoy.transport_sockets.quic"


def quic_listener_name(site: GatewaySite, listener: GatewayListener) -> str:
    """The name of the listener beside a gateway's listener."""
    return datagram_listener(gateway_binds(site, listener)[0], listener.quic_port)


@query
def quic_listener(db: Database, site: GatewaySite, listener: GatewayListener) -> Resource:
    """The resource of the listener; routes are those of the servers' own tables."""
    servers = tuple(server for server in listener.servers if server.speaks_http3)
    inputs = gateway_inputs(db, site, msgspec.structs.replace(listener, servers=servers))
    routes = [chain.target.route_name for chain in inputs.chains if isinstance(chain.target, ManagerInputs)]
    named = msgspec.structs.replace(inputs, name=quic_listener_name(site, listener), port=listener.quic_port)
    return listener_resource(build_quic_listener(named), routes)


def build_quic_listener(inputs: GatewayInputs) -> listener_pb2.Listener:
    """The message of the listener."""
    settings = inputs.settings
    listener = listener_pb2.Listener(
        name=inputs.name,
        traffic_direction=base_pb2.OUTBOUND,
        filter_chains=[_build_chain(chain, inputs) for chain in inputs.chains],
        udp_listener_config=udp_listener_config_pb2.UdpListenerConfig(quic_options={}, downstream_socket_config={}),
        access_log=build_listener_access_logs(settings.access_log if settings.logs_listeners else None),
    )
    bind_listener(listener, inputs.binds, inputs.port, datagrams=True)
    return listener


def _build_chain(chain: GatewayChain, inputs: GatewayInputs) -> listener_components_pb2.FilterChain:
    if not isinstance(chain.target, ManagerInputs) or chain.tls is None:
        raise TypeError("only servers that end TLS and route requests speak HTTP/3")
    built = build_http_chain(chain.match, msgspec.structs.replace(chain.target, http3=True))
    context = build_quic_context(chain.tls, has_identity=inputs.has_identity)
    transport = quic_transport_pb2.QuicDownstreamTransport(downstream_tls_context=context)
    built.transport_socket.CopyFrom(base_pb2.TransportSocket(name=_SOCKET, typed_config=pack(transport)))
    return limit_handshake(built)
