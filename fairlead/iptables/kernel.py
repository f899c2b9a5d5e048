"""What is in the kernel already, and what has to be restored so that it becomes the program."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from fairlead.iptables.program import Program, build_programs
from fairlead.iptables.rule import OWN_PREFIX, Chains, Table
from fairlead.iptables.settings import CaptureSettings, IpVersion
from translator.model.proxy import Capture

TABLES: Final = ("mangle", "nat", "raw")


def parse_save(text: str) -> dict[str, Chains]:
    """The chains of every table in the output of ``iptables-save``."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:].strip(), {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            _, chain, specification = line.split(" ", 2)
            chains.setdefault(chain, []).append(specification.strip())
    return {name: {chain: tuple(rules) for chain, rules in found.items()} for name, found in tables.items()}


def is_in_place(program: Program, saved: dict[str, Chains]) -> bool:
    """Whether the kernel has these rules, in their order, and no others in chains of the program's own."""
    wanted = {table.name: table.chains() for table in program.tables}
    return all(_has_chains(saved.get(name, {}), wanted.get(name, {})) for name in TABLES)


def restore_texts(program: Program, saved: dict[str, Chains], settings: CaptureSettings) -> tuple[str, ...]:
    """What to restore, by table, whatever an earlier program left behind.

    ``settings`` tell which rules in the kernel's own chains are those of an earlier program.
    """
    wanted = {table.name: table for table in program.tables}
    traces = _traces(settings, program.version)
    found = (
        _restore_text(wanted.get(name, Table(name, ())), saved.get(name, {}), traces.get(name, frozenset()))
        for name in TABLES
    )
    return tuple(text for text in found if text)


def _has_chains(present: Chains, wanted: Chains) -> bool:
    own = {chain for chain in present if chain.startswith(OWN_PREFIX)}
    if own != {chain for chain in wanted if chain.startswith(OWN_PREFIX)}:
        return False
    return all(
        present.get(chain, ()) == rules if chain in own else _contains(present.get(chain, ()), rules)
        for chain, rules in wanted.items()
    )


def _contains(present: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether these rules are there in this order, others between them or not."""
    remaining = iter(present)
    return all(rule in remaining for rule in wanted)


def _restore_text(table: Table, present: Chains, traces: frozenset[str]) -> str:
    deletions = tuple(_deletions(present, traces))
    retired = tuple(chain for chain in present if chain.startswith(OWN_PREFIX) and chain not in table.own_chains)
    return table.restore_text(deletions, retired) if table.rules or deletions or retired else ""


def _deletions(present: Chains, traces: frozenset[str]) -> Iterator[str]:
    for chain, rules in present.items():
        if not chain.startswith(OWN_PREFIX):
            for rule in rules:
                if f"-j {OWN_PREFIX}" in rule or f"{chain} {rule}" in traces:
                    yield f"{chain} {rule}"


def _traces(settings: CaptureSettings, version: IpVersion) -> dict[str, frozenset[str]]:
    """Rules in the kernel's own chains that a program with these settings makes, in whichever mode."""
    return {
        table.name: frozenset(
            f"{rule.chain} {rule.specification}" for rule in table.rules if not rule.chain.startswith(OWN_PREFIX)
        )
        for program in build_programs(
            msgspec.structs.replace(settings, mode=Capture.TPROXY, drop_invalid=True), (version,)
        )
        for table in program.tables
    }
