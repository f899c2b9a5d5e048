"""Which connections a filter chain takes: Envoy's filter chain match in normal form."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

import msgspec
from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2

from translator.pb import uint32

RAW_BUFFER: Final = "raw_buffer"
TLS: Final = "tls"
PLAINTEXT_HTTP: Final = ("http/1.1", "h2c")
"""What Envoy's HTTP inspector reports; HTTP/1.0 is another name, see ``plaintext_http``."""
MESH_HTTP: Final = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
MESH_APPLICATIONS: Final = ("istio", "istio-peer-exchange", *MESH_HTTP)
"""The ALPN of the mesh's own TLS."""


def plaintext_http(http10: bool) -> tuple[str, ...]:  # noqa: FBT001 - the value is the whole meaning
    """The application protocols by which plaintext HTTP is detected."""
    return ("http/1.0", *PLAINTEXT_HTTP) if http10 else PLAINTEXT_HTTP


class ChainMatch(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions of a filter chain, all of which have to hold; none of them matches everything.

    Made by ``chain_match``: equal matches are equal for Envoy too, which refuses a listener that has one twice.
    """

    destination_port: int = 0
    prefixes: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    transport: str = ""
    applications: tuple[str, ...] = ()


MATCH_ALL: Final = ChainMatch()


def chain_match(
    *,
    prefixes: Iterable[str] = (),
    server_names: Iterable[str] = (),
    transport: str = "",
    applications: tuple[str, ...] = (),
    destination_port: int = 0,
) -> ChainMatch:
    """A match in normal form: networks masked, sets sorted, and what restricts nothing left out."""
    networks = {str(ip_network(prefix, strict=False)) for prefix in prefixes if prefix not in ("0.0.0.0", "::")}  # noqa: S104 - compared, not bound
    names = set(server_names)
    return ChainMatch(
        destination_port=destination_port,
        prefixes=tuple(sorted(networks)),
        server_names=() if "*" in names else tuple(sorted(names)),
        transport=transport,
        applications=applications,
    )


def build_chain_match(match: ChainMatch) -> listener_components_pb2.FilterChainMatch:
    """The message of a match."""
    networks = [ip_network(prefix) for prefix in match.prefixes]
    return listener_components_pb2.FilterChainMatch(
        destination_port=uint32(match.destination_port) if match.destination_port else None,
        prefix_ranges=[
            address_pb2.CidrRange(address_prefix=str(network.network_address), prefix_len=uint32(network.prefixlen))
            for network in networks
        ],
        server_names=match.server_names,
        transport_protocol=match.transport,
        application_protocols=match.applications,
    )
