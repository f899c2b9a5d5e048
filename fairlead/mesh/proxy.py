"""Stand-in proxies: an Envoy with the bootstrap that ``fairlead bootstrap`` writes for it."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fairlead.mesh.envoy import EnvoyProcess


class Stream(StrEnum):
    """Which variant of the xDS protocol a proxy speaks; the value is the option of ``fairlead bootstrap``."""

    DELTA = "--delta"
    STATE_OF_THE_WORLD = "--sotw"


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """A proxy to start. A sidecar's address has to be its own, not that of the application's pod.

    Without interception a sidecar listens on the ports of the Services it calls; on the address of its pod they
    would collide with the ports on which the application itself listens.
    """

    role: str
    name: str
    namespace: str
    ip: str
    xds: str
    admin_port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    stream: Stream = Stream.DELTA
    ports: Mapping[int, int] = field(default_factory=dict)
    """The port that is listened on, for each port of a gateway's Service."""

    def arguments(self) -> tuple[str, ...]:
        """The command line of ``fairlead bootstrap`` for it."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return (
            *("bootstrap", self.role, "--namespace", self.namespace, "--name", self.name, "--ip", self.ip),
            *("--xds", self.xds, "--admin-port", str(self.admin_port), "--capture", "none", self.stream),
            *(("--labels", labels) if labels else ()),
            *("-o", "json"),
        )


class BootstrapError(RuntimeError):
    """``fairlead bootstrap`` refused; the text is what it said."""


class Proxy(EnvoyProcess):
    """A sidecar or gateway of a stand-in mesh; an async context manager that serves when the block is entered."""

    def __init__(self, spec: ProxySpec, workdir: Path) -> None:
        """Prepare: bootstrap and log go to the folder, named after the proxy and its kind of stream."""
        name = f"{spec.namespace}.{spec.name}{spec.stream}"
        self.spec = spec
        self._bootstrap = workdir / f"{name}.json"
        super().__init__(name, self._bootstrap, f"127.0.0.1:{spec.admin_port}")

    def address(self, port: int) -> str:
        """Where its listener for a port of a Service is reached."""
        return f"{self.spec.ip}:{self.spec.ports.get(port, port)}"

    async def start(self) -> None:
        """Write the bootstrap and start Envoy; does not wait for readiness. Raises BootstrapError."""
        self._bootstrap.parent.mkdir(parents=True, exist_ok=True)
        self._bootstrap.write_bytes(await _run_bootstrap(self.spec))
        await super().start()


async def _run_bootstrap(spec: ProxySpec) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fairlead", *spec.arguments()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise BootstrapError(errors.decode(errors="replace"))
    return output
