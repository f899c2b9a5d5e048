"""Candidates: the virtual hosts that a sidecar's table would have if nobody else wanted their names and domains.

They are made host by host; who gets what is decided by the ``DomainRegister``, in the order that candidates have.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.model.destination_rule import policy_labels, policy_namespace
from translator.model.proxy import IpFamilies, Labels
from translator.model.service import Resolution, Service, aliases
from translator.objects.registry import ObjectKey
from translator.routes.claim import (
    UNREGISTERED_HOSTS_PORT,
    HostRule,
    TableScope,
    is_plain,
    naming_rules,
    service_rules,
    table_hosts,
    table_service,
)
from translator.routes.context import RouteContext
from translator.routes.default import default_routes
from translator.routes.domains import ClientNames, bracket, service_domains
from translator.routes.register import Bid, Rank
from translator.routes.rule import narrow_context, rule_routes
from translator.routes.table import encode_host
from translator.routes.virtual_host import EncodedRoutes, encode_tail


class TableKey(msgspec.Struct, frozen=True, cache_hash=True):
    """What the outbound route table of a sidecar depends on.

    ``attempt_count`` says whether upstreams are told which attempt a request is.
    """

    services: TableScope
    dns_domain: str
    families: IpFamilies
    labels: Labels = ()
    attempt_count: bool = True


class Candidate(NamedTuple):
    """A virtual host that asks for a name and for domains, and its routes.

    ``record`` is what it is in a table where it gets all that it asks for.
    """

    bid: Bid
    routes: EncodedRoutes
    record: bytes


class HostCandidates(msgspec.Struct, frozen=True):
    """What a table would have for one host. ``registered`` says that a service of the table is really called so."""

    registered: bool
    candidates: tuple[Candidate, ...] = ()


@query
def candidate_hosts(db: Database, key: TableKey) -> tuple[str, ...]:
    """The hosts for which a table may have candidates."""
    return table_hosts(db, key.services)


@query
def host_candidates(db: Database, host: str, key: TableKey) -> HostCandidates:
    """What a table would have for one host: a service under its rules or its default routes, or a rule's own host."""
    return find_candidates(db, host, key)


def find_candidates(db: Database, host: str, key: TableKey) -> HostCandidates:
    """The same, read through the caller's query."""
    found = table_service(db, key.services, host)
    if found is not None:
        candidates = tuple(_service_candidates(db, key, found))
    elif key.services.port == UNREGISTERED_HOSTS_PORT and is_plain(db, key.services, host):
        rules = naming_rules(db, key.services, key.labels, host)
        candidates = tuple(_plain_candidate(db, key, rule, host, key.services.port) for rule in rules)
    else:
        candidates = ()
    return HostCandidates(found is not None, candidates)


def table_routes(
    db: Database, table: TableScope, labels: Labels, rule: ObjectKey | None, target: tuple[tuple[str, str], int]
) -> EncodedRoutes:
    """The routes of a rule, or without one the default route to a service (namespace, hostname) and port."""
    namespace = table.scope.namespace
    if rule is not None:
        context = RouteContext(namespace=namespace, port=table.port, labels=labels)
        return rule_routes(db, narrow_context(db, context, rule), rule)
    service, port = target
    own = policy_labels(db, namespace, labels, service[1])
    return default_routes(db, policy_namespace(db, namespace, *service), own, service, port)


def _service_candidates(db: Database, key: TableKey, service: Service) -> Iterator[Candidate]:
    """A service on each of its ports. Istio: of several rules the first has it, but each brings its other hosts."""
    rules = service_rules(db, key.services, key.labels, service.hostname)
    if not rules and service.resolution is Resolution.ALIAS:
        return
    for port in _http_ports(service, key.services.port):
        for rule in rules:
            yield from _companions(db, key, rule, port)
        yield _service_candidate(db, key, service, port, rules[0] if rules else None)


def _http_ports(service: Service, table_port: int) -> Iterator[int]:
    """The ports of a service that a table has routes for."""
    for port in service.ports:
        if port.protocol.may_be_http and table_port in (0, port.number):
            yield port.number


def _companions(db: Database, key: TableKey, rule: HostRule, port: int) -> Iterator[Candidate]:
    """The hosts without service that a rule names beside a service: they are served where the service is.

    Such a host has no form with a port, and in a table of all ports only port 80 goes without. In the table of
    port 80 it has candidates of its own.
    """
    on_port_80 = port == UNREGISTERED_HOSTS_PORT
    if len(rule.hosts) == 1 or (on_port_80 if key.services.port else not on_port_80):
        return
    for host in rule.hosts:
        if is_plain(db, key.services, host):
            yield _plain_candidate(db, key, rule, host, port)


def _service_candidate(db: Database, key: TableKey, service: Service, port: int, rule: HostRule | None) -> Candidate:
    """A service under all of its names; the names of aliases that have no other use lead to it, too."""
    client = ClientNames(key.dns_domain, key.families, key.services.port)
    others = aliases(db, service.hostname)
    bid = _service_bid(service, port, others, client.narrowed((service.hostname, *others)))
    if rule is not None:
        bid = bid._replace(rank=(0, rule.precedence, port, 1, 0, service.hostname))
    target = ((service.namespace, service.hostname), port)
    return _candidate(db, key, bid, table_routes(db, key.services, key.labels, rule.key if rule else None, target))


def _candidate(db: Database, key: TableKey, bid: Bid, routes: EncodedRoutes) -> Candidate:
    """Namespaces with Sidecars have records in common; what others have alike is made once anyway (``common``)."""
    record = shared_record if key.services.scope.sidecar else _encode_record
    tail = encode_tail(attempt_count=key.attempt_count)
    return Candidate(bid, routes, record(db, bid.name, bid.domains, routes, tail))


def _encode_record(_: Database, name: str, domains: tuple[str, ...], routes: EncodedRoutes, tail: bytes) -> bytes:
    return encode_host(name, domains, routes, tail)


shared_record = query(_encode_record)
"""The record that the tables of most clients share: only those of its own namespace spell a service differently."""


def _service_bid(service: Service, port: int, others: tuple[str, ...], client: ClientNames) -> Bid:
    """What a service without rules asks for."""
    domains = service_domains(service, port, others, client)
    rank: Rank = (1, service.age, port, 1, 0, service.hostname)
    return Bid(rank, f"{bracket(service.hostname)}:{port}", domains.every, domains.derived)


def _plain_candidate(db: Database, key: TableKey, rule: HostRule, host: str, port: int) -> Candidate:
    rank: Rank = (0, rule.precedence, port, 0, rule.hosts.index(host), host)
    bid = Bid(rank, f"{bracket(host)}:{port}", (bracket(host),))
    return _candidate(db, key, bid, table_routes(db, key.services, key.labels, rule.key, (("", host), port)))
