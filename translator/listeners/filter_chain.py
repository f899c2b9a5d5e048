"""Filter chains: which connections, and what to do with them."""

from collections.abc import Iterable
from typing import Final

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_pb2

from translator.listeners.chain_match import MATCH_ALL, ChainMatch, build_chain_match
from translator.model.proxy import IpFamilies
from translator.network_filters.http_connection_manager import ManagerInputs, build_connection_manager
from translator.network_filters.mongo_proxy import build_mongo_proxy
from translator.network_filters.rbac import build_access_filters
from translator.network_filters.sni_dynamic_forward_proxy import build_sni_resolution
from translator.network_filters.tcp_proxy import TCPProxyInputs, build_tcp_proxy
from translator.objects.duration import Duration
from translator.objects.registry import ObjectKey
from translator.pb import seconds
from translator.telemetry.access_log import AccessLogFile

# Istio: how long a TLS handshake may take.
_HANDSHAKE_TIMEOUT: Final = 15


class SNIResolution(msgspec.Struct, frozen=True):
    """Which names a chain resolves: those below the suffix of a service, and the port that they are dialled at."""

    hostname: str
    port: int
    families: IpFamilies


class TCPChain(msgspec.Struct, frozen=True, kw_only=True):
    """A chain that passes bytes on. ``rule`` is the VirtualService that it comes from.

    ``access_rules``: encoded configurations of access control, in order.
    """

    match: ChainMatch = MATCH_ALL
    proxy: TCPProxyInputs
    rule: ObjectKey | None = None
    mongo: bool = False
    resolution: SNIResolution | None = None
    name: str = ""
    access_rules: tuple[bytes, ...] = ()

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters that it sends to."""
        return tuple(each.cluster for each in self.proxy.clusters)


def keep_distinct(chains: Iterable[TCPChain]) -> tuple[TCPChain, ...]:
    """The chains without those that match what an earlier one matches: Envoy refuses a listener with two such."""
    distinct: dict[ChainMatch, TCPChain] = {}
    for chain in chains:
        distinct.setdefault(chain.match, chain)
    return tuple(distinct.values())


def build_tcp_chain(
    chain: TCPChain, log: AccessLogFile | None, idle_timeout: Duration | None = None
) -> listener_components_pb2.FilterChain:
    """The message of a chain that passes bytes on; ``idle_timeout`` holds where no rule says anything else."""
    proxy = chain.proxy
    if proxy.idle_timeout is None and idle_timeout is not None:
        proxy = msgspec.structs.replace(proxy, idle_timeout=idle_timeout)
    filters = [build_tcp_proxy(proxy, log)]
    if chain.mongo:
        filters.insert(0, build_mongo_proxy(chain.proxy.stat_prefix))
    if chain.resolution:
        filters.insert(0, build_sni_resolution(*msgspec.structs.astuple(chain.resolution)))
    # Who has no access gets no further.
    filters[:0] = build_access_filters(chain.access_rules)
    return listener_components_pb2.FilterChain(
        name=chain.name,
        filter_chain_match=_optional_match(chain.match),
        filters=filters,
        metadata=_rule_metadata(chain.rule) if chain.rule else None,
    )


def build_http_chain(
    match: ChainMatch, manager: ManagerInputs, routes: route_pb2.RouteConfiguration | None = None
) -> listener_components_pb2.FilterChain:
    """The message of a chain that takes requests; ``routes`` is an inline route table."""
    return listener_components_pb2.FilterChain(
        filter_chain_match=_optional_match(match), filters=[build_connection_manager(manager, routes)]
    )


def limit_handshake(chain: listener_components_pb2.FilterChain) -> listener_components_pb2.FilterChain:
    """A chain whose clients have limited time for TLS."""
    chain.transport_socket_connect_timeout.CopyFrom(seconds(_HANDSHAKE_TIMEOUT))
    return chain


def _optional_match(match: ChainMatch) -> listener_components_pb2.FilterChainMatch | None:
    return None if match == MATCH_ALL else build_chain_match(match)


def _rule_metadata(rule: ObjectKey) -> base_pb2.Metadata:
    metadata = base_pb2.Metadata()
    path = f"/apis/networking.istio.io/v1/namespaces/{rule.namespace}/virtual-service/{rule.name}"
    metadata.filter_metadata["istio"].update({"config": path})
    return metadata
