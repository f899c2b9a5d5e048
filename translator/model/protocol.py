"""Application protocols of ports, as Istio names and selects them."""

from enum import StrEnum
from typing import Final


class Protocol(StrEnum):
    """A port's protocol. ``AUTO`` (undeclared or unknown) is found out per connection by looking at the bytes."""

    HTTP = "HTTP"
    HTTP_PROXY = "HTTP_PROXY"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "Mongo"
    REDIS = "Redis"
    MYSQL = "MySQL"
    UDP = "UDP"
    AUTO = "AUTO"

    @property
    def is_http(self) -> bool:
        """Declared to carry HTTP in clear text, in any version."""
        return self in _HTTP

    @property
    def is_http2(self) -> bool:
        """Declared to carry HTTP/2."""
        return self in _HTTP2

    @property
    def is_tcp(self) -> bool:
        """Declared to be opaque to the proxy: TLS counts, UDP does not."""
        return self in _TCP

    @property
    def is_tls(self) -> bool:
        """Declared to be encrypted by the application."""
        return self in _TLS

    @property
    def may_be_http(self) -> bool:
        """Routes are generated for it: declared HTTP, or to be detected."""
        return self in _HTTP or self is Protocol.AUTO

    @property
    def terminated(self) -> "Protocol":
        """What is left after the proxy has taken TLS off."""
        return {Protocol.HTTPS: Protocol.HTTP, Protocol.TLS: Protocol.TCP}.get(self, self)


_HTTP2: Final = frozenset({Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB})
_HTTP: Final = _HTTP2 | {Protocol.HTTP, Protocol.HTTP_PROXY}
_TLS: Final = frozenset({Protocol.HTTPS, Protocol.TLS})
_TCP: Final = _TLS | {Protocol.TCP, Protocol.MONGO, Protocol.REDIS, Protocol.MYSQL}
_BY_NAME: Final = {protocol.value.lower(): protocol for protocol in Protocol if protocol is not Protocol.AUTO}
_APP_PROTOCOLS: Final = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
# Istio: SMTP, DNS, MySQL and MongoDB let the server speak first, which detection would wait for in vain.
_SERVER_FIRST_PORTS: Final = frozenset({25, 53, 3306, 27017})


def parse_protocol(name: str) -> Protocol:
    """The protocol of a ServiceEntry, Sidecar or Gateway port: the name alone, in any case."""
    return _BY_NAME.get(name.lower(), Protocol.AUTO)


def kubernetes_protocol(transport: str, app_protocol: str, port_name: str, port: int) -> Protocol:
    """The protocol of a Kubernetes Service port, from (in this order) transport, appProtocol, name and number.

    A set but unknown appProtocol does not fall back to the port's name.
    """
    if transport == "UDP":
        return Protocol.UDP
    if app_protocol in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[app_protocol]
    name = (app_protocol or port_name).lower()
    if name.startswith("grpc-web"):
        return Protocol.GRPC_WEB
    protocol = parse_protocol(name.partition("-")[0])
    if protocol is Protocol.AUTO and port in _SERVER_FIRST_PORTS:
        return Protocol.TCP
    return protocol
