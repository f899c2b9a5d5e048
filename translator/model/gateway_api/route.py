"""Routing rules from HTTPRoutes: all that is said of a host at a listener, or of a service in the mesh, is one rule.

Such a rule has a key of its own, which no object has: the parts of its name are separated by ``~``.
"""

from collections.abc import Iterable, Iterator

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import MESH, ROUTES_OF_PARENT, RouteParent, service_parents
from translator.model.export import PUBLIC
from translator.model.gateway_api.attachment import host_routes
from translator.model.gateway_api.backend import Backend, resolve_backend
from translator.model.gateway_api.http_rule import build_rule, match_rank
from translator.model.gateway_api.listener import SEPARATOR
from translator.model.host import kubernetes_host
from translator.model.routing_rule import RoutingRule
from translator.objects.kubernetes_route import KubernetesRoute, RouteRule
from translator.objects.registry import Kind, ObjectKey
from translator.objects.virtual_service import HTTPDirectResponse, HTTPRoute


@query
def kubernetes_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
    """The rule under a key made here (``attached_rules``, ``mesh_rule_key``); None when there is none any more."""
    first, _, rest = key.name.partition(SEPARATOR)
    return _mesh_rule(db, key, rest) if first == MESH else _gateway_rule(db, key)


@query
def route_rules(db: Database, route: ObjectKey, in_mesh: bool, port: int) -> tuple[HTTPRoute, ...]:  # noqa: FBT001 - a query takes positional arguments only
    """The rules of one HTTPRoute, in its order; at one port of a service only, unless that is 0."""
    source = db.row(route)
    rules = source.spec.rules if isinstance(source, KubernetesRoute) else ()
    return tuple(
        build_rule(
            rule,
            rule.name or f"{route.namespace}.{route.name}.{position}",
            dict(_backends(db, route, rule, in_mesh=in_mesh)),
            port,
        )
        for position, rule in enumerate(rules)
    )


def rule_backends(db: Database, route: ObjectKey, rule: RouteRule, *, in_mesh: bool) -> Iterator[tuple[str, Backend]]:
    """The backends of a rule, each with its path below the rule. Reads through the caller's query."""
    for (field, position), backend in _backends(db, route, rule, in_mesh=in_mesh):
        path = f"{field}[{position}]" + (".requestMirror.backendRef" if field == "filters" else "")
        yield path, backend


def _backends(
    db: Database, route: ObjectKey, rule: RouteRule, *, in_mesh: bool
) -> Iterator[tuple[tuple[str, int], Backend]]:
    for position, reference in enumerate(rule.backend_refs):
        yield ("backendRefs", position), resolve_backend(db, route, reference, in_mesh=in_mesh)
    for position, each in enumerate(rule.filters):
        if each.request_mirror is not None:
            backend = resolve_backend(db, route, each.request_mirror.backend_ref, in_mesh=in_mesh)
            yield ("filters", position), backend


def _gateway_rule(db: Database, key: ObjectKey) -> RoutingRule | None:
    gateway, listener, host = key.name.split(SEPARATOR, 2)
    routes = host_routes(db, ObjectKey(Kind.GATEWAY, key.namespace, gateway), listener, host)
    if routes is None:
        return None
    rules = [(rule, route) for route in routes for rule in route_rules(db, route, False, 0)]  # noqa: FBT003 - positional
    return RoutingRule(
        key=key,
        created=_oldest(db, routes),
        hosts=(host,),
        gateways=(f"{key.namespace}/{gateway}{SEPARATOR}{listener}",),
        export=PUBLIC,
        http=_order(db, rules) or (_NOTHING,),
        segments=True,
    )


def _mesh_rule(db: Database, key: ObjectKey, host: str) -> RoutingRule | None:
    """Gateway API: in the namespace of its service a route is for all clients, elsewhere for those beside it."""
    routes = db.members(ROUTES_OF_PARENT, RouteParent(Kind.SERVICE, key.namespace, host))
    if not routes:
        return None
    found: list[tuple[HTTPRoute, ObjectKey]] = []
    produced = False
    for route in routes:
        source = db.row(route)
        for parent in service_parents(source) if isinstance(source, KubernetesRoute) else ():
            namespace = parent.namespace or route.namespace
            if kubernetes_host(parent.name, namespace, db.settings.domain_suffix) == host:
                produced = produced or namespace == route.namespace
                found.extend((rule, route) for rule in route_rules(db, route, True, parent.port))  # noqa: FBT003 - positional
    return RoutingRule(
        key=key,
        created=_oldest(db, routes),
        hosts=(host,),
        gateways=(MESH,),
        export=PUBLIC if produced else (key.namespace,),
        http=_order(db, found),
        segments=True,
    )


# A listener without routes for a host answers 404.
_NOTHING = HTTPRoute(name="not-found", direct_response=HTTPDirectResponse(status=404))


def _order(db: Database, rules: Iterable[tuple[HTTPRoute, ObjectKey]]) -> tuple[HTTPRoute, ...]:
    """The rules split into their matches, best match first.

    Gateway API: among equal matches the oldest route's comes first, then by namespace and name, then as written.
    """
    ranked = [
        ((match_rank(match), _age(db, route)), msgspec.structs.replace(rule, match=(match,)))
        for rule, route in rules
        for match in rule.match
    ]
    return tuple(rule for _, rule in sorted(ranked, key=lambda each: each[0]))


def _age(db: Database, route: ObjectKey) -> tuple[str, str, str]:
    source = db.row(route)
    return (source.metadata.creation_timestamp if source else "", route.namespace, route.name)


def _oldest(db: Database, routes: Iterable[ObjectKey]) -> str:
    return min((_age(db, route)[0] for route in routes), default="")
