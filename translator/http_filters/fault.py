"""Injection of delays and aborts."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter

NAME: Final = "envoy.filters.http.fault"


def build_filters(_inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """The filter, always and empty: the faults themselves are given by routes."""
    yield build_http_filter(NAME, fault_pb2.HTTPFault())
