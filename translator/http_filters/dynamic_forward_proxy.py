"""Resolution of requested hosts, for services that stand for all names below a suffix."""

from collections.abc import Iterator
from typing import Final

from envoy.extensions.filters.http.dynamic_forward_proxy.v3 import dynamic_forward_proxy_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from translator.dns_cache import build_dns_cache
from translator.http_filters.filter import FilterInputs, build_http_filter

NAME: Final = "envoy.filters.http.dynamic_forward_proxy"


def build_filters(inputs: FilterInputs) -> Iterator[http_connection_manager_pb2.HttpFilter]:
    """One filter for each such service: it fills the cache that the service's cluster reads."""
    for hostname in inputs.dynamic_hosts:
        cache = build_dns_cache(hostname, inputs.families)
        yield build_http_filter(NAME, dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=cache))
