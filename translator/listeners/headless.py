"""Listeners of headless services: their clients dial endpoints, so each has a listener or a chain of its own."""

from collections.abc import Iterable, Iterator

import msgspec

from translator.database import Database
from translator.engine import query
from translator.listeners.address import is_usable, wildcards
from translator.listeners.outbound_plan import OutboundKey, headless_addresses, outbound_plan, reserved_ports
from translator.listeners.planned_listener import Entry, PlannedListener, TCPBackend


@query
def headless_listeners(db: Database, key: OutboundKey, own: tuple[str, ...]) -> tuple[PlannedListener, ...]:
    """The listeners of headless services; a proxy does not dial its ``own`` addresses.

    Where the mesh says so, the endpoints of a port that is declared TCP share one, which changes in place. Istio: not
    on undeclared ports, where a chain for the address would win over detection.
    """
    plan = outbound_plan(db, key)
    if not plan.headless:
        return ()
    taken = {(bind, each.port) for each in plan.listeners for bind in each.binds}
    shared: dict[int, dict[str, TCPBackend]] = {}
    entries: dict[tuple[str, int], Entry] = {}
    for backend, address in _endpoints(db, key, own):
        place = (address, backend.port)
        if db.settings.headless_chains and _may_share(db, key, backend, taken):
            shared.setdefault(backend.port, {}).setdefault(address, backend)
        elif place not in taken:
            entries.setdefault(place, Entry((address,), backend.port, dedicated=True)).add(backend.protocol, backend)
    return (
        *(entries[place].planned() for place in sorted(entries)),
        *(_share(key, port, shared[port]) for port in sorted(shared)),
    )


def _endpoints(db: Database, key: OutboundKey, own: tuple[str, ...]) -> Iterator[tuple[TCPBackend, str]]:
    """The addresses that clients dial, those of the oldest service first."""
    for headless in outbound_plan(db, key).headless:
        backend = headless.backend
        for address in headless_addresses(db, key, (backend.namespace, backend.hostname), headless.port_name):
            if address not in own[:1] and is_usable(address, key.families):
                yield backend, address


def _may_share(db: Database, key: OutboundKey, backend: TCPBackend, taken: Iterable[tuple[str, int]]) -> bool:
    """Whether nobody else has the port at every address."""
    place = (wildcards(key.families)[0], backend.port)
    return backend.protocol.is_tcp and place not in taken and backend.port not in reserved_ports(db, key)


def _share(key: OutboundKey, port: int, backends: dict[str, TCPBackend]) -> PlannedListener:
    chains = tuple(msgspec.structs.replace(backends[address], prefixes=(address,)) for address in sorted(backends))
    return PlannedListener(binds=wildcards(key.families), port=port, backends=chains)
