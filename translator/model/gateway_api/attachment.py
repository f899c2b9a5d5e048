"""Which HTTPRoutes are attached to which listeners, under which hosts, and why others are not."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from translator.database import Database
from translator.engine import query
from translator.indexes import ROUTES_OF_PARENT, RouteParent
from translator.label_selector import selects
from translator.model.gateway_api.listener import SEPARATOR, hostname, is_served, served_listeners
from translator.model.host import covers, is_wildcard, normalize_host
from translator.objects.core import Namespace
from translator.objects.gateway_api import GROUP, AllowedRoutes, FromNamespaces, KubernetesGateway, Listener
from translator.objects.kubernetes_route import KubernetesRoute, ParentReference
from translator.objects.registry import Kind, ObjectKey

_HTTP_PROTOCOLS: Final = ("HTTP", "HTTPS")
_NAME_LABEL: Final = "kubernetes.io/metadata.name"

# Reasons of the Gateway API, the most telling first.
NOT_ALLOWED: Final = "NotAllowedByListeners"
NO_HOSTNAME: Final = "NoMatchingListenerHostname"
NO_PARENT: Final = "NoMatchingParent"
_TELLING: Final = (NOT_ALLOWED, NO_HOSTNAME, NO_PARENT)


class Binding(NamedTuple):
    """What comes of one reference of a route to a gateway: hosts by listener, or the reason why there are none."""

    hosts: dict[str, tuple[str, ...]]
    reason: str = ""


@query
def bind_route(db: Database, route: ObjectKey, gateway: ObjectKey, section: str, port: int) -> Binding:
    """Attach a route to the listeners of a gateway that its reference means.

    ``section`` and ``port`` are empty and 0 where the reference does not say which listener it means.
    """
    source = db.row(route)
    if not isinstance(source, KubernetesRoute):
        return Binding({})
    hosts = tuple(dict.fromkeys(map(normalize_host, source.spec.hostnames))) or ("*",)
    bound: dict[str, tuple[str, ...]] = {}
    reasons: set[str] = set()
    for listener in served_listeners(db, gateway):
        if (port and port != listener.port) or (section and section != listener.name):
            reasons.add(NO_PARENT)
            continue
        shared = tuple(dict.fromkeys(_intersect(hosts, hostname(listener))))
        if not shared:
            reasons.add(NO_HOSTNAME)
        elif not _is_allowed(db, gateway, listener, route):
            reasons.add(NOT_ALLOWED)
        else:
            bound[listener.name] = shared
    reason = "" if bound else next((each for each in _TELLING if each in reasons), NO_PARENT)
    return Binding(bound, reason)


@query
def attached_routes(db: Database, gateway: ObjectKey) -> dict[str, dict[str, tuple[ObjectKey, ...]]]:
    """Listener -> host -> the routes that serve it there.

    Gateway API: requests for a host reach the routes of the most specific listener alone, so one that no route
    names has an entry without routes where a less specific listener shares its port.
    """
    listeners = {each.name: each for each in served_listeners(db, gateway) if each.protocol in _HTTP_PROTOCOLS}
    found: dict[str, dict[str, dict[ObjectKey, None]]] = {name: {} for name in listeners}
    for name, listener in listeners.items():
        if any(_shadows(listener, other) for other in listeners.values()):
            found[name][hostname(listener)] = {}
    for route in db.members(ROUTES_OF_PARENT, RouteParent(Kind.GATEWAY, gateway.namespace, gateway.name)):
        for name, hosts in _route_hosts(db, route, gateway):
            for host in hosts:
                if not _is_taken(listeners.values(), listeners[name], host):
                    found[name].setdefault(host, {})[route] = None
    return {name: {host: tuple(routes) for host, routes in hosts.items()} for name, hosts in found.items()}


@query
def attached_rules(db: Database, gateway_name: str) -> tuple[ObjectKey, ...]:
    """The keys of the rules for the hosts of one listener, which ``gateway_name`` (``namespace/name``) stands for."""
    namespace, _, name = gateway_name.partition("/")
    gateway, separator, listener = name.partition(SEPARATOR)
    if not separator:
        return ()
    hosts = attached_routes(db, ObjectKey(Kind.GATEWAY, namespace, gateway)).get(listener, {})
    return tuple(ObjectKey(Kind.HTTP_ROUTE, namespace, f"{name}{SEPARATOR}{host}") for host in sorted(hosts))


@query
def host_routes(db: Database, gateway: ObjectKey, listener: str, host: str) -> tuple[ObjectKey, ...] | None:
    """The routes that serve a host at a listener; None if the listener has nothing to say of it."""
    return attached_routes(db, gateway).get(listener, {}).get(host)


def gateway_of(db: Database, route: ObjectKey, parent: ParentReference) -> ObjectKey | None:
    """The gateway that a reference means; None if there is none that is ours. Reads through the caller's query."""
    if (parent.group, parent.kind) != (GROUP, "Gateway"):
        return None
    key = ObjectKey(Kind.GATEWAY, parent.namespace or route.namespace, parent.name)
    source = db.row(key)
    ours = isinstance(source, KubernetesGateway) and is_served(db, source.spec.gateway_class_name)
    return key if ours else None


def _route_hosts(db: Database, route: ObjectKey, gateway: ObjectKey) -> Iterator[tuple[str, tuple[str, ...]]]:
    source = db.row(route)
    for parent in source.spec.parent_refs if isinstance(source, KubernetesRoute) else ():
        if gateway_of(db, route, parent) == gateway:
            yield from bind_route(db, route, gateway, parent.section_name, parent.port).hosts.items()


def _intersect(hosts: tuple[str, ...], listener_host: str) -> Iterator[str]:
    """Of each overlapping pair the more specific one."""
    for host in hosts:
        if covers(listener_host, host):
            yield host
        elif covers(host, listener_host):
            yield listener_host


def _shadows(one: Listener, other: Listener) -> bool:
    """Whether the first is for some of the hosts of the second and so keeps them from it."""
    same_port = (one.port, one.protocol) == (other.port, other.protocol)
    return same_port and hostname(one) != hostname(other) and covers(hostname(other), hostname(one))


def _is_taken(listeners: Iterable[Listener], listener: Listener, host: str) -> bool:
    """Whether a more specific listener has a host."""
    return is_wildcard(hostname(listener)) and any(
        _shadows(other, listener) and covers(hostname(other), host) for other in listeners
    )


def _is_allowed(db: Database, gateway: ObjectKey, listener: Listener, route: ObjectKey) -> bool:
    allowed = listener.allowed_routes
    if listener.protocol not in _HTTP_PROTOCOLS or not _is_allowed_kind(allowed):
        return False
    match allowed.namespaces.from_:
        case FromNamespaces.ALL:
            return True
        case FromNamespaces.SAME:
            return route.namespace == gateway.namespace
        case FromNamespaces.SELECTOR:
            selector = allowed.namespaces.selector
            return selector is not None and selects(selector, _namespace_labels(db, route.namespace))
        case FromNamespaces.NONE:
            return False


def _is_allowed_kind(allowed: AllowedRoutes) -> bool:
    return not allowed.kinds or any((each.group, each.kind) == (GROUP, "HTTPRoute") for each in allowed.kinds)


def _namespace_labels(db: Database, name: str) -> dict[str, str]:
    """Kubernetes gives every namespace a label with its name."""
    source = db.get(Namespace, "", name)
    return {**(source.metadata.labels if source else {}), _NAME_LABEL: name}
