"""The end of every chain: sends the request where its route says."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter

NAME: Final = "envoy.filters.http.router"


def build_filters(inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """The filter, always."""
    yield build_http_filter(NAME, router_pb2.Router(suppress_envoy_headers=not inputs.debug_headers))
