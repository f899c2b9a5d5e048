"""Puts programs into force with ``iptables-restore`` and ``ip``; needs the capability NET_ADMIN."""

import shutil
import subprocess
from collections.abc import Iterable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

import msgspec

from fairlead.iptables.kernel import is_in_place, parse_save, restore_texts
from fairlead.iptables.program import Program, build_programs
from fairlead.iptables.settings import CaptureSettings, IpVersion

_ADDRESSES: Final = Path("/proc/thread-self/net/if_inet6")
_EXISTS: Final = "File exists"


class InterceptionError(Exception):
    """A program could not be put into force; the text says which command failed and why."""


def detect_versions(addresses: Path = _ADDRESSES) -> tuple[IpVersion, ...]:
    """The versions of IP that this network namespace has addresses of; IPv4 is taken for granted.

    Addresses of the loopback and of a single link do not count: nobody else reaches them.
    """
    try:
        lines = addresses.read_text().splitlines()
    except OSError:
        return (IpVersion.V4,)
    found = (IPv6Address(int(line.split()[0], 16)) for line in lines if line.strip())
    routed = any(not (each.is_loopback or each.is_link_local or int(each) < 2**16) for each in found)
    return (IpVersion.V4, IpVersion.V6) if routed else (IpVersion.V4,)


def apply_programs(settings: CaptureSettings, versions: Iterable[IpVersion]) -> tuple[IpVersion, ...]:
    """Put the rules into force; returns the versions for which something had to be changed.

    What is in place already is left alone, so that running it again, as a restarted init container does,
    disturbs no connection. Raises InterceptionError.
    """
    changed = []
    for program in build_programs(settings, versions):
        for command in program.commands:
            _run_ip(command)
        if _replace(program, settings):
            changed.append(program.version)
    return tuple(changed)


def remove_programs(settings: CaptureSettings, versions: Iterable[IpVersion]) -> None:
    """Take the rules out again; addresses and routes stay, they lead nothing anywhere. Raises InterceptionError."""
    for program in build_programs(settings, versions):
        _replace(msgspec.structs.replace(program, tables=()), settings)


def _replace(program: Program, settings: CaptureSettings) -> bool:
    saved = parse_save(_run((f"{program.tool}-save",)))
    if is_in_place(program, saved):
        return False
    # All tables at once: a failure leaves what was there.
    _run((f"{program.tool}-restore", "--noflush"), "".join(restore_texts(program, saved, settings)))
    return True


def _run_ip(command: tuple[str, ...]) -> None:
    try:
        _run(command)
    except InterceptionError as error:
        if _EXISTS not in str(error):
            raise


def _run(command: tuple[str, ...], text: str = "") -> str:
    program = shutil.which(command[0])
    if program is None:
        raise InterceptionError(f"{command[0]} is not installed")
    done = subprocess.run((program, *command[1:]), input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InterceptionError(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
