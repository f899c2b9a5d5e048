"""Which outbound listeners a scope has, and what shares each of them.

The plan says for every address and port which service ports it serves, after all conflicts are decided, and says
no more than the listener depends on: HTTP services are told apart by routes, so one more of them changes nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from translator.database import Database
from translator.engine import query
from translator.listeners.address import UNIX_PREFIX, is_usable, is_wildcard, loopbacks, wildcards
from translator.listeners.planned_listener import Entry, PlannedListener, TCPBackend
from translator.listeners.settings import ListenerSettings, listener_settings
from translator.model.cluster import cluster_name, has_clusters, is_cluster_local
from translator.model.endpoint import service_endpoints
from translator.model.host import is_ip
from translator.model.network import network_gateways
from translator.model.protocol import Protocol
from translator.model.proxy import Capture, IpFamilies, ViewKey
from translator.model.scope import EgressScope, ScopeKey, egress_scopes, scope_key
from translator.model.service import Resolution, Service, ServicePort
from translator.names import HTTP_PROXY_ROUTE
from translator.objects.sidecar import CaptureMode

_FIRST_UNPRIVILEGED_PORT: Final = 1024


class OutboundKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the outbound listeners of a proxy depend on; an empty ``bind`` means that traffic is intercepted.

    ``network`` is empty unless endpoints of others cannot be dialled.
    """

    scope: ScopeKey
    network: str = ""
    families: IpFamilies = IpFamilies.V4
    bind: tuple[str, ...] = ()
    reserved_ports: tuple[int, ...] = ()
    unprivileged: bool = False


class HeadlessPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a service whose clients dial its endpoints: it has a listener for each of them."""

    backend: TCPBackend
    port_name: str


class OutboundPlan(msgspec.Struct, frozen=True):
    """The listeners of a scope by name, and the headless ports, whose listeners depend on endpoints too."""

    listeners: tuple[PlannedListener, ...]
    headless: tuple[HeadlessPort, ...] = ()


def outbound_key(db: Database, view: ViewKey) -> OutboundKey:
    """What the outbound listeners of a View depend on."""
    bind: tuple[str, ...] = ()
    if view.capture is Capture.NONE:
        bind = (view.bind,) if view.bind else loopbacks(view.families)
    return OutboundKey(
        scope=scope_key(db, view),
        network=view.network if network_gateways(db) else "",
        families=view.families,
        bind=bind,
        reserved_ports=view.reserved_ports,
        unprivileged=view.unprivileged,
    )


@query
def outbound_plan(db: Database, key: OutboundKey) -> OutboundPlan:
    """The outbound listeners of a scope, without those of single endpoints."""
    planner = _Planner(key, listener_settings(db))
    for position, scope in enumerate(egress_scopes(db, key.scope)):
        planner.add_scope(position, scope, db)
    return planner.plan()


@query
def http_proxy_listener(db: Database, key: OutboundKey, port: int) -> PlannedListener | None:
    """The listener for applications that are told to use an HTTP proxy; None unless somebody asks for it.

    ``port`` is that of the proxy itself; if it is 0, the mesh's counts.
    """
    port = port or listener_settings(db).http_proxy_port
    if port <= 0:
        return None
    binds = key.bind or loopbacks(key.families)
    return PlannedListener(binds=binds, port=port, real=True, route_name=HTTP_PROXY_ROUTE)


def headless_addresses(db: Database, key: OutboundKey, name: tuple[str, str], port_name: str) -> tuple[str, ...]:
    """The IPs behind a port of a service, ``name`` being its namespace and host, as far as they can be dialled."""
    is_local = has_clusters(db) and is_cluster_local(db, name[1])
    return _addresses(db, name, port_name, key.network, cluster_name(db, key.scope.cluster) if is_local else "")


@query
def _addresses(db: Database, name: tuple[str, str], port_name: str, network: str, cluster_id: str) -> tuple[str, ...]:
    """Ready or not: what changes only when endpoints come and go. An empty network or cluster means all of them."""
    found = {
        each.address
        for each in service_endpoints(db, *name)
        if each.port_name == port_name
        and is_ip(each.address)
        and (not network or each.workload.network in ("", network))
        and cluster_id in ("", each.workload.cluster_id)
    }
    return tuple(sorted(found))


def reserved_ports(db: Database, key: OutboundKey) -> frozenset[int]:
    """The ports on which every address is taken by listeners that the proxy has anyway."""
    return _reserved(key, listener_settings(db))


def _reserved(key: OutboundKey, settings: ListenerSettings) -> frozenset[int]:
    return frozenset({*key.reserved_ports, settings.outbound_port, settings.inbound_port})


class _Destination(NamedTuple):
    """An address of a service to listen on, or the networks behind a listener on every address."""

    binds: tuple[str, ...]
    prefixes: tuple[str, ...] = ()


class _Planner:
    """Walks through the services of a scope, oldest first, and sorts their ports into entries."""

    def __init__(self, key: OutboundKey, settings: ListenerSettings) -> None:
        self._key = key
        self._reserved = _reserved(key, settings)
        self._wildcards = wildcards(key.families)
        self._entries: dict[tuple[str, int], Entry] = {}
        self._headless: list[HeadlessPort] = []

    def add_scope(self, position: int, scope: EgressScope, db: Database) -> None:
        """Add the services of one egress listener.

        Istio: a catch-all keeps away from what listeners with a port of their own have claimed.
        """
        is_catch_all = not scope.port and not scope.bind.startswith(UNIX_PREFIX)
        if is_catch_all:
            for entry in self._entries.values():
                entry.locked = True
        real = bool(self._key.bind) or scope.capture_mode is CaptureMode.NONE or scope.bind.startswith(UNIX_PREFIX)
        binds: tuple[str, ...] = (scope.bind,) if scope.bind else ()
        if real and not binds:
            binds = self._key.bind or loopbacks(self._key.families)
        for service in db.paced(scope.services):
            if service.resolution is Resolution.ALIAS:
                continue
            for port in service.ports if is_catch_all else (_dictated_port(scope, service),):
                self._add_port(_Candidate(position, service, port, _cluster_port(service, port), real), binds, db)

    def plan(self) -> OutboundPlan:
        """What came of it."""
        listeners = sorted((entry.planned() for entry in self._entries.values()), key=lambda each: each.name)
        return OutboundPlan(tuple(listeners), tuple(self._headless))

    def _add_port(self, candidate: "_Candidate", binds: tuple[str, ...], db: Database) -> None:
        protocol, number = candidate.port.protocol, candidate.port.number
        if protocol is Protocol.UDP or (candidate.real and not self._may_bind(number)):
            return
        if binds:
            self._join(binds, candidate.backend((), by_sni=True), real=candidate.real)
        elif protocol.is_http:
            self._join(self._wildcards, candidate.backend(()), real=candidate.real)
        elif self._is_headless(candidate, db):
            self._headless.append(HeadlessPort(backend=candidate.backend(()), port_name=candidate.port.name))
        else:
            for addresses, prefixes in self._destinations(candidate.service):
                shared = addresses == self._wildcards
                backend = candidate.backend(prefixes, by_sni=shared)
                self._join(addresses, backend, real=candidate.real, dedicated=not shared)

    def _join(self, binds: tuple[str, ...], backend: TCPBackend, *, real: bool, dedicated: bool = False) -> None:
        """Reserved are the ports on which every address is taken by listeners that the proxy has anyway."""
        if backend.port in self._reserved and (real or is_wildcard(binds[0])):
            return
        place = (binds[0], backend.port)
        entry = self._entries.get(place)
        if entry is None:
            entry = self._entries[place] = Entry(binds, backend.port, real=real, dedicated=dedicated)
        if not entry.locked:
            entry.add(backend.protocol, backend)

    def _may_bind(self, number: int) -> bool:
        return not (self._key.unprivileged and 0 < number < _FIRST_UNPRIVILEGED_PORT)

    def _is_headless(self, candidate: "_Candidate", db: Database) -> bool:
        """Istio: a service of no registry whose endpoints nobody can know is served on every address instead."""
        service = candidate.service
        if service.resolution is not Resolution.PASSTHROUGH or service.addresses:
            return False
        if service.kubernetes or service.selector:
            return True
        return bool(headless_addresses(db, self._key, (service.namespace, service.hostname), candidate.port.name))

    def _destinations(self, service: Service) -> Iterator[_Destination]:
        """Where clients dial the service: its addresses, or any when it has none."""
        if not service.addresses:
            yield _Destination(self._wildcards)
            return
        usable = tuple(address for address in service.addresses if is_usable(address, self._key.families))
        if service.kubernetes:
            if usable:
                yield _Destination(usable)
            return
        for address in usable:
            if "/" in address:
                yield _Destination(self._wildcards, (address,))
            else:
                yield _Destination(self._wildcards if is_wildcard(address) else (address,))


class _Candidate(NamedTuple):
    """A service port on its way into the plan."""

    position: int
    service: Service
    port: ServicePort
    cluster_port: int
    real: bool

    def backend(self, prefixes: Iterable[str], *, by_sni: bool = False) -> TCPBackend:
        """The port as what stands behind a listener."""
        service, port = self.service, self.port
        return TCPBackend(
            position=self.position,
            namespace=service.namespace,
            hostname=service.hostname,
            port=port.number,
            cluster_port=self.cluster_port,
            protocol=port.protocol,
            prefixes=tuple(prefixes),
            by_sni=port.protocol.is_tls and (by_sni or bool(prefixes) or service.dynamic),
            resolves_names=service.dynamic,
        )


def _dictated_port(scope: EgressScope, service: Service) -> ServicePort:
    """Istio: an egress listener with a port has that port's number, name and protocol for all of its services."""
    known = service.port(scope.port)
    return ServicePort(scope.port, known.name if known else scope.port_name, scope.protocol)


def _cluster_port(service: Service, port: ServicePort) -> int:
    """Istio: the only port of the service, whatever clients dial; else the port that they dial."""
    if len(service.ports) == 1 or not port.number:
        return service.ports[0].number
    return port.number
