"""Which route tables a proxy has, and what a name that is none of them is answered with."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from translator.database import Database
from translator.engine import query
from translator.indexes import SELECTED_LABELS
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, Labels, Role, ViewKey
from translator.model.scope import EgressScope, egress_scopes, scope_key
from translator.model.service import Resolution, Service
from translator.names import HTTP_PROXY_ROUTE, sniffed_route
from translator.objects.sidecar import CaptureMode
from translator.reference import ResourceReference
from translator.routes.candidate import TableKey
from translator.routes.claim import TableScope, scope_ports, table_label_names, table_services
from translator.routes.gateway import gateway_tables
from translator.routes.rule import counts_attempts
from translator.routes.sidecar import outbound_table, sniffed_table
from translator.routes.table import empty_table
from xds.resource import Resource

_UNIX: Final = "unix://"


class _Table(NamedTuple):
    """The name of a sidecar's table, what it holds, and the service (namespace, hostname) if it is of just one."""

    name: str
    place: TableScope
    service: tuple[str, str] | None = None


@query
def route_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """Every route table of a View, each name once."""
    if view.role is Role.GATEWAY:
        return gateway_tables(db, view)
    scope = scope_key(db, view)
    tables: dict[str, _Table] = {}
    for position, listener in enumerate(egress_scopes(db, scope)):
        port = 0 if listener.protocol is Protocol.HTTP_PROXY else listener.port
        for table in _listener_tables(db, view, TableScope(scope, position, port), listener):
            # Istio: a name belongs to the first egress listener that could have it.
            tables.setdefault(table.name, table)
    return tuple(_reference(db, view, table) for table in tables.values())


def unknown_route(name: str) -> Resource:
    """What a proxy gets for a name that it should not know: a table in which nothing is found."""
    return empty_table(name)


def _listener_tables(db: Database, view: ViewKey, place: TableScope, listener: EgressScope) -> Iterator[_Table]:
    """The tables of one egress listener; ``place`` is what a table of its own port holds."""
    if place.port == 0 and listener.bind.startswith(_UNIX):
        yield _Table(listener.bind, place)
    elif listener.protocol is Protocol.HTTP_PROXY:
        yield _Table(str(listener.port), place)
    elif place.port:
        services = table_services(db, place)
        yield from _port_tables(view, place, listener, services.values())
    else:
        for port, services in scope_ports(db, place.scope, place.position).items():
            if port:
                on_port = TableScope(place.scope, place.position, port)
                yield from _port_tables(view, on_port, listener, db.paced(services.values()))
        if view.http_proxy_port or db.settings.mesh.proxy_http_port:
            yield _Table(HTTP_PROXY_ROUTE, place)


def _port_tables(
    view: ViewKey, place: TableScope, listener: EgressScope, services: Iterable[Service]
) -> Iterator[_Table]:
    """The table that listeners on every address share, and those of addresses that belong to one service.

    HTTP services are told apart by host, so they share. Where the protocol is detected, a service with addresses
    of its own is told apart by these, unless the listener's address is dictated or nothing is intercepted.
    """
    bound = bool(listener.bind) or CaptureMode.NONE is listener.capture_mode or view.capture is Capture.NONE
    shared = False
    for each in services:
        port = each.port(place.port)
        if each.resolution is Resolution.ALIAS or port is None:
            continue
        protocol = listener.protocol if listener.port else port.protocol
        shared = shared or protocol.is_http
        if protocol is Protocol.AUTO:
            shared = shared or bound or _has_shared_address(each)
            if not bound and _has_own_address(each):
                yield _Table(sniffed_route(each.hostname, place.port), place, (each.namespace, each.hostname))
    if shared:
        yield _Table(str(place.port), place)


def _has_own_address(each: Service) -> bool:
    """Whether a client can dial an address that means this service alone: a virtual IP, or an endpoint's own."""
    if each.resolution is Resolution.PASSTHROUGH and not each.addresses:
        return True
    return any("/" not in address for address in each.addresses)


def _has_shared_address(each: Service) -> bool:
    """Whether a client may dial addresses of which only the proxy's listener on every address can know."""
    return not each.headless and (not each.addresses or any("/" in address for address in each.addresses))


def _reference(db: Database, view: ViewKey, table: _Table) -> ResourceReference:
    labels = relevant_labels(db, view, table.place)
    if table.service is not None:
        return ResourceReference(table.name, sniffed_table, (table.place, labels, table.service, table.name))
    key = TableKey(table.place, view.dns_domain, view.families, labels, counts_attempts(db))
    return ResourceReference(table.name, outbound_table, (key, table.name))


def relevant_labels(db: Database, view: ViewKey, place: TableScope) -> Labels:
    """The labels by which rules of the table, or policies of the client's namespace, may select."""
    if not view.labels:
        return ()
    names = {*table_label_names(db, place), *db.members(SELECTED_LABELS, view.namespace)}
    return tuple(pair for pair in view.labels if pair[0] in names)
