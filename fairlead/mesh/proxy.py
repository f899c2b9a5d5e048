"""Stand-in proxies: an Envoy with the bootstrap that ``fairlead bootstrap`` writes."""

import json
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings, admin_host, build_bootstrap
from fairlead.identity import ProxyIdentity
from fairlead.mesh.clients import HttpClient, TcpClient
from fairlead.mesh.envoy import EnvoyProcess
from fairlead.mesh.netns import Account, NetworkNamespace
from translator.model.proxy import Capture, Role

# Addresses of nobody (they are for documentation): what is sent there arrives only if it is intercepted.
_NOBODY: Final = {4: "192.0.2.1", 6: "2001:db8::1"}


class Place(NamedTuple):
    """Where a proxy runs, and where its clients do: a namespace, or (None) this machine's own network."""

    own: NetworkNamespace | None = None
    outside: NetworkNamespace | None = None


_THIS_MACHINE: Final = Place()
# To take the addresses of others needs rights; and the rules for redirection know the proxy by its user, those for
# transparent traffic by its group: as any other user it is not caught when it calls its own application.
_TRANSPARENT: Final = Account(0, 1337, ("dac_override", "net_admin", "net_bind_service"))


class Stream(StrEnum):
    """Which variant of the xDS protocol a proxy speaks."""

    DELTA = "delta"
    STATE_OF_THE_WORLD = "sotw"


class Proxy(EnvoyProcess):
    """A sidecar or gateway of a stand-in mesh; an async context manager that serves when the block is entered.

    The address of a sidecar has to be its own, not that of the application's pod: without interception it
    listens on the ports of the Services that are called, and there the application itself may listen.
    """

    def __init__(
        self,
        identity: ProxyIdentity,
        settings: BootstrapSettings,
        workdir: Path,
        ports: Mapping[int, int] | None = None,
        place: Place = _THIS_MACHINE,
    ) -> None:
        """Prepare; bootstrap and log go to the folder. ``ports``: what is listened on for each port of a Service."""
        self.intercepts = identity.role is Role.SIDECAR and identity.capture is not Capture.NONE
        self.clients = place.own if self.intercepts else place.outside
        variant = Stream.DELTA if settings.delta else Stream.STATE_OF_THE_WORLD
        name = f"{identity.namespace}.{identity.name}-{variant}"
        self.ip = identity.addresses[0]
        self.ports = ports or {}
        self._bootstrap = workdir / f"{name}.json"
        self._content = build_bootstrap(identity, settings)
        admin = str(Address(admin_host(identity), settings.admin_port))
        if identity.capture is Capture.TPROXY and self.intercepts:
            super().__init__(name, self._bootstrap, admin, namespace=place.own, account=_TRANSPARENT)
        else:
            super().__init__(name, self._bootstrap, admin, namespace=place.own)

    def address(self, port: int) -> str:
        """Where its listener for a port of a Service is reached (``ip:port``); if it intercepts, that is anywhere."""
        host = _NOBODY[ip_address(self.ip).version] if self.intercepts else self.ip
        return str(Address(host, self.ports.get(port, port)))

    def client(self, port: int) -> HttpClient:
        """A client of its listener for a port of a Service: its application, or for a gateway somebody outside."""
        return HttpClient(self.address(port), self.clients)

    def tcp_client(self, port: int, virtual_ip: str) -> TcpClient:
        """As ``client``, for a TCP port of a Service, which is told from others by the Service's virtual address."""
        return TcpClient(str(Address(virtual_ip, port)) if self.intercepts else self.address(port), self.clients)

    async def start(self) -> None:
        """Write the bootstrap and start Envoy; does not wait for readiness."""
        self._bootstrap.parent.mkdir(parents=True, exist_ok=True)
        self._bootstrap.write_text(json.dumps(self._content, indent=2))
        await super().start()
