"""The HTTP connection manager: turns bytes into requests and sends them through the HTTP filters."""

from typing import Final

import msgspec
from envoy.config.core.v3 import config_source_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.http.header_formatters.preserve_case.v3 import preserve_case_pb2
from envoy.extensions.request_id.uuid.v3 import uuid_pb2
from google.protobuf.duration_pb2 import Duration

from translator.http_filters.filter import FilterInputs, Side
from translator.http_filters.registry import build_http_filters
from translator.model.connection_settings import gateway_connection_settings
from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies
from translator.model.proxy_config import DEFAULT_SETTINGS, ClientCertDetails, ForwardedClientCert, ProxySettings
from translator.network_filters.connection_limits import apply_connection_settings
from translator.objects import duration as objects
from translator.objects.mesh_config import NormalizationType
from translator.pb import boolean, duration, pack
from translator.telemetry.access_log import AccessLogFile, build_access_logs

NAME: Final = "envoy.filters.network.http_connection_manager"

_Manager = hcm_pb2.HttpConnectionManager
_ZERO: Final = Duration()
_SERVER_NAME: Final = "istio-envoy"
_FORMS: Final = {
    ForwardedClientCert.SANITIZE: _Manager.SANITIZE,
    ForwardedClientCert.FORWARD_ONLY: _Manager.FORWARD_ONLY,
    ForwardedClientCert.APPEND_FORWARD: _Manager.APPEND_FORWARD,
    ForwardedClientCert.SANITIZE_SET: _Manager.SANITIZE_SET,
    ForwardedClientCert.ALWAYS_FORWARD_ONLY: _Manager.ALWAYS_FORWARD_ONLY,
}
_SETTING_FORMS: Final = (ForwardedClientCert.APPEND_FORWARD, ForwardedClientCert.SANITIZE_SET)


class ManagerInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection manager depends on, except an inline route table.

    ``route_name`` is the table to be fetched over RDS, empty for an inline one. ``forwards_proxy_requests`` accepts
    requests with an absolute URL, as clients send them to a proxy. ``access_rules``: encoded, in order.
    """

    side: Side
    stat_prefix: str
    route_name: str = ""
    protocols: frozenset[Protocol] = frozenset()
    dynamic_hosts: tuple[str, ...] = ()
    families: IpFamilies = IpFamilies.V4
    http10: bool = False
    idle_timeout: objects.Duration | None = None
    forwards_proxy_requests: bool = False
    http3: bool = False
    normalization: NormalizationType = NormalizationType.DEFAULT
    proxy: ProxySettings = DEFAULT_SETTINGS
    access_log: AccessLogFile | None = None
    access_rules: tuple[bytes, ...] = ()


def build_connection_manager(
    inputs: ManagerInputs, routes: route_pb2.RouteConfiguration | None = None
) -> listener_components_pb2.Filter:
    """The filter; ``routes`` is the inline table of managers that fetch none."""
    manager = _Manager(
        codec_type=_Manager.HTTP3 if inputs.http3 else _Manager.AUTO,
        stat_prefix=inputs.stat_prefix,
        route_config=routes,
        rds=_rds(inputs.route_name) if inputs.route_name else None,
        http_filters=build_http_filters(_filter_inputs(inputs)),
        access_log=build_access_logs(inputs.access_log),
        upgrade_configs=[_Manager.UpgradeConfig(upgrade_type="websocket")],
        # Idle streams are the business of routes and applications: long polls and watches must not be cut.
        stream_idle_timeout=_ZERO,
        proxy_100_continue=True,
        use_remote_address=boolean(inputs.side is Side.GATEWAY),
        request_id_extension=hcm_pb2.RequestIDExtension(
            typed_config=pack(uuid_pb2.UuidRequestIdConfig(use_request_id_for_trace_sampling=boolean(True)))  # noqa: FBT003 - a wrapped value
        ),
    )
    _set_headers(manager, inputs)
    _set_client_certificate(manager, inputs)
    _set_protocol_options(manager, inputs)
    _set_normalization(manager, inputs.normalization)
    _set_limits(manager, inputs)
    return listener_components_pb2.Filter(name=NAME, typed_config=pack(manager))


def _set_limits(manager: _Manager, inputs: ManagerInputs) -> None:
    """What the Node asks for, and over it what the ProxyConfig does."""
    if inputs.idle_timeout is not None:
        manager.common_http_protocol_options.idle_timeout.CopyFrom(duration(inputs.idle_timeout))
    settings = inputs.proxy.connection_settings
    apply_connection_settings(
        manager, gateway_connection_settings(settings) if inputs.side is Side.GATEWAY else settings
    )


def _rds(route_name: str) -> hcm_pb2.Rds:
    """Istio: no timeout for the first table; a listener that serves without one would answer 404."""
    source = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        initial_fetch_timeout=_ZERO,
        resource_api_version=config_source_pb2.V3,
    )
    return hcm_pb2.Rds(config_source=source, route_config_name=route_name)


def _filter_inputs(inputs: ManagerInputs) -> FilterInputs:
    debug_headers = not inputs.proxy.proxy_headers.envoy_debug_headers.disabled
    return FilterInputs(
        side=inputs.side,
        protocols=inputs.protocols,
        dynamic_hosts=inputs.dynamic_hosts,
        families=inputs.families,
        debug_headers=debug_headers,
        access_rules=inputs.access_rules,
    )


def _set_headers(manager: _Manager, inputs: ManagerInputs) -> None:
    """The headers that the proxy sets by itself."""
    headers = inputs.proxy.proxy_headers
    if headers.server.disabled:
        manager.server_header_transformation = _Manager.PASS_THROUGH
    else:
        manager.server_name = headers.server.value or ("" if inputs.side is Side.OUTBOUND else _SERVER_NAME)
    if headers.request_id.disabled:
        manager.generate_request_id.CopyFrom(boolean(False))  # noqa: FBT003 - a wrapped value
    manager.append_x_forwarded_port = headers.x_forwarded_port.enabled
    if inputs.side is Side.GATEWAY:
        manager.xff_num_trusted_hops = inputs.proxy.gateway_topology.num_trusted_proxies


def _set_client_certificate(manager: _Manager, inputs: ManagerInputs) -> None:
    """Who is believed: a sidecar adds to what its mesh peer says of the client, a gateway believes nobody."""
    if inputs.side is Side.OUTBOUND:
        return
    headers, topology = inputs.proxy.proxy_headers, inputs.proxy.gateway_topology
    if inputs.side is Side.GATEWAY:
        details = ClientCertDetails(cert=True)
        wanted, usual = topology.forward_client_cert_details, ForwardedClientCert.SANITIZE_SET
    else:
        details = headers.set_current_client_cert_details
        wanted, usual = headers.forwarded_client_cert, ForwardedClientCert.APPEND_FORWARD
    form = usual if wanted is ForwardedClientCert.UNDEFINED else wanted
    manager.forward_client_cert_details = _FORMS[form]
    if inputs.side is Side.INBOUND or form in _SETTING_FORMS:
        told = manager.set_current_client_cert_details
        told.subject.CopyFrom(boolean(details.subject))
        told.cert, told.chain, told.dns, told.uri = details.cert, details.chain, details.dns, details.uri


def _set_protocol_options(manager: _Manager, inputs: ManagerInputs) -> None:
    if inputs.side is Side.GATEWAY:
        manager.http_protocol_options.SetInParent()
    if inputs.http3:
        manager.http3_protocol_options.SetInParent()
    if inputs.http10:
        manager.http_protocol_options.accept_http_10 = True
    if inputs.forwards_proxy_requests:
        manager.http_protocol_options.allow_absolute_url.value = True
    if inputs.proxy.proxy_headers.preserve_http1_header_case:
        formatter = manager.http_protocol_options.header_key_format.stateful_formatter
        formatter.name = "envoy.http.stateful_header_formatters.preserve_case"
        formatter.typed_config.CopyFrom(pack(preserve_case_pb2.PreserveCaseFormatterConfig()))
    if inputs.side is Side.INBOUND and any(protocol.is_http2 for protocol in inputs.protocols):
        manager.http2_protocol_options.SetInParent()


def _set_normalization(manager: _Manager, normalization: NormalizationType) -> None:
    """Istio's DEFAULT is BASE: RFC 3986 without touching slashes."""
    manager.normalize_path.value = normalization is not NormalizationType.NONE
    manager.path_with_escaped_slashes_action = _Manager.KEEP_UNCHANGED
    if normalization in (NormalizationType.MERGE_SLASHES, NormalizationType.DECODE_AND_MERGE_SLASHES):
        manager.merge_slashes = True
    if normalization is NormalizationType.DECODE_AND_MERGE_SLASHES:
        manager.path_with_escaped_slashes_action = _Manager.UNESCAPE_AND_FORWARD
