"""Where resources come from whose queries got what they are made of as arguments.

A listener is built from its part of a plan, and a gateway's route table from its servers, so the objects that made
the plan are no recorded reads of theirs. They are found again here when somebody asks; keeping them at hand would
cost every change of any service.
"""

from collections.abc import Iterable, Iterator

from translator.database import Database
from translator.listeners.gateway import GatewaySite, gateway_binds
from translator.listeners.headless import headless_listeners
from translator.listeners.outbound_plan import OutboundKey, outbound_key, outbound_plan
from translator.listeners.planned_listener import PlannedListener
from translator.listeners.quic import quic_listener_name
from translator.model.gateway import GatewayListener, gateway_servers
from translator.model.proxy import Role, ViewKey
from translator.model.scope import scope_key, scope_services
from translator.model.service import service
from translator.names import VIRTUAL_INBOUND, listener
from translator.objects.registry import ObjectKey
from xds.types import LISTENER, ROUTE, TypeUrl


def planned_from(db: Database, view: ViewKey, type_url: TypeUrl, name: str) -> set[ObjectKey]:
    """The objects behind the plan of a listener or of a gateway's route table; empty for every other resource."""
    if view.role is Role.GATEWAY:
        return set(_gateways(db, view, type_url, name))
    if type_url != LISTENER:
        return set()
    scope = scope_key(db, view)
    sidecar = {scope.sidecar} if scope.sidecar else set()
    if name == VIRTUAL_INBOUND:
        return sidecar | set(_services(db, {(target.namespace, target.hostname) for target in view.targets}))
    key = outbound_key(db, view)
    plans = (*outbound_plan(db, key).listeners, *headless_listeners(db, key, view.own_addresses))
    found = (_planned_services(db, key, plan) for plan in plans if plan.name == name)
    return sidecar.union(*(_services(db, names) for names in found))


def _gateways(db: Database, view: ViewKey, type_url: TypeUrl, name: str) -> Iterator[ObjectKey]:
    site = GatewaySite(namespace=view.namespace, labels=view.labels, families=view.families, tuning=view.outbound)
    for each in gateway_servers(db, view):
        is_whole = type_url == LISTENER and name in _listener_names(site, each)
        for server in each.servers:
            if is_whole or (type_url == ROUTE and server.route_name == name):
                yield server.gateway


def _listener_names(site: GatewaySite, each: GatewayListener) -> Iterator[str]:
    yield listener(gateway_binds(site, each)[0], each.port)
    if each.quic_port:
        yield quic_listener_name(site, each)


def _planned_services(db: Database, key: OutboundKey, plan: PlannedListener) -> set[tuple[str, str]]:
    """The services of a listener: those whose bytes it passes on, and those whose requests it routes."""
    names = {(backend.namespace, backend.hostname) for backend in plan.backends}
    if plan.route_name:
        routed = (
            each
            for each in scope_services(db, key.scope)
            if (port := each.port(plan.port)) is not None and port.protocol.may_be_http
        )
        names |= {(each.namespace, each.hostname) for each in routed}
    return names


def _services(db: Database, names: Iterable[tuple[str, str]]) -> Iterator[ObjectKey]:
    for namespace, hostname in names:
        found = service(db, namespace, hostname)
        if found is not None:
            yield found.source
