"""Answers to the DNS questions of workloads: names of the mesh from a table, all others from the pod's own servers.

Interception leads questions to port 15053 of the sidecar. Over UDP they are looked up; connections go on to where
they were meant to go, so that what only the servers know (other kinds of records, long answers) is still to be had.
"""

from functools import lru_cache
from typing import Final

from envoy.config.core.v3 import base_pb2, extension_pb2, resolver_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.data.dns.v3 import dns_table_pb2
from envoy.extensions.filters.udp.dns_filter.v3 import dns_filter_pb2
from envoy.extensions.network.dns_resolver.cares.v3 import cares_dns_resolver_pb2
from google.protobuf.duration_pb2 import Duration

from translator.database import Database
from translator.engine import query
from translator.listeners.address import bind_listener, is_usable
from translator.listeners.filter_chain import TCPChain, build_tcp_chain
from translator.listeners.inspector import build_original_dst
from translator.listeners.resource import listener_resource
from translator.model.host import is_wildcard
from translator.model.proxy import IpFamilies
from translator.model.scope import ScopeKey, egress_scopes
from translator.names import PASSTHROUGH_CLUSTER, datagram_listener
from translator.names import listener as listener_name
from translator.network_filters.tcp_proxy import to_cluster
from translator.pb import pack, repeated, uint32
from xds.resource import Resource

DNS_PORT: Final = 15053

_FILTER: Final = "envoy.filters.udp.dns_filter"
_RESOLVER: Final = "envoy.network.dns_resolver.cares"
# How long clients may keep an answer: addresses of services change rarely, but they do.
_LIFETIME: Final = Duration(seconds=30)
_RESOLVER_TIMEOUT: Final = Duration(seconds=5)
_MOST_LOOKUPS: Final = 256

_Table = dns_table_pb2.DnsTable


@query
def dns_table(db: Database, scope: ScopeKey, families: IpFamilies) -> bytes:
    """The names that workloads of a scope may ask for, with the virtual addresses of their services, encoded.

    Endpoints are left out: the pod's own servers know those of headless services, and a table that changed with
    them would be sent over and over.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in egress_scopes(db, scope):
        for service in each.services:
            addresses = tuple(
                address for address in service.addresses if "/" not in address and is_usable(address, families)
            )
            if addresses and _may_stand_in_table(service.hostname):
                found.setdefault(service.hostname, addresses)
    records = (_encode_domain(name, found[name]) for name in sorted(found))
    return repeated(_Table.VIRTUAL_DOMAINS_FIELD_NUMBER, records)


@query
def dns_listener(db: Database, scope: ScopeKey, families: IpFamilies, bind: str) -> Resource:
    """The resource of the listener for questions over UDP."""
    return listener_resource(build_dns_listener(bind, dns_table(db, scope, families)))


@query
def dns_connection_listener(_db: Database, bind: str) -> Resource:
    """The resource of the listener for questions over TCP."""
    return listener_resource(build_dns_connection_listener(bind), clusters=(PASSTHROUGH_CLUSTER,))


def build_dns_listener(bind: str, table: bytes) -> listener_pb2.Listener:
    """The message of the listener that answers from an encoded table."""
    config = dns_filter_pb2.DnsFilterConfig(
        stat_prefix="dns",
        server_config=dns_filter_pb2.DnsFilterConfig.ServerContextConfig(inline_dns_table=_Table.FromString(table)),
        client_config=dns_filter_pb2.DnsFilterConfig.ClientContextConfig(
            resolver_timeout=_RESOLVER_TIMEOUT,
            max_pending_lookups=_MOST_LOOKUPS,
            typed_dns_resolver_config=_build_resolver(),
        ),
    )
    listener = listener_pb2.Listener(
        name=datagram_listener(bind, DNS_PORT),
        traffic_direction=base_pb2.OUTBOUND,
        udp_listener_config={},
        listener_filters=[listener_components_pb2.ListenerFilter(name=_FILTER, typed_config=pack(config))],
    )
    bind_listener(listener, (bind,), DNS_PORT, datagrams=True)
    return listener


def build_dns_connection_listener(bind: str) -> listener_pb2.Listener:
    """The message of the listener that passes connections on to the server that was dialled."""
    listener = listener_pb2.Listener(
        name=listener_name(bind, DNS_PORT),
        traffic_direction=base_pb2.OUTBOUND,
        listener_filters=[build_original_dst()],
        filter_chains=[build_tcp_chain(TCPChain(proxy=to_cluster(PASSTHROUGH_CLUSTER)), None)],
        max_connections_to_accept_per_socket_event=uint32(1),
    )
    bind_listener(listener, (bind,), DNS_PORT)
    return listener


def _build_resolver() -> extension_pb2.TypedExtensionConfig:
    """The servers of the proxy's own resolv.conf; whoever asks has appended search domains already."""
    options = resolver_pb2.DnsResolverOptions(no_default_search_domain=True)
    config = cares_dns_resolver_pb2.CaresDnsResolverConfig(dns_resolver_options=options)
    return extension_pb2.TypedExtensionConfig(name=_RESOLVER, typed_config=pack(config))


def _may_stand_in_table(host: str) -> bool:
    """Envoy: a wildcard is the whole first label."""
    return not is_wildcard(host) or (host.startswith("*.") and len(host) > 2)


@lru_cache(maxsize=2**16)
def _encode_domain(name: str, addresses: tuple[str, ...]) -> bytes:
    domain = _Table.DnsVirtualDomain(name=name, answer_ttl=_LIFETIME)
    domain.endpoint.address_list.address.extend(addresses)
    return domain.SerializeToString(deterministic=True)
