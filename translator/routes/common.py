"""What the route tables of all namespaces have in common: the hosts that are the same to everybody.

They are made once, for a client of no namespace in particular (``common_key``). A namespace asks itself for those alone
that may be something else to it (``translator.routes.layer``); which these are, a ``Directory`` says without a look at
the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from translator.collection import Collection
from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, SERVICE_NAMESPACES, VIRTUAL_SERVICE_HOSTS
from translator.model.scope import ScopeKey
from translator.model.service import namespace_services
from translator.pages import Members, Pages, Snapshot
from translator.routes.audience import Audience, find_audience
from translator.routes.candidate import HostCandidates, TableKey, find_candidates
from translator.routes.claim import UNREGISTERED_HOSTS_PORT, TableScope
from translator.routes.domains import search_domain
from translator.routes.register import is_nobodys
from translator.routes.table import HostBlock, HostCollector


class CommonCandidates(msgspec.Struct, frozen=True):
    """What tables would have for one host where its audience is not concerned."""

    found: HostCandidates
    audience: Audience


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """Which hosts are the same to whom. A new one is made when that changes, but not when their routes do.

    By names, domains and hostnames the hosts that want them (``claims``); by hosts of services and rules the hosts for
    which these matter (``asking``); by namespaces those of whose audience they are (``named``). ``everyone``: hosts
    that each namespace has to ask for, because clients have nothing in common or because others want the same.
    ``changed`` are the hosts and claims that are different in the directory before, whose ``serial`` is one less.
    """

    serial: int
    claims: Snapshot[tuple[str, ...]]
    asking: Snapshot[tuple[str, ...]]
    named: Snapshot[tuple[str, ...]]
    everyone: frozenset[str]
    changed: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class CommonTable:
    """The hosts that are the same to everybody, as a block to be joined, and what all hosts would be."""

    directory: Directory
    block: HostBlock
    values: Snapshot[CommonCandidates]

    def shared(self, host: str) -> HostCandidates | None:
        """What the block has for a host; None if that is nothing."""
        value = self.values.get(host)
        return None if value is None or host in self.directory.everyone else value.found


def common_key(key: TableKey) -> TableKey:
    """The table of no namespace in particular that a table has most of its hosts in common with."""
    table = TableScope(ScopeKey("", cluster=key.services.scope.cluster), 0, key.services.port)
    return TableKey(table, search_domain("", key.dns_domain), key.families, (), key.attempt_count)


@query
def mesh_hosts(db: Database) -> dict[int, dict[str, None]]:
    """The hosts of all services by port, whoever may see them; under 0 all of them."""
    ports: dict[int, dict[str, None]] = {0: {}}
    for namespace in db.members(SERVICE_NAMESPACES, ""):
        for each in db.paced(namespace_services(db, namespace)):
            ports[0][each.hostname] = None
            for port in each.ports:
                ports.setdefault(port.number, {})[each.hostname] = None
    return ports


@query
def common_candidate_hosts(db: Database, key: TableKey) -> tuple[str, ...]:
    """The hosts for which tables of a port may have candidates."""
    hosts = dict.fromkeys(mesh_hosts(db).get(key.services.port, ()))
    if key.services.port == UNREGISTERED_HOSTS_PORT:
        hosts.update(dict.fromkeys(db.members(VIRTUAL_SERVICE_HOSTS, MESH)))
    return tuple(hosts)


@query
def common_candidates(db: Database, host: str, key: TableKey) -> CommonCandidates:
    """What tables would have for a host that is the same to everybody."""
    audience = find_audience(db, key.services, host)
    if audience.everyone:
        return CommonCandidates(HostCandidates(registered=False), audience)
    found = find_candidates(db, host, key)
    return CommonCandidates(found, msgspec.structs.replace(audience, everyone=_is_at_odds(found)))


def _is_at_odds(found: HostCandidates) -> bool:
    """Whether a host wants something that nobody gets, or twice: that is for the register of each table to decide."""
    wanted = [wish for bid in {each.bid: None for each in found.candidates} for wish in (bid.name, *bid.domains)]
    own = {bid.name for bid in (each.bid for each in found.candidates) if bid.name in bid.domains}
    return any(map(is_nobodys, wanted)) or len(set(wanted)) + len(own) < len(wanted)


def claims_of(host: str, found: HostCandidates) -> dict[str, None]:
    """All that may be decided otherwise if another host wants it, too: see ``DomainRegister``."""
    claims = dict.fromkeys([host] if found.registered else [])
    for bid in (each.bid for each in found.candidates):
        claims[bid.name] = None
        for domain in bid.domains:
            claims[domain] = None
            if ":" in domain and not domain.endswith("]"):
                claims[domain.rpartition(":")[0]] = None
    return claims


class CommonHosts:
    """Puts the block together, and finds out which hosts do not belong into it. See ``Collector``."""

    def __init__(self, key: TableKey) -> None:  # noqa: ARG002 - a collector is given what its collection is
        self._values: Pages[CommonCandidates] = Pages()
        self._claims = Members()
        self._asking = Members()
        self._named = Members()
        self._everyone: dict[str, None] = {}
        # Of how many of its claims a host is not the only one to have them.
        self._rivalries: dict[str, int] = {}
        self._written: dict[str, tuple[str, ...]] = {}
        self._dirty: dict[str, None] = {}
        self._changed: set[str] = set()
        self._directory: Directory | None = None
        self._hosts = HostCollector()

    def put(self, key: str, value: CommonCandidates) -> None:
        """Take in what a host would be."""
        before = self._values.get(key)
        self._values.put(key, value)
        self._dirty[key] = None
        if before is None or not _wants_the_same(before, value):
            if before is not None:
                self._leave(key, before)
            self._enter(key, value)

    def drop(self, key: str) -> None:
        """Forget a host."""
        before = self._values.get(key)
        if before is not None:
            self._leave(key, before)
            self._values.drop(key)
            self._dirty[key] = None

    def work(self) -> Iterator[None]:
        """Write the hosts that are different, or do not belong here any more."""
        for host in self._dirty:
            for name in self._written.pop(host, ()) if not self._is_shared(host) else ():
                self._hosts.drop(name)
            yield
        for host in self._dirty:
            if self._is_shared(host):
                self._write(host)
            yield
        self._dirty.clear()
        yield from self._hosts.order()

    def result(self) -> CommonTable:
        """What there is now."""
        return CommonTable(self._list(), self._hosts.block(), self._values.snapshot())

    def _list(self) -> Directory:
        if self._directory is None or self._changed:
            self._directory = Directory(
                self._directory.serial + 1 if self._directory else 0,
                self._claims.snapshot(),
                self._asking.snapshot(),
                self._named.snapshot(),
                frozenset((*self._everyone, *self._rivalries)),
                frozenset(self._changed),
            )
            self._changed.clear()
        return self._directory

    def _write(self, host: str) -> None:
        value = self._values.get(host)
        candidates = value.found.candidates if value is not None else ()
        names = tuple(each.bid.name for each in candidates)
        for name in self._written.get(host, ()):
            if name not in names:
                self._hosts.drop(name)
        self._written[host] = names
        for each in candidates:
            self._hosts.put(each.bid.name, each.record, each.routes.clusters)

    def _is_shared(self, host: str) -> bool:
        return host not in self._everyone and host not in self._rivalries and self._values.get(host) is not None

    def _enter(self, host: str, value: CommonCandidates) -> None:
        self._changed.add(host)
        for claim in claims_of(host, value.found):
            self._changed.add(claim)
            self._note_rivals(host, self._claims.enlist(claim, host), 1)
        for asked in (host, *value.audience.asked):
            self._asking.enlist(asked, host)
        for namespace in value.audience.named:
            self._named.enlist(namespace, host)
        if value.audience.everyone:
            self._everyone[host] = None

    def _leave(self, host: str, value: CommonCandidates) -> None:
        self._changed.add(host)
        for claim in claims_of(host, value.found):
            self._changed.add(claim)
            self._note_rivals(host, self._claims.strike(claim, host), -1)
        for asked in (host, *value.audience.asked):
            self._asking.strike(asked, host)
        for namespace in value.audience.named:
            self._named.strike(namespace, host)
        self._everyone.pop(host, None)

    def _note_rivals(self, host: str, rivals: tuple[str, ...], change: int) -> None:
        """A host wants what others want as well, or does not any more; a single other one has no rival but this."""
        if not rivals:
            return
        for each in (host, *rivals) if len(rivals) == 1 else (host,):
            self._changed.add(each)
            self._dirty[each] = None
            count = self._rivalries.pop(each, 0) + change
            if count:
                self._rivalries[each] = count


def _wants_the_same(one: CommonCandidates, other: CommonCandidates) -> bool:
    return (
        one.audience == other.audience
        and one.found.registered == other.found.registered
        and [each.bid for each in one.found.candidates] == [each.bid for each in other.found.candidates]
    )


common_hosts = Collection(common_candidate_hosts, common_candidates, CommonHosts)
"""The hosts of a table of no namespace in particular: give it a ``common_key``."""


@query
def common_directory(db: Database, key: TableKey) -> Directory:
    """Which hosts are the same to whom; unlike ``common_hosts`` this does not depend on their routes."""
    table: CommonTable = common_hosts(db, key)
    return table.directory
