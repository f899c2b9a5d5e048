"""Network namespaces on this machine, joined by a bridge: a network in which each pod has an address of its own.

Nothing of it touches the machine's own network: the bridge stands in a namespace, too (the hub), and what runs
outside reaches the pods only through sockets that were made inside. Needs root, iproute2, and Linux.
"""

import asyncio
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_NAMESPACES: Final = Path("/run/netns")
_FILES: Final = Path("/etc/netns")
_CLONE_NEWNET: Final = 0x40000000
_BRIDGE: Final = "mesh0"
_DEVICE: Final = "eth0"
_BACKLOG: Final = 512
_KERNEL: Final = Path("/proc/sys/net")
# As a router the hub says at once when there is no way to an address; otherwise callers would wait for nothing.
_ROUTER_SETTINGS: Final = {
    "ipv4/ip_forward": "1",
    "ipv4/icmp_ratelimit": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/icmp/ratelimit": "0",
}

Subnet = IPv4Network | IPv6Network

DEFAULT_SUBNET: Final = IPv4Network("10.244.0.0/16")


class NamespaceError(RuntimeError):
    """Namespaces cannot be made here; the text says why."""


class Account(NamedTuple):
    """Who a command runs as, and what it may do beside what that user may."""

    user: int
    group: int
    capabilities: tuple[str, ...] = ()


class NetworkNamespace:
    """One namespace: sockets are made in it, commands run in it, names resolve in it."""

    def __init__(self, name: str, *ips: str) -> None:
        """Describe an existing namespace by the system's name for it and its addresses."""
        self.name = name
        self.ips = ips

    @property
    def ip(self) -> str:
        """Its address, or the first of several."""
        return self.ips[0]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside for a block that does not await: this thread's sockets and child processes are made there."""
        with open("/proc/thread-self/ns/net", "rb") as own:  # noqa: PTH123 - held open, never read
            _enter(_NAMESPACES / self.name)
            try:
                yield
            finally:
                _set_namespace(own.fileno())

    def open_socket(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0
    ) -> socket.socket:
        """A socket that belongs to the namespace wherever it is used."""
        with self.entered():
            made = socket.socket(family, kind, protocol)
        made.setblocking(False)  # noqa: FBT003 - the name of the method says it
        return made

    def listen(self, host: str, port: int) -> socket.socket:
        """A socket that listens in the namespace; on ``::`` it takes connections of both versions of IP."""
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        made = self.open_socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        try:
            made.bind((host, port))
            made.listen(_BACKLOG)
        except OSError:
            made.close()
            raise
        return made

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection from inside. OSError when there is none."""
        made = self.open_socket(socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made

    def command(self, command: Sequence[str], account: Account | None = None) -> tuple[str, ...]:
        """A command line that runs a command inside, as somebody else than this process if an account is given."""
        inside = (_tool("ip"), "netns", "exec", self.name)
        if account is None:
            return (*inside, *command)
        kept = ",".join(f"+{each}" for each in account.capabilities) or "-all"
        identity = ("--reuid", str(account.user), "--regid", str(account.group), "--clear-groups")
        return (*inside, _tool("setpriv"), *identity, f"--inh-caps={kept}", f"--ambient-caps={kept}", *command)


class NamespaceNetwork:
    """Namespaces in subnets; a context manager that removes them, and with them all their rules and addresses.

    Every member has an address of each subnet. The hub holds the bridge and the first addresses; everything outside
    of pods belongs there.
    Inside, the names of all members resolve to their addresses.
    """

    def __init__(self, prefix: str, *subnets: Subnet) -> None:
        """``prefix`` begins the names of all namespaces and has to be unique on the machine."""
        self._prefix = prefix
        self._subnets = subnets or (DEFAULT_SUBNET,)
        self._numbers = itertools.count()
        self._members: dict[str, NetworkNamespace] = {}
        self._hosts: dict[str, tuple[str, ...]] = {}
        self.hub = NetworkNamespace(f"{prefix}-hub", *(str(subnet[1]) for subnet in self._subnets))

    def __enter__(self) -> Self:
        """Make the hub. Raises NamespaceError."""
        try:
            self._make_hub()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove everything."""
        self.close()

    def add(self, name: str, *ips: str) -> NetworkNamespace:
        """A new namespace with an address of each subnet, reached by its name, too. Raises NamespaceError."""
        member = NetworkNamespace(f"{self._prefix}-{name}", *ips)
        self._members |= dict.fromkeys(ips, member)
        port, hub, own = f"port{next(self._numbers)}", self.hub.name, member.name
        _ip(f"netns add {own}")
        _ip(f"-n {hub} link add {port} type veth peer name {_DEVICE} netns {own}")
        _ip(f"-n {hub} link set {port} master {_BRIDGE} up")
        _ip_batch(
            own,
            *self._addresses(ips, _DEVICE),
            "link set lo up",
            f"link set {_DEVICE} up",
            *(f"route add default via {ip}" for ip in self.hub.ips),
        )
        self.resolve(name, *ips)
        return member

    def use_name_server(self, member: NetworkNamespace, ip: str, *search: str) -> None:
        """Have programs that are started in a namespace from now on ask a DNS server, as in a pod of Kubernetes."""
        text = f"nameserver {ip}\nsearch {' '.join(search)}\noptions ndots:5 timeout:2\n"
        (_FILES / member.name / "resolv.conf").write_text(text)

    def resolve(self, name: str, *ips: str) -> None:
        """Have a name resolve to addresses in every namespace, as entries in /etc/hosts."""
        self._hosts[name] = ips
        entries = "".join(f"{ip} {name}\n" for name, ips in self._hosts.items() for ip in ips)
        text = f"127.0.0.1 localhost\n{entries}"
        for member in self._all():
            folder = _FILES / member.name
            folder.mkdir(parents=True, exist_ok=True)
            # In place: whoever runs inside has this very file mounted over its own.
            (folder / "hosts").write_text(text)

    def namespace(self, ip: str) -> NetworkNamespace:
        """The namespace with an address. Raises KeyError."""
        return self._members[ip]

    def close(self) -> None:
        """Remove everything; what still runs inside loses its network."""
        for member in self._all():
            subprocess.run([_tool("ip"), "netns", "delete", member.name], check=False, capture_output=True)
            shutil.rmtree(_FILES / member.name, ignore_errors=True)
        self._members.clear()

    def _all(self) -> tuple[NetworkNamespace, ...]:
        return tuple(dict.fromkeys((self.hub, *self._members.values())))

    def _addresses(self, ips: Sequence[str], device: str) -> Iterator[str]:
        """Commands that give a device its addresses; nobody else can have them, so none is probed for first."""
        for ip, subnet in zip(ips, self._subnets, strict=True):
            probing = " nodad" if subnet.version == 6 else ""
            yield f"address add {ip}/{subnet.prefixlen} dev {device}{probing}"

    def _make_hub(self) -> None:
        hub = self.hub
        _ip(f"netns add {hub.name}")
        _ip_batch(
            hub.name,
            f"link add {_BRIDGE} type bridge",
            *self._addresses(hub.ips, _BRIDGE),
            "link set lo up",
            f"link set {_BRIDGE} up",
        )
        for subnet in self._subnets:
            _ip(f"-n {hub.name} -{subnet.version} route add unreachable default")
        with hub.entered():
            for name, value in _ROUTER_SETTINGS.items():
                if (_KERNEL / name).exists():
                    (_KERNEL / name).write_text(value)


def _ip(arguments: str) -> None:
    _run((_tool("ip"), *arguments.split()), "")


def _ip_batch(namespace: str, *commands: str) -> None:
    _run((_tool("ip"), "-n", namespace, "-batch", "-"), "".join(f"{command}\n" for command in commands))


def _run(command: Sequence[str], text: str) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NamespaceError(f"{' '.join(command)}: {done.stderr.strip()}")


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NamespaceError(f"network namespaces need {name}")
    return found


def _enter(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
