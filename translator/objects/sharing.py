"""Holds once what many objects have alike.

The pods of a Deployment differ in name and address only, and an EndpointSlice names what its pods say of themselves.
Decoded one by one, each would have texts, labels and containers of its own: two thirds of what they take. Only kinds
of which there are tens of thousands are worth the microseconds.

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


def share_parts(found: MeshObject) -> None:
    """Let a record that was just decoded, and that nobody else has seen yet, have its parts in common with others."""
    share = _SHARING.get(type(found))
    if share is not None:
        _share_metadata(found.metadata)
        share(found)


@lru_cache(_KNOWN)
def _known(part: PartT) -> PartT:
    """The first of equal parts."""
    return part


@lru_cache(_KNOWN)
def _known_map(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(items)


def _share_metadata(metadata: Metadata) -> None:
    _share_texts(metadata, "name", "namespace", "creation_timestamp")
    force_setattr(metadata, "labels", _known_map(tuple(metadata.labels.items())))
    force_setattr(metadata, "annotations", _known_map(tuple(metadata.annotations.items())))


def _share_pod(pod: Pod) -> None:
    spec, status = pod.spec, pod.status
    _share_texts(spec, "node_name", "service_account_name")
    force_setattr(spec, "containers", _known(spec.containers))
    force_setattr(spec, "init_containers", _known(spec.init_containers))
    _share_texts(status, "phase", "pod_ip")
    force_setattr(status, "conditions", _known(status.conditions))
    for address in status.pod_ips:
        _share_texts(address, "ip")


def _share_slice(found: EndpointSlice) -> None:
    force_setattr(found, "ports", _known(found.ports))
    for endpoint in found.endpoints:
        force_setattr(endpoint, "addresses", tuple(map(intern, endpoint.addresses)))
        force_setattr(endpoint, "conditions", _known(endpoint.conditions))
        _share_texts(endpoint, "node_name", "zone")
        if endpoint.target_ref is not None:
            _share_texts(endpoint.target_ref, "kind", "namespace", "name")


def _share_service(service: Service) -> None:
    spec = service.spec
    force_setattr(spec, "selector", _known_map(tuple(spec.selector.items())))
    force_setattr(spec, "ports", _known(spec.ports))


def _share_texts(record: Any, *fields: str) -> None:  # noqa: ANN401 - any record
    for field in fields:
        force_setattr(record, field, intern(getattr(record, field)))


_SHARING: Final[Mapping[type, Callable[[Any], None]]] = {
    Pod: _share_pod,
    EndpointSlice: _share_slice,
    Service: _share_service,
}
