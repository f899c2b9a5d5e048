"""The whole program for one version of IP: tables, addresses and routes."""

from collections.abc import Iterable, Iterator

import msgspec

from fairlead.iptables.family import IPV4, IPV6, Family
from fairlead.iptables.mangle import build_mangle
from fairlead.iptables.nat import build_nat
from fairlead.iptables.raw import build_raw
from fairlead.iptables.rule import Table
from fairlead.iptables.settings import CaptureSettings, IpVersion
from translator.model.proxy import Capture


class Program(msgspec.Struct, frozen=True):
    """Tables to be restored, and the commands of ``ip`` that they need beside them."""

    version: IpVersion
    tables: tuple[Table, ...]
    commands: tuple[tuple[str, ...], ...]

    @property
    def tool(self) -> str:
        """The name that the programs for this version begin with."""
        return "ip6tables" if self.version is IpVersion.V6 else "iptables"

    def text(self) -> str:
        """For people: what would be done."""
        commands = "".join(f"{' '.join(command)}\n" for command in self.commands)
        tables = "".join(table.restore_text() for table in self.tables)
        return f"{commands}# {self.tool}-restore --noflush\n{tables}"


def build_programs(settings: CaptureSettings, versions: Iterable[IpVersion]) -> tuple[Program, ...]:
    """A program for each version; none without interception."""
    if settings.mode is Capture.NONE:
        return ()
    return tuple(_build_program(settings, IPV6 if version is IpVersion.V6 else IPV4) for version in versions)


def _build_program(settings: CaptureSettings, family: Family) -> Program:
    tables = (build_mangle(settings, family), build_nat(settings, family), build_raw(settings, family))
    return Program(family.version, tuple(table for table in tables if table.rules), tuple(_commands(settings, family)))


def _commands(settings: CaptureSettings, family: Family) -> Iterator[tuple[str, ...]]:
    ip = ("ip", f"-{family.version.value}")
    if family is IPV6 and settings.captures_inbound:
        # 127.0.0.0/8 is all local, of IPv6 only ::1 is: Envoy could not call from ::6.
        yield (*ip, "address", "replace", family.passthrough_source, "dev", "lo")
    if settings.is_transparent:
        mark, table = str(settings.tproxy_mark), str(settings.tproxy_table)
        yield (*ip, "rule", "add", "fwmark", mark, "lookup", table)
        yield (*ip, "route", "replace", "local", "default", "dev", "lo", "table", table)
