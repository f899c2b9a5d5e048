"""Rules as values, and their text: exactly as ``iptables-save`` prints them, so that both can be compared."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

# Chains of this program; everything else in a table belongs to somebody else.
OWN_PREFIX: Final = "ISTIO_"

# The rules of a table, in order, by chain.
Chains = Mapping[str, tuple[str, ...]]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Which packets. A leading ``!`` in an address negates it; ``options`` are the extensions, in their order."""

    source: str = ""
    destination: str = ""
    arriving: str = ""
    leaving: str = ""
    protocol: str = ""
    options: tuple[str, ...] = ()

    def text(self) -> Iterator[str]:
        """The parts in the order of ``iptables-save``."""
        for flag, value in (("-s", self.source), ("-d", self.destination), ("-i", self.arriving), ("-o", self.leaving)):
            if value:
                yield f"! {flag} {value[1:]}" if value.startswith("!") else f"{flag} {value}"
        if self.protocol:
            yield f"-p {self.protocol}"
        yield from self.options


class Rule(msgspec.Struct, frozen=True):
    """One rule of a chain; ``on_top`` puts it before what others have in a chain of the kernel."""

    chain: str
    match: Match
    target: str
    on_top: bool = False

    @property
    def specification(self) -> str:
        """Everything after the command and the chain."""
        return " ".join((*self.match.text(), f"-j {self.target}"))


class Table(msgspec.Struct, frozen=True):
    """The rules for one table, in the order in which they have to be looked at."""

    name: str
    rules: tuple[Rule, ...]

    @property
    def own_chains(self) -> tuple[str, ...]:
        """The chains that the rules stand in and jump to and that the kernel does not bring along."""
        named = (name for rule in self.rules for name in (rule.chain, rule.target))
        return tuple(dict.fromkeys(name for name in named if name.startswith(OWN_PREFIX)))

    def restore_text(self, deletions: Iterable[str] = (), retired: Iterable[str] = ()) -> str:
        """The input of ``iptables-restore --noflush``, which applies it as a whole or not at all.

        Naming a chain makes or empties it. ``deletions`` are rules of the kernel's chains to be taken out first,
        ``retired`` are chains that are to go.
        """
        retired = tuple(retired)
        lines = [f"*{self.name}", *(f":{chain} - [0:0]" for chain in (*self.own_chains, *retired))]
        lines += [f"-D {each}" for each in deletions]
        lines += [f"-X {chain}" for chain in retired]
        inserted: dict[str, int] = {}
        for rule in self.rules:
            if rule.on_top:
                inserted[rule.chain] = inserted.get(rule.chain, 0) + 1
                lines.append(f"-I {rule.chain} {inserted[rule.chain]} {rule.specification}")
            else:
                lines.append(f"-A {rule.chain} {rule.specification}")
        return "\n".join((*lines, "COMMIT", ""))

    def chains(self) -> Chains:
        """The rules by chain."""
        chains: dict[str, list[str]] = {chain: [] for chain in self.own_chains}
        for rule in self.rules:
            chains.setdefault(rule.chain, []).append(rule.specification)
        return {chain: tuple(rules) for chain, rules in chains.items()}


def on_port(protocol: str, port: int, *, negated: bool = False, field: str = "dport") -> tuple[str, ...]:
    """The options for a port of a protocol."""
    return (f"-m {protocol} {'! ' if negated else ''}--{field} {port}",)


def owned(field: str, owner: str, *, negated: bool = False) -> tuple[str, ...]:
    """The options for packets of a local process; ``field`` is ``uid`` or ``gid``."""
    return (f"-m owner {'! ' if negated else ''}--{field}-owner {owner}",)


def marked(mark: int, *, negated: bool = False) -> tuple[str, ...]:
    """The options for a packet's mark."""
    return (f"-m mark {'! ' if negated else ''}--mark {mark:#x}",)
