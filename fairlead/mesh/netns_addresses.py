"""Addresses for pods that are network namespaces: to hand out an address is to make the namespace."""

import itertools
import os
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from fairlead.mesh.netns import DEFAULT_SUBNET, NamespaceNetwork, NetworkNamespace, Subnet
from translator.model.proxy import IpFamilies

_POD_SUBNETS: Final[tuple[Subnet, ...]] = (DEFAULT_SUBNET, IPv6Network("fd00:10:244::/64"))
_SERVICE_SUBNETS: Final[tuple[Subnet, ...]] = (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112"))
_VERSIONS: Final = {IpFamilies.V4: (4,), IpFamilies.V6: (6,), IpFamilies.DUAL: (4, 6)}
# Above those that applications like to have.
_FIRST_PORT: Final = 30_000
_serial: Final = itertools.count()


class NamespaceAddresses:
    """The addresses of one network of namespaces, which goes with them.

    The same addresses may be in use by other meshes: their networks know nothing of one another.
    """

    def __init__(self, families: IpFamilies = IpFamilies.V4) -> None:
        """Make the network. Raises NamespaceError."""
        self.versions = _VERSIONS[families]
        subnets = [subnet for subnet in _POD_SUBNETS if subnet.version in self.versions]
        self.network = NamespaceNetwork(f"fairlead-{os.getpid()}-{next(_serial)}", *subnets)
        self.network.__enter__()
        self._hosts = zip(*(itertools.islice(subnet.hosts(), 1, None) for subnet in subnets), strict=False)
        self._ports = itertools.count(_FIRST_PORT)
        self._service_numbers = itertools.count(1)

    def ip(self) -> str:
        """The (first) address of a new namespace."""
        ips = [str(host) for host in next(self._hosts)]
        self.network.add(ips[0].replace(".", "-").replace(":", "-"), *ips)
        return ips[0]

    def all_ips(self, ip: str) -> tuple[str, ...]:
        """All addresses of the namespace that an address is in, one of each version of IP."""
        return self.namespace(ip).ips

    def cluster_ips(self) -> tuple[str, ...]:
        """Virtual addresses for a Service, which nothing answers to but through a sidecar."""
        number = next(self._service_numbers)
        return tuple(str(subnet[number]) for subnet in _SERVICE_SUBNETS if subnet.version in self.versions)

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
