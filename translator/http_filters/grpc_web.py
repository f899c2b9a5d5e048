"""Translation of gRPC-Web, which browsers speak, to gRPC."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.grpc_web.v3 import grpc_web_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs, build_http_filter
from translator.model.protocol import Protocol

NAME: Final = "envoy.filters.http.grpc_web"


def build_filters(inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """The filter, where a port is declared to be gRPC-Web."""
    if Protocol.GRPC_WEB in inputs.protocols:
        yield build_http_filter(NAME, grpc_web_pb2.GrpcWeb())
