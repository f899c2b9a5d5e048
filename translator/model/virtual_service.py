"""Routing rules: VirtualServices in normal form, delegates merged in, and the order in which proxies see them.

In a rule every name is complete: destination hosts are fully qualified, gateways are ``namespace/name``. What
reads a rule therefore needs to know nothing of the namespace that it comes from.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import (
    MESH,
    PARTIAL_PATTERNS,
    VIRTUAL_SERVICES_OF_GATEWAY,
    gateways_of,
    qualify_gateway,
)
from translator.model.delegate import merge_rules
from translator.model.export import PUBLIC, Export, is_exported, normalize_export
from translator.model.host import covering_patterns, covers, resolve_short_name, specificity
from translator.objects.registry import Kind, ObjectKey
from translator.objects.virtual_service import (
    Destination,
    HTTPRoute,
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)

M = TypeVar("M", L4MatchAttributes, TLSMatchAttributes)


class RuleTarget(NamedTuple):
    """A destination that a rule names; ``port`` 0 means any port of the host."""

    host: str
    port: int


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True):
    """A VirtualService in normal form. ``gateways`` holds ``mesh`` and qualified gateway names, sorted."""

    key: ObjectKey
    created: str
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    export: Export
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()

    def precedence(self, namespace: str) -> tuple[int, str, str, str]:
        """Sort key among the rules that a namespace sees, first one first.

        Istio: rules that a namespace keeps to itself come before those exported to it by name, and these before
        public ones; only within such a class does age count.
        """
        private = self.key.namespace == namespace
        visibility = 2 if self.export == PUBLIC else int(not private)
        return (visibility, self.created, self.key.name, self.key.namespace)

    def targets(self, namespace: str) -> tuple[RuleTarget, ...]:
        """Every destination, mirrors included, that clients of a namespace can be sent to; sorted, each once."""
        routes: tuple[HTTPRoute | TLSRoute | TCPRoute, ...] = (*self.http, *self.tls, *self.tcp)
        targets = {
            RuleTarget(destination.host, destination.port.number if destination.port else 0)
            for route in routes
            if not route.match or any(match.source_namespace in ("", namespace) for match in route.match)
            for destination in destinations(route)
        }
        return tuple(sorted(targets))


class Delegate(msgspec.Struct, frozen=True):
    """The rules of a VirtualService without hosts, in normal form, and who may refer to them."""

    export: Export
    http: tuple[HTTPRoute, ...]


@query
def routing_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
    """The rule of a VirtualService; None when there is none, or when it is a delegate."""
    source = db.row(key)
    if not isinstance(source, VirtualService) or not source.spec.hosts:
        return None
    spec, names = source.spec, _Names(key.namespace, db.settings.domain_suffix)
    return RoutingRule(
        key=key,
        created=source.metadata.creation_timestamp,
        hosts=tuple(dict.fromkeys(names.host(host) for host in spec.hosts)),
        gateways=tuple(sorted(gateways_of(source))),
        export=_export(db, source),
        http=tuple(_with_delegates(db, key.namespace, map(names.http_route, spec.http))),
        tls=tuple(map(names.tls_route, spec.tls)),
        tcp=tuple(map(names.tcp_route, spec.tcp)),
    )


@query
def routing_rules(db: Database, gateway: str, namespace: str) -> tuple[RoutingRule, ...]:
    """The rules bound to ``mesh`` or to a gateway that proxies of a namespace see, in order of precedence."""
    rules = (routing_rule(db, key) for key in db.members(VIRTUAL_SERVICES_OF_GATEWAY, gateway))
    visible = (rule for rule in rules if rule is not None and is_exported(rule.export, namespace))
    return tuple(sorted(visible, key=lambda rule: rule.precedence(namespace)))


def ruled_patterns(db: Database, hostname: str) -> Iterable[str]:
    """The hosts and patterns by which rules for sidecars may name a host, most specific first."""
    partial = [pattern for pattern in db.members(PARTIAL_PATTERNS, MESH) if covers(pattern, hostname)]
    known = covering_patterns(hostname)
    return sorted((*known, *partial), key=specificity) if partial else known


@query
def delegate(db: Database, key: ObjectKey) -> Delegate | None:
    """The delegate under a key; None when there is no such VirtualService or it has hosts of its own."""
    source = db.row(key)
    if not isinstance(source, VirtualService) or source.spec.hosts:
        return None
    names = _Names(key.namespace, db.settings.domain_suffix)
    # Delegation has one level: a delegate's own reference to another leads nowhere.
    own = (route for route in source.spec.http if route.delegate is None)
    return Delegate(_export(db, source), tuple(map(names.http_route, own)))


def _with_delegates(db: Database, namespace: str, routes: Iterable[HTTPRoute]) -> Iterator[HTTPRoute]:
    """Replace every rule that delegates by the merged rules of its delegate, in place.

    Istio: a delegate that is missing or not exported to the root's namespace costs that one rule.
    """
    for route in routes:
        reference = route.delegate
        if reference is None:
            yield route
            continue
        found = delegate(db, ObjectKey(Kind.VIRTUAL_SERVICE, reference.namespace or namespace, reference.name))
        if found is not None and is_exported(found.export, namespace):
            yield from merge_rules(route, found.http)


def _export(db: Database, source: VirtualService) -> Export:
    default = db.settings.mesh.default_virtual_service_export_to
    return normalize_export(source.spec.export_to, source.metadata.namespace, default)


def destinations(route: HTTPRoute | TLSRoute | TCPRoute) -> Iterator[Destination]:
    """Every destination that a rule sends to, mirrors included."""
    for entry in route.route:
        yield entry.destination
    if isinstance(route, HTTPRoute):
        if route.mirror is not None:
            yield route.mirror
        for mirror in route.mirrors:
            yield mirror.destination


class _Names(NamedTuple):
    """Completes the names in the rules of one namespace."""

    namespace: str
    domain_suffix: str

    def host(self, host: str) -> str:
        return resolve_short_name(host, self.namespace, self.domain_suffix)

    def gateways(self, references: Iterable[str]) -> tuple[str, ...]:
        return tuple(qualify_gateway(name, self.namespace) for name in references)

    def destination(self, destination: Destination) -> Destination:
        return msgspec.structs.replace(destination, host=self.host(destination.host))

    def http_route(self, route: HTTPRoute) -> HTTPRoute:
        return msgspec.structs.replace(
            route,
            match=tuple(
                msgspec.structs.replace(match, gateways=self.gateways(match.gateways)) for match in route.match
            ),
            route=tuple(
                msgspec.structs.replace(entry, destination=self.destination(entry.destination)) for entry in route.route
            ),
            mirror=self.destination(route.mirror) if route.mirror else None,
            mirrors=tuple(
                msgspec.structs.replace(mirror, destination=self.destination(mirror.destination))
                for mirror in route.mirrors
            ),
        )

    def tls_route(self, route: TLSRoute) -> TLSRoute:
        return TLSRoute(match=tuple(map(self._l4_match, route.match)), route=self._l4destinations(route.route))

    def tcp_route(self, route: TCPRoute) -> TCPRoute:
        return TCPRoute(match=tuple(map(self._l4_match, route.match)), route=self._l4destinations(route.route))

    def _l4_match(self, match: M) -> M:
        return msgspec.structs.replace(match, gateways=self.gateways(match.gateways))

    def _l4destinations(self, entries: Iterable[RouteDestination]) -> tuple[RouteDestination, ...]:
        return tuple(
            msgspec.structs.replace(entry, destination=self.destination(entry.destination)) for entry in entries
        )
