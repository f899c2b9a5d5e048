"""Listeners and their filter chains: which of them a connection gets."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from translator.names import VIRTUAL_INBOUND, VIRTUAL_OUTBOUND
from translator.simulation.snapshot import Snapshot
from translator.simulation.traffic import Connection

FilterChain = listener_components_pb2.FilterChain
Match = listener_components_pb2.FilterChainMatch

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on
_HTTP_INSPECTOR: Final = "envoy.filters.listener.http_inspector"
_TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"


class Chosen(NamedTuple):
    """A listener, and why it was chosen."""

    listener: listener_pb2.Listener
    reason: str


def find_listener(snapshot: Snapshot, connection: Connection) -> Chosen | None:
    """The listener that serves a connection.

    Intercepted connections come to a listener that stands for every address; it hands them on to the listener of
    the address that was dialled, else of its port, else serves them itself.
    """
    if connection.intercepted and connection.inbound:
        inbound = snapshot.listener(VIRTUAL_INBOUND)
        return Chosen(inbound, "everything that comes in is taken here") if inbound is not None else None
    candidates = [each for each in snapshot.listeners() if connection.intercepted or _is_bound(each)]
    for address, reason in (({connection.address}, "its address is dialled"), (_WILDCARDS, "its port is dialled")):
        for each in candidates:
            if any(_is_at(socket, address, connection.port) for socket in _sockets(each)):
                return Chosen(each, reason)
    outbound = snapshot.listener(VIRTUAL_OUTBOUND) if connection.intercepted else None
    return Chosen(outbound, "nothing else is for this address and port") if outbound is not None else None


def find_chain(listener: listener_pb2.Listener, connection: Connection, protocol: str) -> FilterChain | None:
    """The filter chain of a connection; ``protocol`` is that of its plain requests, empty for other bytes.

    Envoy: criteria are gone through one by one; of each the most specific that fits decides, without a way back.
    """
    seen = _Seen.of(listener, connection, protocol)
    chains: Sequence[FilterChain] = list(listener.filter_chains)
    for fit in (_fit_port, _fit_destination, _fit_server_name, _fit_transport, _fit_application, _fit_source):
        chains = _narrow(chains, fit, seen)
    if chains:
        return chains[0]
    return listener.default_filter_chain if listener.HasField("default_filter_chain") else None


class _Seen(NamedTuple):
    """What the listener filters find out about a connection before a filter chain is chosen."""

    connection: Connection
    transport: str
    server_name: str
    applications: tuple[str, ...]

    @classmethod
    def of(cls, listener: listener_pb2.Listener, connection: Connection, protocol: str) -> "_Seen":
        inspectors = {each.name for each in listener.listener_filters}
        if connection.tls and _TLS_INSPECTOR in inspectors:
            return cls(connection, "tls", connection.sni.lower(), connection.alpn)
        applications = (protocol,) if protocol and not connection.tls and _HTTP_INSPECTOR in inspectors else ()
        return cls(connection, "raw_buffer", "", applications)


# How well a criterion fits: None not at all, else the lower the better.
Fit = tuple[int, ...] | None


def _narrow(chains: Iterable[FilterChain], fit: Callable[[Match, _Seen], Fit], seen: _Seen) -> list[FilterChain]:
    fits = [(found, chain) for chain in chains if (found := fit(chain.filter_chain_match, seen)) is not None]
    best = min((found for found, _ in fits), default=None)
    return [chain for found, chain in fits if found == best]


def _fit_port(match: Match, seen: _Seen) -> Fit:
    if not match.HasField("destination_port"):
        return (1,)
    return (0,) if match.destination_port.value == seen.connection.port else None


def _fit_destination(match: Match, seen: _Seen) -> Fit:
    return _fit_prefixes(match.prefix_ranges, seen.connection.address)


def _fit_server_name(match: Match, seen: _Seen) -> Fit:
    """Exact names first, then the longest pattern, then no name."""
    if not match.server_names:
        return (2,)
    fits: list[tuple[int, ...]] = []
    for name in match.server_names:
        if name == seen.server_name:
            fits.append((0,))
        elif name.startswith("*.") and seen.server_name.endswith(name[1:]) and len(seen.server_name) >= len(name):
            fits.append((1, -len(name)))
    return min(fits, default=None)


def _fit_transport(match: Match, seen: _Seen) -> Fit:
    if not match.transport_protocol:
        return (1,)
    return (0,) if match.transport_protocol == seen.transport else None


def _fit_application(match: Match, seen: _Seen) -> Fit:
    if not match.application_protocols:
        return (len(seen.applications),)
    found = [seen.applications.index(each) for each in match.application_protocols if each in seen.applications]
    return (min(found),) if found else None


def _fit_source(match: Match, seen: _Seen) -> Fit:
    return _fit_prefixes(match.source_prefix_ranges, seen.connection.source)


def _fit_prefixes(ranges: Iterable[address_pb2.CidrRange], address: str) -> Fit:
    """The longest network that holds the address; a chain without networks takes any."""
    networks = [ip_network(f"{each.address_prefix}/{each.prefix_len.value}", strict=False) for each in ranges]
    if not networks:
        return (0,)
    ip: IPv4Address | IPv6Address | None = ip_address(address) if address else None
    fits = [(-each.prefixlen - 1,) for each in networks if ip is not None and ip in each]
    return min(fits, default=None)


def _sockets(listener: listener_pb2.Listener) -> list[address_pb2.SocketAddress]:
    extra = (each.address.socket_address for each in listener.additional_addresses)
    return [listener.address.socket_address, *extra]


def _is_at(socket: address_pb2.SocketAddress, addresses: Iterable[str], port: int) -> bool:
    return socket.port_value == port and socket.address in addresses


def _is_bound(listener: listener_pb2.Listener) -> bool:
    return not listener.HasField("bind_to_port") or listener.bind_to_port.value
