"""Addresses for pods that are network namespaces: to hand out an address is to make the namespace."""

import itertools
import os
from ipaddress import IPv4Address
from typing import Final

from fairlead.mesh.netns import DEFAULT_SUBNET, NamespaceNetwork, NetworkNamespace

_SERVICES: Final = IPv4Address("10.96.0.0")
_FIRST_PORT: Final = 8080
_serial: Final = itertools.count()


class NamespaceAddresses:
    """The addresses of one network of namespaces, which goes with them.

    The same addresses may be in use by other meshes: their networks know nothing of one another.
    """

    def __init__(self) -> None:
        """Make the network. Raises NamespaceError."""
        self.network = NamespaceNetwork(f"fairlead-{os.getpid()}-{next(_serial)}")
        self.network.__enter__()
        self._hosts = (str(host) for host in itertools.islice(DEFAULT_SUBNET.hosts(), 1, None))
        self._ports = itertools.count(_FIRST_PORT)
        self._service_numbers = itertools.count(1)

    def ip(self) -> str:
        """The address of a new namespace."""
        ip = next(self._hosts)
        self.network.add(ip.replace(".", "-"), ip)
        return ip

    def cluster_ip(self) -> str:
        """A virtual address for a Service, which nothing answers to but through a sidecar."""
        return str(_SERVICES + next(self._service_numbers))

    def port(self) -> int:
        """A port that is free in every namespace."""
        return next(self._ports)

    def may_listen(self, port: int) -> bool:
        """Whether proxies may listen on a port: in a namespace of their own they always may."""
        return 0 < port < 65536

    def namespace(self, ip: str) -> NetworkNamespace:
        """The namespace that an address is in."""
        return self.network.namespace(ip)

    @property
    def outside(self) -> NetworkNamespace:
        """The namespace from which gateways are called."""
        return self.network.hub

    def close(self) -> None:
        """Remove the network."""
        self.network.close()
