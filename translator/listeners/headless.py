"""Listeners of headless services: their clients dial endpoints, so each endpoint has an address to listen on."""

from translator.database import Database
from translator.engine import query
from translator.listeners.address import is_usable
from translator.listeners.outbound_plan import OutboundKey, headless_addresses, outbound_plan
from translator.listeners.planned_listener import Entry, PlannedListener


@query
def headless_listeners(db: Database, key: OutboundKey, own: tuple[str, ...]) -> tuple[PlannedListener, ...]:
    """The listeners of single endpoints of headless services; a proxy does not dial its ``own`` addresses."""
    plan = outbound_plan(db, key)
    if not plan.headless:
        return ()
    taken = {(bind, each.port) for each in plan.listeners for bind in each.binds}
    entries: dict[tuple[str, int], Entry] = {}
    for headless in plan.headless:
        backend = headless.backend
        for address in headless_addresses(db, key, (backend.namespace, backend.hostname), headless.port_name):
            place = (address, backend.port)
            if place not in taken and address not in own[:1] and is_usable(address, key.families):
                entry = entries.setdefault(place, Entry((address,), backend.port, dedicated=True))
                entry.add(backend.protocol, backend)
    return tuple(entries[place].planned() for place in sorted(entries))
