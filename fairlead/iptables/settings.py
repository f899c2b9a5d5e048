"""What is to be intercepted: one frozen record, and how its parts are written as text."""

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeVar

import msgspec

from translator.model.proxy import Capture

Network = IPv4Network | IPv6Network
NameServer = IPv4Address | IPv6Address

EVERYTHING: Final = "*"

_INTERFACE: Final = re.compile(r"[^\s/,]{1,15}")
# iptables takes users and groups by name, too.
_OWNER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_T = TypeVar("_T")


class IpVersion(IntEnum):
    """A version of the Internet Protocol; each has rules of its own."""

    V4 = 4
    V6 = 6


class DnsCapture(msgspec.Struct, frozen=True, kw_only=True):
    """DNS queries are led to the proxy: those to these servers, or (None) those to any."""

    servers: tuple[NameServer, ...] | None
    port: int = 15053


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is led through a sidecar. Where None stands for a list, everything is included.

    The defaults are those of Istio's init container as its injector calls it.
    """

    mode: Capture = Capture.REDIRECT
    outbound_port: int = 15001
    inbound_port: int = 15006
    tunnel_port: int = 15008
    proxy_users: tuple[str, ...] = ("1337",)
    proxy_groups: tuple[str, ...] = ("1337",)
    include_inbound_ports: tuple[int, ...] | None = None
    # What the proxy itself serves: statistics, readiness, and the port of Istio's agent.
    exclude_inbound_ports: tuple[int, ...] = (15090, 15021, 15020)
    include_networks: tuple[Network, ...] | None = None
    exclude_networks: tuple[Network, ...] = ()
    include_outbound_ports: tuple[int, ...] = ()
    exclude_outbound_ports: tuple[int, ...] = ()
    include_groups: tuple[str, ...] | None = None
    exclude_groups: tuple[str, ...] = ()
    exclude_interfaces: tuple[str, ...] = ()
    reroute_interfaces: tuple[str, ...] = ()
    dns: DnsCapture | None = None
    drop_invalid: bool = False
    tproxy_mark: int = 1337
    tproxy_table: int = 133

    @property
    def captures_inbound(self) -> bool:
        """Whether anything that comes in is intercepted."""
        return self.include_inbound_ports is None or bool(self.include_inbound_ports)

    @property
    def is_transparent(self) -> bool:
        """Whether what comes in keeps its addresses (TPROXY), so that the application sees who calls."""
        return self.mode is Capture.TPROXY and self.captures_inbound

    @property
    def includes_loopback(self) -> bool:
        """Whether somebody asked for the pod's own loopback traffic by naming its network."""
        return any(network.is_loopback for network in self.include_networks or ())


def parse_ports(text: str) -> tuple[int, ...]:
    """A comma-separated list of ports. Raises ValueError, as the other parsers do, naming what is wrong."""
    return _parse_list(text, parse_port)


def parse_port(text: str) -> int:
    """A port."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def parse_networks(text: str) -> tuple[Network, ...]:
    """A comma-separated list of networks in CIDR form; an address is a network of its own."""
    return _parse_list(text, _parse_network)


def parse_interfaces(text: str) -> tuple[str, ...]:
    """A comma-separated list of network interfaces."""
    return _parse_list(text, lambda part: _match(_INTERFACE, part, "the name of a network interface"))


def parse_owners(text: str) -> tuple[str, ...]:
    """A comma-separated list of users or groups, by number or by name."""
    return _parse_list(text, lambda part: _match(_OWNER, part, "a user or group"))


def parse_selected_ports(text: str) -> tuple[int, ...] | None:
    """As ``parse_ports``, or ``*`` for every port."""
    return None if text.strip() == EVERYTHING else parse_ports(text)


def parse_selected_networks(text: str) -> tuple[Network, ...] | None:
    """As ``parse_networks``, or ``*`` for every address."""
    return None if text.strip() == EVERYTHING else parse_networks(text)


def parse_selected_owners(text: str) -> tuple[str, ...] | None:
    """As ``parse_owners``, or ``*`` for everybody."""
    return None if text.strip() == EVERYTHING else parse_owners(text)


def parse_capture(text: str) -> Capture:
    """REDIRECT, TPROXY or NONE, in any case."""
    try:
        return Capture(text.strip().upper())
    except ValueError:
        raise ValueError(f"{text!r} is not REDIRECT, TPROXY or NONE") from None


def parse_name_servers(resolv_conf: str) -> tuple[NameServer, ...]:
    """The servers that a resolv.conf names; a line that cannot be read is left to the resolver."""
    return tuple(dict.fromkeys(_name_servers(resolv_conf)))


def _name_servers(resolv_conf: str) -> Iterator[NameServer]:
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield ip_address(words[1].partition("%")[0])
            except ValueError:
                continue


def _parse_list(text: str, parse: Callable[[str], _T]) -> tuple[_T, ...]:
    """The parts without repetitions, in their order; an empty text is an empty list."""
    return tuple(dict.fromkeys(parse(part.strip()) for part in text.split(",") if part.strip()))


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network in CIDR form") from None


def _match(pattern: re.Pattern[str], text: str, meaning: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is not {meaning}")
    return text
