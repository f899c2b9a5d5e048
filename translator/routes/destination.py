"""Destinations: the cluster that a rule's destination means to a proxy, and how requests to it are hashed."""

from typing import NamedTuple

from translator.database import Database
from translator.indexes import MESH
from translator.model.destination_rule import effective_policy, policy_labels
from translator.model.export import is_exported
from translator.model.service import Resolution, Service, service, visible_service
from translator.names import outbound_cluster
from translator.objects.destination_rule import ConsistentHashLB
from translator.objects.virtual_service import Destination
from translator.routes.context import RouteContext
from translator.routes.hash_policy import consistent_hash


class Target(NamedTuple):
    """A cluster to send to, and the consistent hashing of its DestinationRule if there is any."""

    cluster: str
    hashing: ConsistentHashLB | None = None


def find_target(db: Database, context: RouteContext, namespace: str, destination: Destination) -> Target:
    """What a destination in a rule of ``namespace`` means. Reads through the caller's query.

    A destination that does not exist is named all the same: Envoy answers 503 until it does.
    """
    named = _find_service(db, context, namespace, destination.host)
    found = _follow_alias(db, context.namespace, named)
    host = found.hostname if found else destination.host
    if named is not None and named.resolution is Resolution.ALIAS and found is None:
        host = named.external_name
    explicit = destination.port.number if destination.port else 0
    cluster = outbound_cluster(explicit or _default_port(context, named), destination.subset, host)
    if found is None:
        return Target(cluster)
    labels = policy_labels(db, context.namespace, context.labels, found.hostname)
    policy = effective_policy(db, context.namespace, labels, found.namespace, found.hostname)
    return Target(cluster, consistent_hash(policy, destination.subset, explicit))


def _default_port(context: RouteContext, named: Service | None) -> int:
    """Istio: on a sidecar the port of the listener, on a gateway the service's only port, else the server's.

    Tables of a sidecar without a port take the service's only port too.
    """
    if named is not None and len(named.ports) == 1 and (context.gateway != MESH or not context.port):
        return named.ports[0].number
    return context.port


def _find_service(db: Database, context: RouteContext, namespace: str, host: str) -> Service | None:
    """Istio: gateways prefer the service of the rule's namespace, sidecars that of their own."""
    if context.gateway != MESH:
        own = service(db, namespace, host)
        if own is not None and is_exported(own.export, context.namespace):
            return own
    return visible_service(db, context.namespace, host)


def _follow_alias(db: Database, client_namespace: str, named: Service | None) -> Service | None:
    """The service behind an ExternalName alias, through further aliases; None when they lead out of the mesh."""
    passed: set[str] = set()
    while named is not None and named.resolution is Resolution.ALIAS:
        if named.hostname in passed:
            return None
        passed.add(named.hostname)
        named = visible_service(db, client_namespace, named.external_name)
    return named
