"""Machines outside of Kubernetes: what a proxy beside a WorkloadEntry serves."""

from typing import NamedTuple

from translator.database import Database
from translator.engine import query
from translator.indexes import ENTRIES_AT_ADDRESS, SELECTING_ENTRIES, SELECTING_SERVICES, SelectedLabel
from translator.model.endpoint import entry_port, selected_entry_port
from translator.model.service import Service, ServicePort, local_service
from translator.model.workload import has_labels
from translator.objects.registry import PRIMARY, ObjectKey
from translator.objects.workload import WorkloadEntry


class ServedPort(NamedTuple):
    """A port of a service, and the port of the machine behind it; 0 where it has none for it."""

    service: Service
    port: ServicePort
    number: int


@query
def machine_ports(db: Database, key: ObjectKey, address: str) -> tuple[ServedPort, ...]:
    """What the WorkloadEntry at a proxy's address serves, oldest service first; nothing if there is no such entry.

    Istio: of several at one address, the one of the proxy's name counts. Services of both kinds can select it: the
    Kubernetes Services of its own cluster, and ServiceEntries. ``key`` is that of an entry of the proxy's name.
    """
    source = _own_entry(db, key, address)
    if source is None:
        return ()
    labels = {**source.spec.labels, **source.metadata.labels}
    hosts = {
        host
        for label in labels.items()
        for index, cluster in ((SELECTING_SERVICES, key.cluster), (SELECTING_ENTRIES, PRIMARY))
        for host in db.members(index, SelectedLabel(key.namespace, cluster, label))
    }
    local = (local_service(db, key.namespace, host, key.cluster) for host in sorted(hosts))
    found = [each for each in local if each is not None]
    return tuple(
        ServedPort(each, port, (selected_entry_port if each.kubernetes else entry_port)(source.spec, port))
        for each in sorted(found, key=lambda each: each.age)
        if each.selector and has_labels(labels, each.selector)
        for port in each.ports
    )


def _own_entry(db: Database, key: ObjectKey, address: str) -> WorkloadEntry | None:
    keys: tuple[ObjectKey, ...] = db.members(ENTRIES_AT_ADDRESS, (key.namespace, address, key.cluster))
    found = key if key in keys else next(iter(keys), None)
    source = db.row(found) if found else None
    return source if isinstance(source, WorkloadEntry) else None
