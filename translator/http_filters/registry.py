"""All HTTP filters in chain order."""

from collections.abc import Iterator
from typing import Final, Protocol

from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters import cors, dynamic_forward_proxy, fault, grpc_stats, grpc_web, rbac, router
from translator.http_filters.filter import FilterInputs


class HTTPFilter(Protocol):
    """What the module of a filter provides."""

    NAME: str

    def build_filters(self, inputs: FilterInputs, /) -> Iterator[http_connection_manager_pb2.HttpFilter]:
        """The filter for such a connection manager; none where it has no place."""


# Istio's order: who has no access gets no further, gRPC-Web is unwrapped before anybody looks at the call, the router
# ends the chain.
FILTERS: Final[tuple[HTTPFilter, ...]] = (
    rbac,
    grpc_web,
    grpc_stats,
    fault,
    cors,
    dynamic_forward_proxy,
    router,
)


def build_http_filters(inputs: FilterInputs) -> list[http_connection_manager_pb2.HttpFilter]:
    """The filters of a connection manager, in order."""
    return [built for each in FILTERS for built in each.build_filters(inputs)]
