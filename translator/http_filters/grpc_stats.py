"""Counting of gRPC messages."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter
from translator.pb import boolean

NAME: Final = "envoy.filters.http.grpc_stats"


def build_filters(_inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """The filter, always; counters by method stay off because clients choose the methods."""
    config = config_pb2.FilterConfig(emit_filter_state=True, stats_for_all_methods=boolean(False))  # noqa: FBT003 - a wrapped value
    yield build_http_filter(NAME, config)
