"""Access logs: one line for each request, connection, or connection that no filter chain would take."""

from typing import Any, Final

import msgspec
from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from google.protobuf.struct_pb2 import Struct

from translator.objects.mesh_config import AccessLogEncoding
from translator.pb import pack

NAME: Final = "envoy.access_loggers.file"

# Istio's default line; every name of the JSON form is in it once.
_TEXT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
_JSON: Final = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}


class AccessLogFile(msgspec.Struct, frozen=True):
    """A file to log to; an empty ``format`` is the default one of the encoding."""

    path: str
    encoding: AccessLogEncoding = AccessLogEncoding.TEXT
    format: str = ""


def build_access_logs(log: AccessLogFile | None) -> list[accesslog_pb2.AccessLog]:
    """The access logs of a connection manager or TCP proxy."""
    if log is None:
        return []
    config = file_pb2.FileAccessLog(path=log.path, log_format=_format(log))
    return [accesslog_pb2.AccessLog(name=NAME, typed_config=pack(config))]


def build_listener_access_logs(log: AccessLogFile | None) -> list[accesslog_pb2.AccessLog]:
    """The access logs of a listener itself: of connections for which it has no filter chain."""
    logs = build_access_logs(log)
    for each in logs:
        each.filter.response_flag_filter.flags.append("NR")
    return logs


def _format(log: AccessLogFile) -> substitution_format_string_pb2.SubstitutionFormatString:
    if log.encoding is AccessLogEncoding.JSON:
        return substitution_format_string_pb2.SubstitutionFormatString(json_format=_json_format(log.format))
    text = log.format or _TEXT
    # Istio: a line of one's own is ended too, unless it ends itself.
    text = text if text.endswith("\n") else f"{text}\n"
    return substitution_format_string_pb2.SubstitutionFormatString(
        text_format_source=base_pb2.DataSource(inline_string=text)
    )


def _json_format(text: str) -> Struct:
    """The JSON object to fill in; Istio: the default one, if ``text`` is none that can be read."""
    result = Struct()
    try:
        result.update(msgspec.json.decode(text or "{}", type=dict[str, Any]))
    except msgspec.DecodeError:
        result.Clear()
    if not result.fields:
        result.update(_JSON)
    return result
