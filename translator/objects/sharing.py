"""Holds once what many objects have alike.

The pods of a Deployment differ in name and address only; decoded one by one, each would have labels, containers and
the name of its node to itself: more than half of what they take. Only kinds of which there are tens of thousands are
worth the microseconds, and only texts that many have: the table of interned ones would take more than a name has.

Nothing is to be forgotten here when an object goes: texts are interned, which ends with their last user, and of other
parts only those that were met last are known. Equal objects that come far apart may have parts of their own.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from sys import intern
from typing import Any, Final, TypeVar

from msgspec.structs import force_setattr

from translator.objects.core import EndpointSlice, Pod, Service
from translator.objects.meta import MeshObject, Metadata

PartT = TypeVar("PartT")

# Objects that are alike come together: lists are sorted by name, files hold what belongs together.
_KNOWN: Final = 512
_NO_TEXTS: Final[dict[str, str]] = {}


def share_parts(found: MeshObject) -> None:
    """Let a record that was just decoded, and that nobody else has seen yet, have its parts in common with others."""
    share = _SHARING.get(type(found))
    if share is not None:
        _share_metadata(found.metadata)
        share(found)


def shared_map(texts: Mapping[str, str]) -> dict[str, str]:
    """An equal map that many may have, and that nobody alters."""
    return _known_map(tuple(texts.items())) if texts else _NO_TEXTS


@lru_cache(_KNOWN)
def _known(part: PartT) -> PartT:
    """The first of equal parts."""
    return part


@lru_cache(_KNOWN)
def _known_map(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(items)


# Written out field by field: a loop over the names of fields takes three times as long.


def _share_metadata(metadata: Metadata) -> None:
    force_setattr(metadata, "namespace", intern(metadata.namespace))
    force_setattr(metadata, "creation_timestamp", intern(metadata.creation_timestamp))
    force_setattr(metadata, "labels", shared_map(metadata.labels))
    # Those of a Service may hold all of it once more (kubectl's), which is nothing to be known for longer.
    if not metadata.annotations:
        force_setattr(metadata, "annotations", _NO_TEXTS)


def _share_pod(pod: Pod) -> None:
    spec, status = pod.spec, pod.status
    force_setattr(pod.metadata, "annotations", shared_map(pod.metadata.annotations))
    force_setattr(spec, "node_name", intern(spec.node_name))
    force_setattr(spec, "service_account_name", intern(spec.service_account_name))
    force_setattr(spec, "containers", _known(spec.containers))
    if spec.init_containers:
        force_setattr(spec, "init_containers", _known(spec.init_containers))
    force_setattr(status, "phase", intern(status.phase))
    force_setattr(status, "conditions", _known(status.conditions))
    for address in status.pod_ips:
        if address.ip == status.pod_ip:
            force_setattr(address, "ip", status.pod_ip)


def _share_slice(found: EndpointSlice) -> None:
    force_setattr(found, "ports", _known(found.ports))
    for endpoint in found.endpoints:
        target = endpoint.target_ref
        force_setattr(endpoint, "conditions", _known(endpoint.conditions))
        force_setattr(endpoint, "node_name", intern(endpoint.node_name))
        force_setattr(endpoint, "zone", intern(endpoint.zone))
        if target is not None:
            force_setattr(target, "kind", intern(target.kind))
            force_setattr(target, "namespace", intern(target.namespace))


def _share_service(service: Service) -> None:
    spec = service.spec
    force_setattr(spec, "selector", shared_map(spec.selector))
    force_setattr(spec, "ports", _known(spec.ports))


_SHARING: Final[Mapping[type, Callable[[Any], None]]] = {
    Pod: _share_pod,
    EndpointSlice: _share_slice,
    Service: _share_service,
}
