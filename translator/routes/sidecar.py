"""The outbound route tables of sidecars."""

from collections.abc import Iterator

from translator.collection import Collection
from translator.database import Database
from translator.engine import query
from translator.model.proxy import Labels
from translator.routes.candidate import (
    Candidate,
    HostCandidates,
    TableKey,
    candidate_hosts,
    host_candidates,
    table_routes,
)
from translator.routes.claim import TableScope, service_rules
from translator.routes.default import unknown_hosts
from translator.routes.register import Bid, DomainRegister
from translator.routes.rule import counts_attempts
from translator.routes.table import HostCollector, HostList, encode_host, join_table, list_hosts
from translator.routes.virtual_host import encode_head, encode_tail
from xds.resource import Resource


@query
def outbound_table(db: Database, key: TableKey, name: str) -> Resource | None:
    """The table for all hosts of a port, or of all ports, ending with what becomes of unknown hosts."""
    unknown = unknown_hosts(db, key.services.scope)
    hosts = known_hosts(db, key).followed_by(unknown.virtual_host, unknown.clusters)
    # Envoy takes the port from the request's authority only, so a domain that has one could never match.
    return join_table(name, hosts, ignore_port=bool(key.services.port), paced=db.paced)


@query
def sniffed_table(
    db: Database, table: TableScope, labels: Labels, service: tuple[str, str], name: str
) -> Resource | None:
    """The table of a listener that is a single service's own: whatever host a request names, it is meant.

    ``service`` is namespace and hostname.
    """
    rules = service_rules(db, table, labels, service[1])
    routes = table_routes(db, table, labels, rules[0].key if rules else None, (service, table.port))
    head = encode_head(f"{service[1]}:{table.port}", ("*",))
    encoded = head + routes.body + encode_tail(attempt_count=counts_attempts(db))
    return join_table(name, list_hosts([encoded], routes.clusters))


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


known_hosts = Collection(candidate_hosts, host_candidates, SidecarHosts)
"""The virtual hosts of a table without the one for unknown hosts."""
