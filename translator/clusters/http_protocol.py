"""HTTP on the way to a cluster: which version, and the limits of its connections and streams."""

from enum import Enum, auto

import msgspec
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import PreserveCaseFormatterConfig
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from translator.clusters.outlier import build_error_matcher
from translator.model.protocol import Protocol
from translator.objects.destination_rule import ConnectionPoolSettings, H2UpgradePolicy, HTTPSettings, TCPSettings
from translator.objects.mesh_config import MeshH2UpgradePolicy
from translator.pb import duration, pack

EXTENSION = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class HttpVersion(Enum):
    """Which HTTP a cluster speaks."""

    DEFAULT = auto()
    """HTTP/1.1, which Envoy speaks when nothing is said."""
    HTTP2 = auto()
    DOWNSTREAM = auto()
    """What the client spoke to the proxy."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that shapes the HTTP options of a cluster.

    ``detects``: the proxy finds out the protocol of undeclared ports. ``upgrade`` is the mesh's policy, None where
    connections are never upgraded (to the workload itself). ``preserve_case``: HTTP/1 headers keep their spelling.
    """

    protocol: Protocol
    detects: bool
    pool: ConnectionPoolSettings | None = None
    upgrade: MeshH2UpgradePolicy | None = None
    error_codes: tuple[int, ...] = ()
    auto_sni: bool = False
    auto_san: bool = False
    preserve_case: bool = False

    @property
    def http(self) -> HTTPSettings:
        """The pool's part about HTTP."""
        return (self.pool.http if self.pool else None) or HTTPSettings()

    @property
    def version(self) -> HttpVersion:
        """Istio: the port's protocol decides, then upgrade policies; using the client's protocol beats both."""
        if self.http.use_client_protocol:
            return HttpVersion.DOWNSTREAM
        if self.protocol.is_http2:
            return HttpVersion.HTTP2
        if self.protocol is Protocol.AUTO and self.detects:
            return HttpVersion.DOWNSTREAM
        return HttpVersion.HTTP2 if self._upgrades() else HttpVersion.DEFAULT

    def _upgrades(self) -> bool:
        """Istio: a rule can upgrade any port, the mesh's policy those only that are declared to be HTTP."""
        policy = self.http.h2_upgrade_policy
        if self.upgrade is None or policy is H2UpgradePolicy.DO_NOT_UPGRADE:
            return False
        return policy is H2UpgradePolicy.UPGRADE or (
            self.protocol.is_http and self.upgrade is MeshH2UpgradePolicy.UPGRADE
        )


def build_http_protocol_options(settings: HttpSettings) -> HttpProtocolOptions | None:
    """The options, or None if Envoy's defaults are meant."""
    options = HttpProtocolOptions()
    _apply_limits(options, settings)
    if settings.auto_sni:
        apply_requested_host(options, check_san=settings.auto_san)
    matcher = build_error_matcher(settings.error_codes)
    if matcher is not None:
        options.outlier_detection.error_matcher.CopyFrom(matcher)
    version, http1 = settings.version, _http1(settings)
    if version is HttpVersion.DEFAULT:
        if not options.ByteSize() and not http1.ByteSize():
            return None
        # Envoy requires a choice once there are options.
        options.explicit_http_config.http_protocol_options.CopyFrom(http1)
    elif version is HttpVersion.HTTP2:
        options.explicit_http_config.http2_protocol_options.CopyFrom(_http2(settings.http))
    else:
        apply_downstream_protocol(options, http1)
    return options


def apply_requested_host(options: HttpProtocolOptions, *, check_san: bool) -> None:
    """Name the requested host in TLS, and if wanted, demand a certificate for it."""
    options.upstream_http_protocol_options.auto_sni = True
    options.upstream_http_protocol_options.auto_san_validation = check_san


def apply_downstream_protocol(options: HttpProtocolOptions, http1: Http1ProtocolOptions | None = None) -> None:
    """Speak to the cluster what the client speaks."""
    options.use_downstream_protocol_config.http_protocol_options.CopyFrom(http1 or Http1ProtocolOptions())
    options.use_downstream_protocol_config.http2_protocol_options.CopyFrom(Http2ProtocolOptions())


def _apply_limits(options: HttpProtocolOptions, settings: HttpSettings) -> None:
    http, tcp = settings.http, (settings.pool.tcp if settings.pool else None) or TCPSettings()
    common = options.common_http_protocol_options
    idle = tcp.idle_timeout if http.idle_timeout is None else http.idle_timeout
    if idle is not None:
        common.idle_timeout.CopyFrom(duration(idle))
    if http.max_requests_per_connection:
        common.max_requests_per_connection.value = http.max_requests_per_connection
    if tcp.max_connection_duration is not None:
        common.max_connection_duration.CopyFrom(duration(tcp.max_connection_duration))


def _http1(settings: HttpSettings) -> Http1ProtocolOptions:
    """Istio: headers keep their spelling on ports that are, or may turn out to be, HTTP."""
    options = Http1ProtocolOptions()
    if settings.preserve_case and (settings.protocol.is_http or settings.protocol is Protocol.AUTO):
        formatter = options.header_key_format.stateful_formatter
        formatter.name = "envoy.http.stateful_header_formatters.preserve_case"
        formatter.typed_config.CopyFrom(pack(PreserveCaseFormatterConfig()))
    return options


def _http2(settings: HTTPSettings) -> Http2ProtocolOptions:
    options = Http2ProtocolOptions()
    if settings.max_concurrent_streams:
        options.max_concurrent_streams.value = settings.max_concurrent_streams
    keepalive = settings.http2_keep_alive
    if keepalive and keepalive.interval is not None:
        options.connection_keepalive.interval.CopyFrom(duration(keepalive.interval))
    if keepalive and keepalive.timeout is not None:
        options.connection_keepalive.timeout.CopyFrom(duration(keepalive.timeout))
    return options
