"""Resolution of the host in a connection's SNI, for services that stand for all names below a suffix."""

from typing import Final

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import sni_dynamic_forward_proxy_pb2

from translator.dns_cache import build_dns_cache
from translator.model.proxy import IpFamilies
from translator.pb import pack

NAME: Final = "envoy.filters.network.sni_dynamic_forward_proxy"


def build_sni_resolution(hostname: str, port: int, families: IpFamilies) -> listener_components_pb2.Filter:
    """The filter: it fills the cache that the cluster of the service ``hostname`` reads, before the TCP proxy."""
    config = sni_dynamic_forward_proxy_pb2.FilterConfig(
        port_value=port, dns_cache_config=build_dns_cache(hostname, families)
    )
    return listener_components_pb2.Filter(name=NAME, typed_config=pack(config))
