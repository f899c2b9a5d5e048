"""The virtual hosts of a sidecar's route table, host by host: who gets which domains."""

from collections.abc import Iterator

from translator.collection import Collection
from translator.routes.candidate import Candidate, HostCandidates, TableKey, candidate_hosts, host_candidates
from translator.routes.register import Bid, DomainRegister
from translator.routes.table import HostBlock, HostCollector, HostList, encode_host
from translator.routes.virtual_host import encode_tail


class SidecarHosts:
    """The virtual hosts of a table, by what its hosts ask for. See ``Collector``.

    A host without service may be asked for by several: the services whose rule names it.
    """

    def __init__(self, key: TableKey) -> None:
        self._tail = encode_tail(attempt_count=key.attempt_count)
        self._asked: dict[str, HostCandidates] = {}
        self._askers: dict[Bid, int] = {}
        self._latest: dict[Bid, Candidate] = {}
        self._register = DomainRegister()
        self._rerouted: dict[Bid, None] = {}
        self._hosts = HostCollector()

    def put(self, key: str, value: HostCandidates) -> None:
        """Take in what a host asks for."""
        before = self._asked.get(key)
        self._asked[key] = value
        if value.registered and not (before and before.registered):
            self._register.reserve(key)
        elif before and before.registered and not value.registered:
            self._register.free(key)
        wanted = {candidate.bid: candidate for candidate in value.candidates}
        known = {candidate.bid for candidate in before.candidates} if before else set()
        for bid in known - wanted.keys():
            self._let_go(bid)
        for bid, candidate in wanted.items():
            self._latest[bid] = candidate
            if bid in known:
                self._rerouted[bid] = None
            else:
                self._hold(bid)

    def drop(self, key: str) -> None:
        """Forget a host."""
        before = self._asked.pop(key)
        if before.registered:
            self._register.free(key)
        for bid in {candidate.bid for candidate in before.candidates}:
            self._let_go(bid)

    def work(self) -> Iterator[None]:
        """Find out what domains the hosts get, and encode those that are different."""
        changed = {**dict.fromkeys(self._register.take_changed()), **self._rerouted}
        self._rerouted.clear()
        won: dict[Bid, tuple[str, ...]] = {}
        served: set[str] = set()
        left_out: set[str] = set()
        for bid in changed:
            domains = self._register.domains(bid)
            if domains:
                won[bid] = domains
                served.add(bid.name)
            else:
                left_out.add(bid.name)
            yield
        for name in left_out - served:
            self._hosts.drop(name)
            yield
        for bid, domains in won.items():
            candidate = self._latest[bid]
            record = candidate.record
            if domains != bid.domains:
                record = encode_host(bid.name, domains, candidate.routes, self._tail)
            self._hosts.put(bid.name, record, candidate.routes.clusters)
            yield
        yield from self._hosts.order()

    def result(self) -> HostList:
        """The virtual hosts in order of their names, with the domains that each of them gets."""
        return self._hosts.hosts()

    def block(self) -> HostBlock:
        """The same, to be joined with others."""
        return self._hosts.block()

    def _hold(self, bid: Bid) -> None:
        count = self._askers.get(bid, 0)
        self._askers[bid] = count + 1
        if count:
            self._rerouted[bid] = None
        else:
            self._register.add(bid)

    def _let_go(self, bid: Bid) -> None:
        self._askers[bid] -= 1
        if not self._askers[bid]:
            del self._askers[bid]
            del self._latest[bid]
            self._register.remove(bid)


scoped_hosts = Collection(candidate_hosts, host_candidates, SidecarHosts)
"""The virtual hosts of a table of any scope, without the one for unknown hosts."""
