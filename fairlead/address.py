"""``HOST:PORT``, as people write where something listens or connects to."""

from ipaddress import ip_address
from typing import NamedTuple

_MAX_PORT = 65535


class Address(NamedTuple):
    """A host, by name or IP, and a port; port 0 asks the system for a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse ``host:port``, ``[v6]:port`` or ``:port`` (every interface). Raises ValueError with what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
            raise ValueError(f"{text!r} is not HOST:PORT with a port from 0 to {_MAX_PORT}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:15010")
        return cls(host or "0.0.0.0", int(port))  # noqa: S104 - what an empty host asks for

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address and needs no DNS."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (self.is_ip and ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
