"""The register of a route table: who gets a name or a domain that several virtual hosts would like to have.

Envoy refuses a whole table over one domain that occurs twice, so every domain is given once. Bids may come and go in
any order: what each holds depends only on those that are there, and a change touches only those it concerns.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final, NamedTuple

# Kept for unknown hosts.
_ANY: Final = "*"
_RANK: Final = attrgetter("rank")

# The lower rank has a contested name. Those of rules (0) stand before those of services without one (1).
Rank = tuple[int, tuple[int | str, ...], int, int, int, str]


def is_nobodys(domain: str) -> bool:
    """Whether no bid gets a domain, whoever wants it."""
    return domain == _ANY


class Bid(NamedTuple):
    """A virtual host's wish for a name and domains; ``derived`` domains yield to a service that is called so."""

    rank: Rank
    name: str
    domains: tuple[str, ...]
    derived: frozenset[str] = frozenset()


class DomainRegister:
    """Gives the names and domains of one table to the bids for them, each to the first in order of rank.

    Istio: a virtual host whose name is taken is left out as a whole, and one that keeps no domain too.
    """

    def __init__(self) -> None:
        self._names: dict[str, tuple[Bid, ...]] = {}
        self._domains: dict[str, tuple[Bid, ...]] = {}
        self._hostnames: set[str] = set()
        # The domains that are written with a port, by what stands before it.
        self._with_port: dict[str, set[str]] = {}
        self._changed: dict[Bid, None] = {}

    def reserve(self, hostname: str) -> None:
        """A service is really called so: domains derived from other names do not take that name away from it."""
        self._hostnames.add(hostname)
        self._note((hostname, *self._with_port.get(hostname, ())))

    def free(self, hostname: str) -> None:
        """Undo ``reserve``."""
        self._hostnames.discard(hostname)
        self._note((hostname, *self._with_port.get(hostname, ())))

    def add(self, bid: Bid) -> None:
        """Take part in the competition."""
        before = self._names.get(bid.name, ())
        rivals = self._names[bid.name] = _joined(before, bid)
        if rivals[0] is bid:
            if before:
                self._withdraw(before[0])
            self._enter(bid)

    def remove(self, bid: Bid) -> None:
        """Leave everything that it has to others."""
        rivals = self._names[bid.name]
        had_name = rivals[0] == bid
        rest = self._names[bid.name] = _without(rivals, bid)
        if had_name:
            self._withdraw(bid)
            if rest:
                self._enter(rest[0])
        if not rest:
            del self._names[bid.name]

    def domains(self, bid: Bid) -> tuple[str, ...]:
        """What a bid gets, in the order of its wishes; nothing if it does not even get its name."""
        rivals = self._names.get(bid.name)
        if not rivals or rivals[0] != bid:
            return ()
        return tuple(domain for domain in bid.domains if self._owner(domain) == bid)

    def take_changed(self) -> Iterable[Bid]:
        """The bids that may get something else than before, whether they still are there or not; each once."""
        changed, self._changed = self._changed, {}
        return changed

    def _enter(self, bid: Bid) -> None:
        self._changed[bid] = None
        # Of thousands of names and domains hardly one is contested: one tuple serves for all that a bid has.
        rivals = self._names[bid.name]
        alone = rivals if len(rivals) == 1 else (bid,)
        for domain in bid.domains:
            bids = self._domains.get(domain, ())
            if not bids and ":" in domain:
                self._with_port.setdefault(domain.rpartition(":")[0], set()).add(domain)
            self._domains[domain] = _joined(bids, bid) if bids else alone
        self._note(bid.domains)

    def _withdraw(self, bid: Bid) -> None:
        self._changed[bid] = None
        for domain in bid.domains:
            rest = self._domains[domain] = _without(self._domains[domain], bid)
            if not rest:
                del self._domains[domain]
                if ":" in domain:
                    self._forget_port(domain)
        self._note(bid.domains)

    def _forget_port(self, domain: str) -> None:
        host = domain.rpartition(":")[0]
        self._with_port[host].discard(domain)
        if not self._with_port[host]:
            del self._with_port[host]

    def _note(self, domains: Iterable[str]) -> None:
        """Everybody who wants one of these may have won or lost it."""
        for domain in domains:
            for bid in self._domains.get(domain, ()):
                self._changed[bid] = None

    def _owner(self, domain: str) -> Bid | None:
        if is_nobodys(domain):
            return None
        bids = self._domains.get(domain, ())
        real = self._is_real(domain)
        return next((bid for bid in bids if not (real and domain in bid.derived)), None)

    def _is_real(self, domain: str) -> bool:
        return domain in self._hostnames or domain.rpartition(":")[0] in self._hostnames


def _joined(bids: tuple[Bid, ...], bid: Bid) -> tuple[Bid, ...]:
    return tuple(sorted((*bids, bid), key=_RANK)) if bids else (bid,)


def _without(bids: tuple[Bid, ...], bid: Bid) -> tuple[Bid, ...]:
    rest = list(bids)
    rest.remove(bid)
    return tuple(rest)
