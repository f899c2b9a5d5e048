"""Routing rules from VirtualServices: names completed, delegates merged in."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import (
    gateways_of,
    qualify_gateway,
)
from translator.model.delegate import merge_rules
from translator.model.export import Export, is_exported, normalize_export
from translator.model.host import resolve_short_name
from translator.model.routing_rule import RoutingRule
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


class Delegate(msgspec.Struct, frozen=True):
    """The rules of a VirtualService without hosts, in normal form, and who may refer to them."""

    export: Export
    http: tuple[HTTPRoute, ...]


@query
def virtual_service_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
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
