"""``fairlead iptables`` on a real kernel: what it applies is what it prints, and a second time it does nothing."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_addresses import NamespaceAddresses

EVERYTHING = (
    "--redirect-dns",
    "--drop-invalid",
    "-c",
    "eth9",
    "-k",
    "vm0",
    "-o",
    "3306",
    "-q",
    "443",
    "-x",
    "10.9.0.0/16",
)


@pytest.fixture
def pod() -> Iterator[NetworkNamespace]:
    """A fresh namespace."""
    addresses = NamespaceAddresses()
    yield addresses.namespace(addresses.ip())
    addresses.close()


def run(pod: NetworkNamespace, *command: str) -> str:
    done = subprocess.run(pod.command(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def iptables(pod: NetworkNamespace, *arguments: str) -> str:
    return run(pod, sys.executable, "-m", "fairlead", "iptables", *arguments)


def rules(text: str) -> list[str]:
    """The rules of a text for or from the kernel, in the order of each chain."""
    lines = [line for line in text.splitlines() if line.startswith(("-A", "-I"))]
    return sorted(f"-A {line.split()[1]} " + line.split(" ", 3 if line[1] == "I" else 2)[-1] for line in lines)


@pytest.mark.parametrize("mode", ["REDIRECT", "TPROXY"])
def test_what_is_applied_is_what_is_printed(pod: NetworkNamespace, mode: str) -> None:
    arguments = ("-m", mode, "--ipv6", *EVERYTHING)
    printed = iptables(pod, "--dry-run", *arguments)
    assert iptables(pod, *arguments) == "interception is in force for IPv4, IPv6\n"
    saved = run(pod, "iptables-save") + run(pod, "ip6tables-save")
    assert rules(saved) == rules(printed)
    assert iptables(pod, *arguments).startswith("nothing to do")


def test_another_mode_replaces_the_first_and_leaves_foreign_rules(pod: NetworkNamespace) -> None:
    run(pod, "iptables", "-t", "nat", "-A", "OUTPUT", "-p", "udp", "-j", "ACCEPT")
    iptables(pod, "-m", "TPROXY", "--no-ipv6")
    assert "lookup 133" in run(pod, "ip", "rule")
    assert iptables(pod, "-m", "REDIRECT", "--no-ipv6") == "interception is in force for IPv4\n"
    saved = run(pod, "iptables-save")
    assert "TPROXY" not in saved
    assert "CONNMARK" not in saved
    assert saved.count("-j ISTIO_OUTPUT\n") == 1
    assert "-A OUTPUT -p udp -j ACCEPT" in saved
    assert iptables(pod, "-m", "REDIRECT", "--no-ipv6", "--cleanup-only") == "interception is removed\n"
    assert rules(run(pod, "iptables-save")) == ["-A OUTPUT -p udp -j ACCEPT"]


def test_without_the_rights_it_says_so(pod: NetworkNamespace) -> None:
    command = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "fairlead", "iptables")
    done = subprocess.run(pod.command((*command, "--no-ipv6")), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "iptables" in done.stderr
    assert "Traceback" not in done.stderr
