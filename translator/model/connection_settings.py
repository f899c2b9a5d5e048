"""Limits on the connections of clients, as a ProxyConfig sets them (Istio: connectionSettings)."""

from enum import StrEnum
from typing import Final

import msgspec

from translator.objects.duration import Duration
from translator.objects.meta import Record

_EDGE_PROFILE: Final = "EDGE"


class UnderscoreAction(StrEnum):
    """What becomes of a request with an underscore in the name of a header."""

    UNSET = "HEADERS_WITH_UNDERSCORES_UNSPECIFIED"
    ALLOW = "HEADERS_WITH_UNDERSCORES_ALLOW"
    REJECT_REQUEST = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST"
    DROP_HEADER = "HEADERS_WITH_UNDERSCORES_DROP_HEADER"


class EscapedSlashAction(StrEnum):
    """What becomes of a request with an escaped slash in its path."""

    UNSET = "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED"
    KEEP_UNCHANGED = "KEEP_UNCHANGED"
    REJECT_REQUEST = "PATH_WITH_ESCAPED_SLASHES_REJECT_REQUEST"
    UNESCAPE_AND_REDIRECT = "UNESCAPE_AND_REDIRECT"
    UNESCAPE_AND_FORWARD = "UNESCAPE_AND_FORWARD"


class ConnectionSettings(Record, frozen=True, kw_only=True):
    """Limits that were set; None, an UNSET action and negative numbers leave the matter to others."""

    profile: str = ""
    listener_per_connection_buffer_limit_bytes: int | None = None
    http_idle_timeout: Duration | None = None
    http_max_connection_duration: Duration | None = None
    http_max_stream_duration: Duration | None = None
    http_stream_idle_timeout: Duration | None = None
    http_request_timeout: Duration | None = None
    http_request_headers_timeout: Duration | None = None
    http_drain_timeout: Duration | None = None
    http_max_concurrent_streams: int | None = None
    http2_initial_stream_window_size: int | None = None
    http2_initial_connection_window_size: int | None = None
    http_headers_with_underscores_action: UnderscoreAction = UnderscoreAction.UNSET
    http_merge_slashes: bool | None = None
    http_path_with_escaped_slashes_action: EscapedSlashAction = EscapedSlashAction.UNSET


NO_SETTINGS: Final = ConnectionSettings()

# What Envoy's authors advise for proxies that strangers reach.
_EDGE: Final = ConnectionSettings(
    listener_per_connection_buffer_limit_bytes=32_768,
    http_idle_timeout=Duration.of(seconds=3600),
    http_stream_idle_timeout=Duration.of(seconds=300),
    http_request_timeout=Duration.of(seconds=300),
    http_request_headers_timeout=Duration.of(seconds=60),
    http_max_concurrent_streams=100,
    http2_initial_stream_window_size=65_536,
    http2_initial_connection_window_size=1_048_576,
    http_headers_with_underscores_action=UnderscoreAction.REJECT_REQUEST,
    http_merge_slashes=True,
    http_path_with_escaped_slashes_action=EscapedSlashAction.UNESCAPE_AND_REDIRECT,
)
_UNSET: Final = (None, UnderscoreAction.UNSET, EscapedSlashAction.UNSET)


def gateway_connection_settings(settings: ConnectionSettings) -> ConnectionSettings:
    """The settings of a gateway. Istio: the profile EDGE fills in there, and only there, what is not set."""
    if settings.profile != _EDGE_PROFILE:
        return settings
    missing = {
        name: getattr(_EDGE, name)
        for name in settings.__struct_fields__
        if name != "profile" and getattr(settings, name) in _UNSET
    }
    return msgspec.structs.replace(settings, **missing)
