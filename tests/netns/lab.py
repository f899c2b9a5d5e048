"""A network of its own on this machine: one namespace per container, joined by a bridge in a namespace for clients."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fairlead.mesh.process import ChildProcess

_BRIDGE: Final = "mesh0"
_FETCH: Final = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""


class Lab:
    """Namespaces ``PREFIX-NAME`` with one address each; a context manager that removes them again.

    Inside a namespace the names of all others resolve to their addresses, as in a network of containers.
    """

    def __init__(self, prefix: str, addresses: Mapping[str, str], gateway: str) -> None:
        """``gateway`` is the address of the bridge, from which ``fetch`` calls."""
        self._prefix = prefix
        self._addresses = addresses
        self._gateway = gateway
        self._hosts = Path("/etc/netns")

    def __enter__(self) -> Self:
        """Make the namespaces."""
        clients = self.namespace("clients")
        _run("ip", "netns", "add", clients)
        _run("ip", "-n", clients, "link", "add", _BRIDGE, "type", "bridge")
        _run("ip", "-n", clients, "address", "add", f"{self._gateway}/24", "dev", _BRIDGE)
        _run("ip", "-n", clients, "link", "set", _BRIDGE, "up")
        for number, (name, address) in enumerate(self._addresses.items()):
            self._add(name, address, f"port{number}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove them."""
        for name in ("clients", *self._addresses):
            subprocess.run(["ip", "netns", "delete", self.namespace(name)], check=False, capture_output=True)
            shutil.rmtree(self._hosts / self.namespace(name), ignore_errors=True)

    def namespace(self, name: str) -> str:
        """The system's name of a namespace."""
        return f"{self._prefix}-{name}"

    def inside(self, name: str, command: Sequence[str]) -> tuple[str, ...]:
        """A command line that runs a command in a namespace."""
        return (_tool("ip"), "netns", "exec", self.namespace(name), *command)

    def process(self, name: str, label: str, command: Sequence[str], log: Path) -> ChildProcess:
        """A process to run in a namespace."""
        return ChildProcess(label, self.inside(name, command), log)

    async def fetch(self, url: str) -> tuple[int, str]:
        """Send a GET from among the clients; the status and body of the answer. OSError without an answer."""
        command = self.inside("clients", (sys.executable, "-c", _FETCH, url))
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await child.communicate()
        if child.returncode != 0:
            raise OSError(errors.decode(errors="replace").strip().rpartition("\n")[2])
        status, _, body = output.decode().partition(" ")
        return int(status), body

    def _add(self, name: str, address: str, port: str) -> None:
        own, clients = self.namespace(name), self.namespace("clients")
        _run("ip", "netns", "add", own)
        _run("ip", "-n", clients, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", own)
        _run("ip", "-n", clients, "link", "set", port, "master", _BRIDGE, "up")
        _run("ip", "-n", own, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run("ip", "-n", own, "link", "set", device, "up")
        _run("ip", "-n", own, "route", "add", "default", "via", self._gateway)
        hosts = self._hosts / own
        hosts.mkdir(parents=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in self._addresses.items())]
        (hosts / "hosts").write_text("\n".join(lines) + "\n")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _tool(name: str) -> str:
    found = shutil.which(name)
    assert found is not None
    return found
