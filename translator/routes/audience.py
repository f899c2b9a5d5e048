"""Audiences: for which clients a host of a route table may be something else than for all others.

Almost all hosts are the same to everybody but those of a few namespaces. What everybody has alike is made once
(``translator.routes.common``), for a client of no namespace in particular, who has no objects of its own; whoever may
see something else is found by what is said here, and asks for itself.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from translator.database import Database
from translator.indexes import HOST_NAMESPACES, MESH, VIRTUAL_SERVICES
from translator.model.destination_rule import named_by_policies
from translator.model.export import PUBLIC
from translator.model.host import is_wildcard
from translator.model.routing import routing_rule, ruled_patterns
from translator.model.routing_rule import RoutingRule, destinations
from translator.model.service import Resolution, aliases, host_services, visible_service
from translator.objects.virtual_service import HTTPRoute
from translator.routes.claim import UNREGISTERED_HOSTS_PORT, TableScope, table_service
from translator.routes.context import RouteContext
from translator.routes.rule import has_routes

_SERVICES: Final = ".svc."


class Audience(msgspec.Struct, frozen=True):
    """Who may see a host as something else: namespaces that have objects for one of the ``asked`` hosts, and ``named``.

    The host itself is always asked. ``everyone``: there is nothing that clients have in common.
    """

    asked: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    everyone: bool = False


def find_audience(db: Database, table: TableScope, host: str) -> Audience:
    """The audience of a host. Reads through the caller's query; ``table`` is one of no namespace in particular."""
    search = _Search(db, table, host)
    if table_service(db, table, host) is not None:
        search.spell()
        rules = search.service_rules()
        for rule in rules[:1]:
            search.follow(rule)
        for rule in rules:
            search.accompany(rule)
        if not rules:
            search.weigh(host)
    elif table.port == UNREGISTERED_HOSTS_PORT:
        # Which services a pattern covers is another matter for each namespace.
        search.everyone = is_wildcard(host)
        for rule in search.rules_for(host):
            search.follow(rule)
    return search.result()


class _Search:
    """Goes where the translation of a host goes for a client of no namespace in particular."""

    def __init__(self, db: Database, table: TableScope, host: str) -> None:
        self.everyone = False
        self._db = db
        self._context = RouteContext(namespace=table.scope.namespace, port=table.port)
        self._host = host
        self._asked: dict[str, None] = {}
        self._named: dict[str, None] = {}
        self.ask(host)

    def result(self) -> Audience:
        """What came of it."""
        self._asked.pop(self._host)
        return Audience(tuple(self._asked), tuple(self._named), self.everyone)

    def ask(self, host: str) -> None:
        """It matters which service a host is: the client's own comes first."""
        if host not in self._asked:
            self._asked[host] = None
            for each in host_services(self._db, host):
                self._name(name for name in each.export if name != each.namespace)

    def spell(self) -> None:
        """The search domain of a namespace shortens its own names. Who provides the service is asked anyway."""
        providers = self._db.members(HOST_NAMESPACES, self._host)
        for hostname in (self._host, *aliases(self._db, self._host)):
            self._name(name for name in _namespaces_in(hostname) if name not in providers)

    def service_rules(self) -> list[RoutingRule]:
        """The rules for a service: of the first pattern that has public ones."""
        for pattern in ruled_patterns(self._db, self._host):
            self._asked.setdefault(pattern)
            rules = self._public_rules(pattern)
            if rules:
                return self._with_routes(rules[:1] if is_wildcard(pattern) else rules)
        return []

    def rules_for(self, host: str) -> list[RoutingRule]:
        """The rules that name exactly this host or pattern."""
        return self._with_routes(self._public_rules(host))

    def follow(self, rule: RoutingRule) -> None:
        """Where a rule sends to, and by which policies."""
        for host in dict.fromkeys(target.host for each in rule.http for target in destinations(each)):
            self.weigh(host)

    def accompany(self, rule: RoutingRule) -> None:
        """The other hosts of a rule: they are served with a service unless they are services themselves."""
        for host in rule.hosts if len(rule.hosts) > 1 else ():
            self.everyone = self.everyone or is_wildcard(host)
            self.ask(host)

    def weigh(self, host: str) -> None:
        """The policies for a host, or for what it is an alias of."""
        self.ask(host)
        found = visible_service(self._db, "", host)
        passed: set[str] = set()
        while found is not None and found.resolution is Resolution.ALIAS and found.hostname not in passed:
            passed.add(found.hostname)
            self.ask(found.external_name)
            found = visible_service(self._db, "", found.external_name)
        if found is not None:
            self._name(named_by_policies(self._db, found.namespace, found.hostname))

    def _public_rules(self, pattern: str) -> list[RoutingRule]:
        """In order of precedence. The others are for those whom they name."""
        found = (routing_rule(self._db, key) for key in self._db.members(VIRTUAL_SERVICES, (MESH, pattern)))
        public: list[RoutingRule] = []
        for rule in (rule for rule in found if rule is not None):
            for each in rule.http:
                self._match(each)
            if rule.export == PUBLIC:
                public.append(rule)
            else:
                self._name(rule.export)
        return sorted(public, key=lambda rule: rule.precedence(self._context.namespace))

    def _with_routes(self, rules: Iterable[RoutingRule]) -> list[RoutingRule]:
        return [rule for rule in rules if has_routes(rule.http, self._context)]

    def _match(self, rule: HTTPRoute) -> None:
        for match in rule.match:
            if not match.gateways:
                self._name((match.source_namespace,) if match.source_namespace else ())
                self.everyone = self.everyone or bool(match.source_labels)

    def _name(self, namespaces: Iterable[str]) -> None:
        self._named.update((name, None) for name in namespaces if name != "*")


def _namespaces_in(hostname: str) -> Iterator[str]:
    """The namespaces that a hostname is of, as resolvers complete names: what stands before ``.svc.``."""
    position = hostname.find(_SERVICES)
    while position >= 0:
        _, dot, namespace = hostname[:position].rpartition(".")
        if dot:
            yield namespace
        position = hostname.find(_SERVICES, position + 1)
