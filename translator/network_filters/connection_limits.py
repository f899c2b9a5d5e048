"""Limits on the connections and requests of clients."""

from typing import Final

from envoy.config.core.v3 import protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from translator.model.connection_settings import ConnectionSettings, EscapedSlashAction, UnderscoreAction
from translator.pb import duration

_Manager = hcm_pb2.HttpConnectionManager
_Common = protocol_pb2.HttpProtocolOptions

_UNDERSCORES: Final = {
    UnderscoreAction.ALLOW: _Common.ALLOW,
    UnderscoreAction.REJECT_REQUEST: _Common.REJECT_REQUEST,
    UnderscoreAction.DROP_HEADER: _Common.DROP_HEADER,
}
_SLASHES: Final = {
    EscapedSlashAction.KEEP_UNCHANGED: _Manager.KEEP_UNCHANGED,
    EscapedSlashAction.REJECT_REQUEST: _Manager.REJECT_REQUEST,
    EscapedSlashAction.UNESCAPE_AND_REDIRECT: _Manager.UNESCAPE_AND_REDIRECT,
    EscapedSlashAction.UNESCAPE_AND_FORWARD: _Manager.UNESCAPE_AND_FORWARD,
}


def apply_connection_settings(manager: _Manager, settings: ConnectionSettings) -> None:
    """Put the limits that are set over what the manager has."""
    _apply_times(manager, settings)
    http2 = (
        ("max_concurrent_streams", settings.http_max_concurrent_streams),
        ("initial_stream_window_size", settings.http2_initial_stream_window_size),
        ("initial_connection_window_size", settings.http2_initial_connection_window_size),
    )
    for field, number in http2:
        if number is not None and number >= 0:
            getattr(manager.http2_protocol_options, field).value = number
    if settings.http_headers_with_underscores_action in _UNDERSCORES:
        action = _UNDERSCORES[settings.http_headers_with_underscores_action]
        manager.common_http_protocol_options.headers_with_underscores_action = action
    if settings.http_merge_slashes is not None:
        manager.merge_slashes = settings.http_merge_slashes
    if settings.http_path_with_escaped_slashes_action in _SLASHES:
        manager.path_with_escaped_slashes_action = _SLASHES[settings.http_path_with_escaped_slashes_action]


def _apply_times(manager: _Manager, settings: ConnectionSettings) -> None:
    of_connections = (
        ("idle_timeout", settings.http_idle_timeout),
        ("max_connection_duration", settings.http_max_connection_duration),
        ("max_stream_duration", settings.http_max_stream_duration),
    )
    for field, time in of_connections:
        if time is not None:
            getattr(manager.common_http_protocol_options, field).CopyFrom(duration(time))
    of_requests = (
        ("stream_idle_timeout", settings.http_stream_idle_timeout),
        ("request_timeout", settings.http_request_timeout),
        ("request_headers_timeout", settings.http_request_headers_timeout),
        ("drain_timeout", settings.http_drain_timeout),
    )
    for field, time in of_requests:
        if time is not None:
            getattr(manager, field).CopyFrom(duration(time))
