"""Stand-in proxies: an Envoy with the bootstrap that ``fairlead bootstrap`` writes."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from fairlead.bootstrap import BootstrapSettings, build_bootstrap
from fairlead.identity import ProxyIdentity
from fairlead.mesh.envoy import EnvoyProcess


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
    ) -> None:
        """Prepare; bootstrap and log go to the folder. ``ports``: what is listened on for each port of a Service."""
        variant = Stream.DELTA if settings.delta else Stream.STATE_OF_THE_WORLD
        name = f"{identity.namespace}.{identity.name}-{variant}"
        self.ip = identity.addresses[0]
        self.ports = ports or {}
        self._bootstrap = workdir / f"{name}.json"
        self._content = build_bootstrap(identity, settings)
        super().__init__(name, self._bootstrap, f"127.0.0.1:{settings.admin_port}")

    def address(self, port: int) -> str:
        """Where its listener for a port of a Service is reached (``ip:port``)."""
        return f"{self.ip}:{self.ports.get(port, port)}"

    async def start(self) -> None:
        """Write the bootstrap and start Envoy; does not wait for readiness."""
        self._bootstrap.parent.mkdir(parents=True, exist_ok=True)
        self._bootstrap.write_text(json.dumps(self._content, indent=2))
        await super().start()
