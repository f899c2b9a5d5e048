"""Indexes of the Gateway API: gateways, the routes of a parent, permissions."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from translator.indexes.extraction import Pairs, by_namespace
from translator.model.host import kubernetes_host
from translator.objects.gateway_api import GATEWAY_NAME_LABEL, GROUP, KubernetesGateway
from translator.objects.kubernetes_route import KubernetesRoute, ParentReference
from translator.objects.registry import Kind, ObjectKey
from translator.store import Index


class RouteParent(NamedTuple):
    """What routes are attached to: a gateway, or in a namespace of routes the host of a service."""

    kind: Kind
    namespace: str
    name: str


def service_parents(source: KubernetesRoute) -> Iterator[ParentReference]:
    """The references of a route to Kubernetes Services: those by which it is a rule of the mesh."""
    return (parent for parent in source.spec.parent_refs if (parent.group, parent.kind) == ("", "Service"))


def mesh_route_hosts(source: KubernetesRoute, suffix: str) -> set[str]:
    """The hosts of the services that a route is attached to."""
    owner = source.metadata.namespace
    return {kubernetes_host(each.name, each.namespace or owner, suffix) for each in service_parents(source)}


def _parents(key: ObjectKey, source: KubernetesRoute, suffix: str) -> Pairs:
    for parent in source.spec.parent_refs:
        if (parent.group, parent.kind) == (GROUP, "Gateway"):
            yield RouteParent(Kind.GATEWAY, parent.namespace or key.namespace, parent.name), key
    for host in mesh_route_hosts(source, suffix):
        yield RouteParent(Kind.SERVICE, key.namespace, host), key


def _gateway(key: ObjectKey, _source: KubernetesGateway, _suffix: str) -> Pairs:
    yield "", key


def gateway_name_label(_key: ObjectKey, _source: KubernetesGateway, _suffix: str) -> Pairs:
    """The label by which the pods of a gateway belong to it."""
    yield "gateway", GATEWAY_NAME_LABEL


ROUTES_OF_PARENT: Final[Index[RouteParent, ObjectKey]] = Index("routes-of-parent", {Kind.HTTP_ROUTE: _parents})
"""Parent -> HTTPRoutes that refer to it."""

KUBERNETES_GATEWAYS: Final[Index[str, ObjectKey]] = Index("kubernetes-gateways", {Kind.GATEWAY: _gateway})
"""Empty string -> all gateways of the Gateway API."""

REFERENCE_GRANTS: Final[Index[str, ObjectKey]] = Index("reference-grants", {Kind.REFERENCE_GRANT: by_namespace})
"""Namespace -> its ReferenceGrants."""
