"""What differs between the rules for IPv4 and those for IPv6."""

from collections.abc import Iterable
from typing import Final

import msgspec

from fairlead.iptables.settings import CaptureSettings, IpVersion, NameServer, Network


class Family(msgspec.Struct, frozen=True):
    """The addresses with a meaning in one version of IP, and what of the settings belongs to it."""

    version: IpVersion
    localhost: str
    # Envoy calls the application from here when it does not know the port, so that the call is not caught again.
    passthrough_source: str
    prefix: int

    def networks(self, networks: Iterable[Network]) -> tuple[str, ...]:
        """Those of this version."""
        return tuple(str(network) for network in networks if network.version == self.version)

    def servers(self, settings: CaptureSettings) -> tuple[str, ...]:
        """The name servers whose queries are caught, as destinations; an empty one is any."""
        if settings.dns is None:
            return ()
        if settings.dns.servers is None:
            return ("",)
        return tuple(self._host(server) for server in settings.dns.servers if server.version == self.version)

    def _host(self, address: NameServer) -> str:
        return f"{address}/{self.prefix}"


IPV4: Final = Family(IpVersion.V4, "127.0.0.1/32", "127.0.0.6/32", 32)
IPV6: Final = Family(IpVersion.V6, "::1/128", "::6/128", 128)
