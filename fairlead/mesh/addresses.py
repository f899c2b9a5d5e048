"""Loopback addresses and ports for stand-in pods, never the same ones for two meshes on one machine.

Each lease owns 127.N.0.0/16 and a range of ports for listeners on the wildcard address. Two Envoys that bind
the same address and port do not fail: they share it (SO_REUSEPORT) and traffic gets lost in the wrong one, so
uniqueness has to come from here.
"""

import itertools
import socket
from ipaddress import IPv4Address
from types import TracebackType
from typing import Final, Self

from fairlead.mesh.netns import NetworkNamespace

_BLOCKS: Final = range(16, 127)
_FIRST_PORT: Final = 20_000
_PORTS_PER_BLOCK: Final = 110  # the last block ends below 32768, where Linux starts to hand out ports to clients


class NoAddressesLeftError(RuntimeError):
    """Every block or port is leased."""


class Addresses:
    """A lease of one block of addresses, held until it is closed or the process ends.

    The lease is a bound abstract Unix socket: the kernel frees it with the process, and its name space is that
    of the network namespace, as it is for loopback addresses.
    """

    def __init__(self) -> None:
        """Take the first free block. Raises NoAddressesLeftError."""
        self.versions = (4,)
        self._lease, self._block = _take_block()
        network = IPv4Address(f"127.{self._block}.0.0")
        self._hosts = (str(network + number) for number in range(1, 2**16 - 1))
        first = _FIRST_PORT + (self._block - _BLOCKS.start) * _PORTS_PER_BLOCK
        self._ports = iter(range(first, first + _PORTS_PER_BLOCK))
        self._service_numbers = itertools.count(1)

    def ip(self) -> str:
        """An address that nobody else has: all its ports are free."""
        return next(self._hosts)

    def all_ips(self, ip: str) -> tuple[str, ...]:
        """All addresses of the pod that has an address: no other."""
        return (ip,)

    def cluster_ips(self) -> tuple[str, ...]:
        """The virtual address for a Service: unique in this lease, and not local, as in a cluster."""
        return (str(IPv4Address("10.96.0.0") + next(self._service_numbers)),)

    def port(self) -> int:
        """A port that is free on every local address, for listeners on the wildcard address or on 127.0.0.1."""
        for port in self._ports:
            if _is_free(port):
                return port
        raise NoAddressesLeftError(f"all {_PORTS_PER_BLOCK} ports of block 127.{self._block}.0.0/16 are in use")

    def may_listen(self, port: int) -> bool:
        """Whether this user may listen on a port here: those below 1024 may be reserved to root."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((self.ip(), port))
            except PermissionError:
                return False
        return True

    def namespace(self, ip: str) -> NetworkNamespace | None:
        """The namespace that an address is in: none but the machine's own."""
        del ip
        return None

    @property
    def outside(self) -> NetworkNamespace | None:
        """The namespace from which gateways are called: none but the machine's own."""
        return None

    def close(self) -> None:
        """Give the block back. Nothing may be running on its addresses any more."""
        self._lease.close()

    def __enter__(self) -> Self:
        """Return the lease itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _take_block() -> tuple[socket.socket, int]:
    for block in _BLOCKS:
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lease.bind(f"\0fairlead-mesh-127.{block}")
        except OSError:
            lease.close()
        else:
            return lease, block
    raise NoAddressesLeftError(
        f"all of 127.{_BLOCKS.start}.0.0 to 127.{_BLOCKS.stop - 1}.255.255 is leased by other meshes"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104
        except OSError:
            return False
    return True
