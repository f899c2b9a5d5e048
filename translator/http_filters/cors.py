"""Cross-origin resource sharing."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter

NAME: Final = "envoy.filters.http.cors"


def build_filters(_inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """The filter, always and empty: the policies themselves are given by routes."""
    yield build_http_filter(NAME, cors_pb2.Cors())
