"""The hosts of a namespace's route table: what all namespaces have in common, and its own hosts in front of that.

A namespace asks for the hosts of its own objects and those that its objects, or exports to it, have a say about. Where
one of them wants a name or domain that a common host has, that one takes part in the competition as a guest.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from translator.collection import Collection, Under
from translator.database import Database
from translator.engine import query
from translator.indexes import DESTINATION_RULE_HOSTS, HOSTS_IN_NAMESPACE, MESH_HOSTS
from translator.model.host import covers, is_wildcard
from translator.routes.candidate import HostCandidates, TableKey, host_candidates
from translator.routes.common import CommonTable, claims_of, common_directory, common_hosts, common_key
from translator.routes.domains import search_domain
from translator.routes.seam import Seam
from translator.routes.sidecar_hosts import SidecarHosts
from translator.routes.table import HostList


def has_common_hosts(key: TableKey) -> bool:
    """Whether a table is that of a namespace which reaches all that is exported to it, by the names of its own."""
    scope = key.services.scope
    return scope.sidecar is None and key.dns_domain == search_domain(scope.namespace, key.dns_domain)


@query
def hosts_apart(db: Database, key: TableKey) -> tuple[str, ...]:
    """The hosts that may be something else to the namespace of a table than to others."""
    directory = common_directory(db, common_key(key))
    namespace = key.services.scope.namespace
    apart = dict.fromkeys((*sorted(directory.everyone), *(directory.named.get(namespace) or ())))
    policies = db.members(DESTINATION_RULE_HOSTS, namespace)
    own = (*db.members(HOSTS_IN_NAMESPACE, namespace), *db.members(MESH_HOSTS, namespace), *policies)
    for host in dict.fromkeys(own):
        apart.update(dict.fromkeys(directory.asking.get(host) or ()))
    patterns = [host for host in policies if is_wildcard(host)]
    for host in db.paced(directory.asking) if patterns else ():
        if any(covers(pattern, host) for pattern in patterns):
            apart.update(dict.fromkeys(directory.asking.get(host) or ()))
    return tuple(apart)


class LayeredHosts:
    """The virtual hosts of a namespace's table. See ``Collector`` and ``Under``."""

    def __init__(self, key: TableKey) -> None:
        self._hosts = SidecarHosts(key)
        self._own: dict[str, HostCandidates] = {}
        self._guests: dict[str, HostCandidates] = {}
        # How many own hosts have a claim, and the common hosts that have it as well.
        self._claims: dict[str, int] = {}
        self._rivals: dict[str, tuple[str, ...]] = {}
        # Claims that may have other rivals, and hosts that may be in the block or not.
        self._unsettled: dict[str, None] = {}
        self._dirty: dict[str, None] = {}
        # The names of virtual hosts that the block has of own hosts and of guests.
        self._hidden: dict[str, tuple[str, ...]] = {}
        self._table: CommonTable | None = None
        self._seam = Seam()

    def lay_over(self, below: CommonTable) -> None:
        """Take in what the namespaces have in common."""
        before = self._table.directory if self._table is not None else None
        after = below.directory
        self._table = below
        if before is after:
            return
        is_next = before is not None and before.serial == after.serial - 1
        changed = after.changed if is_next else frozenset((*self._claims, *self._own, *self._guests))
        self._unsettled.update(dict.fromkeys(sorted(changed & self._claims.keys())))
        self._dirty.update(dict.fromkeys(sorted(changed & (self._own.keys() | self._guests.keys()))))

    def put(self, key: str, value: HostCandidates) -> None:
        """Take in what an own host asks for."""
        before = self._own.get(key)
        self._own[key] = value
        self._guests.pop(key, None)
        self._hosts.put(key, value)
        self._count(key, before, value)

    def drop(self, key: str) -> None:
        """Forget an own host."""
        self._count(key, self._own.pop(key), None)
        self._hosts.drop(key)

    def work(self) -> Iterator[None]:
        """Find the guests, and what domains they and the own hosts get."""
        for claim in self._unsettled:
            self._compare(claim)
            yield
        self._unsettled.clear()
        yield from self._receive({rival for rivals in self._rivals.values() for rival in rivals})
        hidden = {host: self._names_below(host) for host in self._dirty}
        if any(names != self._hidden.get(host, ()) for host, names in hidden.items()):
            # In place of the one before, by which the seam knows it.
            self._hidden = {**self._hidden, **hidden}
        self._dirty.clear()
        yield from self._hosts.work()

    def result(self) -> HostList:
        """The virtual hosts in order of their names."""
        return self._seam.join(self._below.block, self._hidden, self._hosts.block())

    @property
    def _below(self) -> CommonTable:
        if self._table is None:
            message = "nothing is known of what namespaces have in common"
            raise TypeError(message)
        return self._table

    def _count(self, host: str, before: HostCandidates | None, value: HostCandidates | None) -> None:
        """Note the claims of an own host in place of those that it had."""
        had = claims_of(host, before) if before is not None else {}
        has = claims_of(host, value) if value is not None else {}
        if before is None or value is None:
            self._dirty[host] = None
            # What it was a rival of, it is not any more, or is again.
            self._unsettled.update(dict.fromkeys(claim for claim, hosts in self._rivals.items() if host in hosts))
        for claim in has if had != has else ():
            self._claims[claim] = self._claims.get(claim, 0) + 1
        for claim in had if had != has else ():
            self._claims[claim] -= 1
            if not self._claims[claim]:
                del self._claims[claim]
        if had != has:
            self._unsettled.update({**had, **has})

    def _compare(self, claim: str) -> None:
        found = self._below.directory.claims.get(claim) if claim in self._claims else None
        rivals = tuple(host for host in found or () if host not in self._own and self._common(host) is not None)
        if rivals:
            self._rivals[claim] = rivals
        else:
            self._rivals.pop(claim, None)

    def _receive(self, wanted: AbstractSet[str]) -> Iterator[None]:
        """Let guests go, and invite others."""
        for host in [host for host in self._guests if host not in wanted]:
            del self._guests[host]
            self._hosts.drop(host)
            self._dirty[host] = None
        for host in sorted(wanted):
            value, known = self._common(host), self._guests.get(host)
            if value is not None and value is not known:
                self._guests[host] = value
                self._hosts.put(host, value)
                if known is None:
                    self._dirty[host] = None
            yield

    def _names_below(self, host: str) -> tuple[str, ...]:
        """The names of virtual hosts that the block has of an own host or a guest."""
        found = self._common(host) if host in self._own or host in self._guests else None
        return tuple(each.bid.name for each in found.candidates) if found is not None else ()

    def _common(self, host: str) -> HostCandidates | None:
        """What the block has for a host."""
        return self._below.shared(host)


def _below(key: TableKey) -> tuple[TableKey]:
    return (common_key(key),)


layered_hosts = Collection(hosts_apart, host_candidates, LayeredHosts, Under(common_hosts, _below))
"""The virtual hosts of a namespace's table without the one for unknown hosts."""
