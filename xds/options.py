"""How a server listens and behaves; every field has a default that suits production."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from xds.limits import Limits
from xds.types import TRAITS, TypeTraits, TypeUrl


@dataclass(frozen=True, slots=True)
class Certificates:
    """What TLS needs, in PEM: the server's chain and key, and the CA that client certificates are checked with."""

    chain: bytes
    key: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS on the listener. ``load`` is called for every new connection, so that certificates can rotate.

    ``require_client_certificate`` makes it mutual TLS: a connection without a certificate that ``client_ca``
    signed fails in the handshake.
    """

    load: Callable[[], Certificates]
    require_client_certificate: bool = False


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of an XdsServer. Durations are in seconds.

    ``patience``: how long a push waits for the ACK of the previous one of its type.
    ``linger``: how long a cluster that was removed, and that no route needs any more, stays for a client that asks
    for clusters by name and has not let go of it; a gRPC call keeps the cluster that it chose until it ends.
    ``first_request_timeout``: a stream whose client has not said by then who it is, is ended.
    ``write_timeout``: a stream whose client does not read for so long is ended.
    ``max_connection_age``: connections are asked to go elsewhere after about this time (gRPC spreads it by
    10 %), and closed ``max_connection_age_grace`` later.
    ``keep_last_good``: a client that connects gets the last accepted version of a resource whose newest
    version was refused by every client that got it.
    ``keepalive_interval``: a client that was silent for so long is asked for a sign of life, and lost when it
    gives none within ``keepalive_timeout``.
    ``load_reporting_interval``: how often clients are asked to report their load.
    ``reuse_port``: several processes may listen on one port.
    """

    types: Mapping[TypeUrl, TypeTraits] = field(default_factory=lambda: TRAITS)
    limits: Limits = field(default_factory=Limits)
    tls: Tls | None = None
    patience: float = 5.0
    linger: float = 60.0
    first_request_timeout: float = 30.0
    write_timeout: float = 30.0
    keepalive_interval: float = 30.0
    keepalive_timeout: float = 10.0
    max_connection_age: float | None = None
    max_connection_age_grace: float = 10.0
    keep_last_good: bool = True
    load_reporting_interval: float = 10.0
    reuse_port: bool = False

    def channel_arguments(self) -> Sequence[tuple[str, int]]:
        """The same as arguments of gRPC."""
        arguments = [
            ("grpc.so_reuseport", int(self.reuse_port)),
            ("grpc.max_receive_message_length", self.limits.request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.keepalive_time_ms", int(self.keepalive_interval * 1000)),
            ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout * 1000)),
            # gRPC gives a ping a minute of its own to be answered, however short the keepalive's time is.
            ("grpc.http2.ping_timeout_ms", int(self.keepalive_timeout * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
            # Clients may ping twice as often as the server does before they are told to calm down.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", int(self.keepalive_interval * 500)),
            ("grpc.http2.max_ping_strikes", 0),
        ]
        if self.max_connection_age is not None:
            arguments.append(("grpc.max_connection_age_ms", int(self.max_connection_age * 1000)))
            arguments.append(("grpc.max_connection_age_grace_ms", int(self.max_connection_age_grace * 1000)))
        return arguments

    def credentials(self) -> grpc.ServerCredentials | None:
        """The listener's TLS, None for plaintext."""
        tls = self.tls
        if tls is None:
            return None

        def configuration() -> grpc.ServerCertificateConfiguration:
            certificates = tls.load()
            return grpc.ssl_server_certificate_configuration(
                [(certificates.key, certificates.chain)], root_certificates=certificates.client_ca
            )

        return grpc.dynamic_ssl_server_credentials(
            configuration(), configuration, require_client_authentication=tls.require_client_certificate
        )
