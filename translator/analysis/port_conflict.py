"""Ports of ServiceEntries that nothing but their number tells apart, so that the older one gets all connections."""

from collections.abc import Iterator

from translator.analysis.codes import PORT_CONFLICT
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.indexes import CONNECTION_PORTS, ConnectionPort, connection_ports
from translator.model.export import PUBLIC, Export, normalize_export
from translator.objects.registry import ObjectKey, key_of
from translator.objects.service_entry import ServiceEntry


def analyze_entry_ports(db: Database, source: ServiceEntry) -> Iterator[Diagnostic]:
    """Find TCP ports that an older ServiceEntry has at the same address, or at any, too.

    Istio counts them (pilot_conflict_outbound_listener_tcp_over_current_tcp).
    """
    key = key_of(source)
    told: set[int] = set()
    for port in connection_ports(source):
        winner = _older(db, source, port)
        if winner is None or port.number in told:
            continue
        told.add(port.number)
        index = next(index for index, each in enumerate(source.spec.ports) if each.number == port.number)
        where = f"at {port.address}" if port.address else "at any address"
        advice = "" if port.address else "; `addresses`, or proxies that answer DNS questions, tell them apart"
        reason = f"gets no connections: {winner} is older and has the TCP port {port.number} {where}, too{advice}"
        yield Diagnostic(Severity.WARNING, PORT_CONFLICT, key, f"spec.ports[{index}]", reason)


def _older(db: Database, source: ServiceEntry, port: ConnectionPort) -> ObjectKey | None:
    """The oldest other entry with the port that some namespace sees together with this one."""
    rivals = [
        other
        for key in db.members(CONNECTION_PORTS, port)
        if isinstance(other := db.row(key), ServiceEntry)
        and (other is source or set(other.spec.hosts).isdisjoint(source.spec.hosts))
        and _overlap(_export(db, other), _export(db, source))
    ]
    winner = min(rivals, key=_age, default=source)
    return None if winner is source else key_of(winner)


def _age(source: ServiceEntry) -> tuple[str, str, str]:
    """Istio: the oldest, then by host and namespace."""
    meta = source.metadata
    return (meta.creation_timestamp, min(source.spec.hosts, default=""), meta.namespace)


def _export(db: Database, source: ServiceEntry) -> Export:
    return normalize_export(
        source.spec.export_to, source.metadata.namespace, db.settings.mesh.default_service_export_to
    )


def _overlap(one: Export, other: Export) -> bool:
    if not one or not other:
        return False
    return PUBLIC in (one, other) or not set(one).isdisjoint(other)
