"""Where listeners bind: wildcard and loopback addresses by IP family, and Envoy's form of addresses."""

from collections.abc import Iterable
from typing import Final

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_pb2

from translator.model.proxy import IpFamilies

UNIX_PREFIX: Final = "unix://"

_WILDCARDS: Final = {
    IpFamilies.V4: ("0.0.0.0",),  # noqa: S104 - an Envoy listener, by design
    IpFamilies.V6: ("::",),
    IpFamilies.DUAL: ("0.0.0.0", "::"),  # noqa: S104 - as above
}
_LOOPBACKS: Final = {
    IpFamilies.V4: ("127.0.0.1",),
    IpFamilies.V6: ("::1",),
    IpFamilies.DUAL: ("127.0.0.1", "::1"),
}


def wildcards(families: IpFamilies) -> tuple[str, ...]:
    """The addresses that mean every interface; the first one names the listener."""
    return _WILDCARDS[families]


def loopbacks(families: IpFamilies) -> tuple[str, ...]:
    """The addresses of the machine itself; the first one names the listener."""
    return _LOOPBACKS[families]


def is_wildcard(bind: str) -> bool:
    """Whether an address means every interface."""
    return bind in _WILDCARDS[IpFamilies.DUAL]


def is_usable(address: str, families: IpFamilies) -> bool:
    """Whether an IP or CIDR is of a family that the proxy has: Envoy refuses what its machine lacks."""
    return families is IpFamilies.DUAL or (":" in address) is (families is IpFamilies.V6)


def bind_listener(listener: listener_pb2.Listener, binds: Iterable[str], port: int, *, datagrams: bool = False) -> None:
    """Give a listener its address (the first bind) and its additional addresses (the rest), of UDP if so wanted."""
    first, *others = (build_address(bind, port, datagrams=datagrams) for bind in binds)
    listener.address.CopyFrom(first)
    for other in others:
        listener.additional_addresses.add(address=other)


def balance_exactly(listener: listener_pb2.Listener) -> None:
    """Have Envoy spread the connections of a listener evenly over its threads; the kernel does so roughly."""
    listener.connection_balance_config.exact_balance.SetInParent()


def build_address(bind: str, port: int, *, datagrams: bool = False) -> address_pb2.Address:
    """The address of an IP and port, or of a ``unix://`` socket."""
    if bind.startswith(UNIX_PREFIX):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=bind.removeprefix(UNIX_PREFIX)))
    protocol = address_pb2.SocketAddress.UDP if datagrams else address_pb2.SocketAddress.TCP
    return address_pb2.Address(
        socket_address=address_pb2.SocketAddress(protocol=protocol, address=bind, port_value=port)
    )
