"""Counting of gRPC messages."""

from typing import Final

from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter
from translator.pb import boolean

NAME: Final = "envoy.filters.http.grpc_stats"


def build_filter(_inputs: FilterInputs) -> http_connection_manager_pb2.HttpFilter | None:
    """The filter, always; counters by method stay off because clients choose the methods."""
    config = config_pb2.FilterConfig(emit_filter_state=True, stats_for_all_methods=boolean(False))  # noqa: FBT003 - a wrapped value
    return build_http_filter(NAME, config)
