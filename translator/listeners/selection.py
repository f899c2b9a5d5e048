"""Which listeners the proxies of a View have."""

from collections.abc import Iterator

import msgspec

from translator.database import Database
from translator.engine import query
from translator.listeners.address import loopbacks
from translator.listeners.dns import DNS_PORT, dns_connection_listener, dns_listener
from translator.listeners.gateway import GatewaySite, gateway_binds, gateway_listener
from translator.listeners.headless import headless_listeners
from translator.listeners.inbound import real_inbound, virtual_inbound
from translator.listeners.inbound_plan import inbound_key, inbound_plan
from translator.listeners.outbound import OutboundSite, outbound_listener
from translator.listeners.outbound_plan import OutboundKey, http_proxy_listener, outbound_key, outbound_plan
from translator.listeners.planned_listener import PlannedListener
from translator.listeners.quic import quic_listener, quic_listener_name
from translator.listeners.settings import listener_settings
from translator.listeners.virtual_outbound import virtual_outbound
from translator.model.authorization import authorizing_policies
from translator.model.gateway import gateway_servers
from translator.model.proxy import Capture, Labels, Role, Tuning, ViewKey
from translator.names import VIRTUAL_INBOUND, VIRTUAL_OUTBOUND, datagram_listener, listener
from translator.reference import ResourceReference


@query
def listener_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """The listeners of a View by name, sorted within each kind.

    Istio: a sidecar whose outbound port is switched off has none at all.
    """
    if view.role is Role.GATEWAY:
        return tuple(_gateway_references(db, view))
    if listener_settings(db).outbound_port <= 0:
        return ()
    return (
        *_outbound_references(db, view),
        *_dns_references(db, view),
        *_virtual_references(db, view),
        *_inbound_references(db, view),
    )


def _outbound_references(db: Database, view: ViewKey) -> Iterator[ResourceReference]:
    key = outbound_key(db, view)
    yield from planned_references(db, key, view.labels, view.outbound)
    for plan in headless_listeners(db, key, view.own_addresses):
        yield _reference(key, plan, view.labels, view.outbound)
    proxy = http_proxy_listener(db, key, view.http_proxy_port)
    if proxy is not None:
        yield _reference(key, proxy, view.labels, view.outbound)


def _dns_references(db: Database, view: ViewKey) -> Iterator[ResourceReference]:
    if not view.answers_dns:
        return
    key = outbound_key(db, view)
    for bind in key.bind or loopbacks(view.families):
        yield ResourceReference(datagram_listener(bind, DNS_PORT), dns_listener, (key.scope, view.families, bind))
        if view.capture is not Capture.NONE:
            # Only the kernel knows of an intercepted connection where it was meant to go.
            yield ResourceReference(listener(bind, DNS_PORT), dns_connection_listener, (bind,))


@query
def planned_references(
    db: Database,
    key: OutboundKey,
    labels: Labels,
    tuning: Tuning,
) -> tuple[ResourceReference, ...]:
    """The outbound listeners that do not depend on endpoints; shared by all workloads of a scope."""
    return tuple(_reference(key, plan, labels, tuning) for plan in outbound_plan(db, key).listeners)


def _reference(key: OutboundKey, plan: PlannedListener, labels: Labels, tuning: Tuning) -> ResourceReference:
    # Only rules about connections select by labels, and those are asked about backends alone.
    site = OutboundSite(key.scope, key.families, labels if plan.backends else (), tuning)
    return ResourceReference(plan.name, outbound_listener, (site, plan))


def _virtual_references(db: Database, view: ViewKey) -> Iterator[ResourceReference]:
    if view.capture is not Capture.NONE:
        scope = outbound_key(db, view).scope
        # It hands connections over to others, so that nothing is gained by spreading them here.
        tuning = msgspec.structs.replace(view.outbound, exact_balance=False)
        yield ResourceReference(VIRTUAL_OUTBOUND, virtual_outbound, (scope, view.capture, view.families, tuning))
        yield ResourceReference(VIRTUAL_INBOUND, virtual_inbound, (inbound_key(db, view), view.inbound))


def _inbound_references(db: Database, view: ViewKey) -> Iterator[ResourceReference]:
    key = inbound_key(db, view)
    for port in inbound_plan(db, key).real:
        yield ResourceReference(port.name, real_inbound, (port, key.authorizing, view.inbound))


def _gateway_references(db: Database, view: ViewKey) -> Iterator[ResourceReference]:
    site = GatewaySite(
        namespace=view.namespace,
        labels=view.labels,
        families=view.families,
        tuning=view.outbound,
        authorizing=authorizing_policies(db, view),
        has_identity=view.has_identity,
    )
    for each in gateway_servers(db, view):
        yield ResourceReference(listener(gateway_binds(site, each)[0], each.port), gateway_listener, (site, each))
        if each.quic_port:
            yield ResourceReference(quic_listener_name(site, each), quic_listener, (site, each))
