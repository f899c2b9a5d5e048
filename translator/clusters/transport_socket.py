"""Transport sockets: what is put around the bytes on their way to a cluster."""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer

from translator.clusters.tls import Origination, build_tls_socket
from translator.objects.destination_rule import ProxyProtocol, ProxyProtocolVersion
from translator.pb import pack

_VERSIONS: Final = {
    ProxyProtocolVersion.V1: ProxyProtocolConfig.Version.V1,
    ProxyProtocolVersion.V2: ProxyProtocolConfig.Version.V2,
}


def apply_transport_socket(
    cluster: Cluster, origination: Origination | None, proxy_protocol: ProxyProtocol | None, *, http2: bool
) -> None:
    """Set the socket of a cluster under construction, if it needs any but that for clear text."""
    if origination is None and proxy_protocol is None:
        return
    socket = build_tls_socket(origination, http2=http2) if origination else build_plain_socket()
    cluster.transport_socket.CopyFrom(build_socket(socket, proxy_protocol))


def build_socket(inner: TransportSocket, proxy_protocol: ProxyProtocol | None) -> TransportSocket:
    """The socket with the PROXY header, if there is to be one, before it: in clear text."""
    return inner if proxy_protocol is None else _wrap(inner, proxy_protocol)


def build_plain_socket() -> TransportSocket:
    """Clear text, where a socket has to be named."""
    return TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=pack(RawBuffer()))


def _wrap(inner: TransportSocket, settings: ProxyProtocol) -> TransportSocket:
    wrapper = ProxyProtocolUpstreamTransport(
        config=ProxyProtocolConfig(version=_VERSIONS[settings.version]), transport_socket=inner
    )
    return TransportSocket(name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=pack(wrapper))
