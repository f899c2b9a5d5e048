"""Access control: which requests are audited, refused and let in."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.http_filters.filter import FilterInputs
from translator.pb import encoded_any

NAME: Final = "envoy.filters.http.rbac"


def build_filters(inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """A filter for each configuration."""
    for config in inputs.access_rules:
        packed = encoded_any(rbac_pb2.RBAC, config)
        yield http_connection_manager_pb2.HttpFilter(name=NAME, typed_config=packed)
