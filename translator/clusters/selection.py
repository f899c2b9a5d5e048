"""Which clusters the proxies of a View get."""

from collections.abc import Callable, Iterator

import msgspec

from translator.clusters.discovery import Client, Discovery, client_of, discover
from translator.clusters.inbound import inbound, inbound_keys
from translator.clusters.outbound import OutboundKey, outbound
from translator.clusters.special import (
    black_hole_cluster,
    dynamic_dns_cluster,
    inbound_passthrough_cluster,
    passthrough_cluster,
)
from translator.database import Database
from translator.endpoints.assignment import assignment
from translator.endpoints.destination import Destination, destination_spread, passing_place, place_of, relevant_place
from translator.endpoints.locality import Place
from translator.endpoints.spread import Spread
from translator.engine import query
from translator.indexes import DESTINATION_RULE_HOSTS, POLICY_LABELS
from translator.model.destination_rule import (
    effective_policy,
    named_by_policies,
    policy_for,
    policy_labels,
    policy_namespace,
)
from translator.model.gateway import passed_hosts
from translator.model.host import covers, is_wildcard
from translator.model.proxy import Labels, Role, ViewKey, failover_labels
from translator.model.scope import ScopeKey, exported_services, outbound_traffic_policy, scope_key, scope_services
from translator.model.service import service
from translator.names import (
    BLACK_HOLE_CLUSTER,
    DYNAMIC_DNS_CLUSTER,
    INBOUND_PASSTHROUGH_CLUSTER,
    PASSTHROUGH_CLUSTER,
    inbound_cluster,
)
from translator.objects.sidecar import OutboundTrafficMode
from translator.reference import ResourceReference


class OutboundCluster(msgspec.Struct, frozen=True):
    """An outbound cluster of Views, how it is built, and how the assignment is that it gets its endpoints from."""

    key: OutboundKey
    discovery: Discovery
    cluster: ResourceReference
    assignment: ResourceReference | None

    @property
    def name(self) -> str:
        """The name of the cluster and of its assignment."""
        return self.cluster.name


class ClusterOffer(msgspec.Struct, frozen=True):
    """A cluster that a service offers to clients.

    ``anywhere`` is what those get for whom it does not matter where they are: mostly everybody, so that Views share it.
    ``placed``: it does matter to some.
    """

    port: int
    subset: str
    spread: Spread
    node_local: bool
    anywhere: OutboundCluster
    placed: bool


@query
def cluster_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """All clusters, by name."""
    references = [each.cluster for each in db.paced((*outbound_clusters(db, view), *sni_clusters(db, view)))]
    references.append(ResourceReference(BLACK_HOLE_CLUSTER, black_hole_cluster, ()))
    if view.role is Role.SIDECAR:
        scope = scope_key(db, view)
        references.append(ResourceReference(PASSTHROUGH_CLUSTER, passthrough_cluster, ()))
        if outbound_traffic_policy(db, scope).mode is OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS:
            references.append(ResourceReference(DYNAMIC_DNS_CLUSTER, dynamic_dns_cluster, (view.families,)))
        references += [
            ResourceReference(inbound_cluster(key.port), inbound, (key,))
            for key in inbound_keys(db, view, scope.sidecar)
        ]
        references.append(ResourceReference(INBOUND_PASSTHROUGH_CLUSTER, inbound_passthrough_cluster, (view.families,)))
    return tuple(references)


def outbound_clusters(db: Database, view: ViewKey) -> tuple[OutboundCluster, ...]:
    """The outbound clusters of a View; Views share the list unless DestinationRules tell their proxies apart."""
    names = {*db.members(POLICY_LABELS, view.namespace), *db.members(POLICY_LABELS, "")}
    names |= failover_labels(db.settings.mesh)
    labels = tuple(pair for pair in view.labels if pair[0] in names)
    return _scope_clusters(db, scope_key(db, view), client_of(view), labels, place_of(db, view, labels))


def sni_clusters(db: Database, view: ViewKey) -> tuple[OutboundCluster, ...]:
    """The clusters that clients name by the SNI of the mesh's TLS; only gateways that let it through have any."""
    hosts = passed_hosts(db, view)
    if not hosts:
        return ()
    passed = set(passed_services(db, view.namespace, hosts))
    return tuple(
        _by_sni(each, view)
        for each in db.paced(outbound_clusters(db, view))
        if (each.key.destination.namespace, each.key.destination.hostname) in passed
    )


@query
def passed_services(db: Database, namespace: str, hosts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The services, as namespace and host, that a gateway with these server hosts lets mesh TLS through to.

    Istio: those of the mesh itself whose host belongs to a host of the server.
    """
    return tuple(
        (each.namespace, each.hostname)
        for each in db.paced(scope_services(db, ScopeKey(namespace)))
        if not each.mesh_external and any(covers(host, each.hostname) for host in hosts)
    )


def _by_sni(cluster: OutboundCluster, view: ViewKey) -> OutboundCluster:
    destination = cluster.key.destination
    destination = msgspec.structs.replace(destination, by_sni=True, place=passing_place(destination.place, view))
    return _outbound_cluster(OutboundKey(destination, cluster.key.client), cluster.discovery)


def _outbound_cluster(key: OutboundKey, discovery: Discovery) -> OutboundCluster:
    name = key.destination.cluster
    endpoints = ResourceReference(name, assignment, (key.destination,)) if discovery is Discovery.EDS else None
    return OutboundCluster(key, discovery, ResourceReference(name, outbound, (key,)), endpoints)


@query
def _scope_clusters(
    db: Database, scope: ScopeKey, client: Client, labels: Labels, place: Place
) -> tuple[OutboundCluster, ...]:
    """Istio: where two services of a scope want the same name, the first one gets it."""
    found: dict[str, OutboundCluster] = {}
    common, ruled = _common_offers(db, client), _ruled_hosts(db, scope.namespace)
    is_somewhere = bool(place.cluster) or place.network is not None
    for owner in db.paced(scope_services(db, scope)):
        name = (owner.namespace, owner.hostname)
        offers = common.get(name) if not ruled(owner.hostname) else None
        if offers is None:
            selecting = policy_labels(db, scope.namespace, labels, owner.hostname)
            namespace = policy_namespace(db, scope.namespace, *name)
            offers = cluster_offers(db, namespace, client, selecting, name)
        for offer in offers:
            if owner.port(offer.port) is None:
                continue
            cluster = offer.anywhere
            if offer.placed or is_somewhere:
                where = relevant_place(db, place, owner.hostname, offer.spread, node_local=offer.node_local)
                cluster = _placed(cluster, where)
            found.setdefault(cluster.name, cluster)
    return tuple(found.values())


@query
def _common_offers(db: Database, client: Client) -> dict[tuple[str, str], tuple[ClusterOffer, ...]]:
    """By namespace and host what public services offer to all who have no rules of their own, in whatever namespace."""
    return {
        name: cluster_offers(db, "", client, (), name)
        for name in ((owner.namespace, owner.hostname) for owner in exported_services(db, ""))
        if not any(named_by_policies(db, *name))
    }


def _ruled_hosts(db: Database, namespace: str) -> Callable[[str], bool]:
    """Tells whether a namespace may have DestinationRules for a host. Reads through the caller's query."""
    hosts = frozenset(db.members(DESTINATION_RULE_HOSTS, namespace))
    patterns = tuple(filter(is_wildcard, hosts))
    if not patterns:
        return hosts.__contains__
    return lambda host: host in hosts or any(covers(pattern, host) for pattern in patterns)


def _placed(cluster: OutboundCluster, place: Place) -> OutboundCluster:
    """The cluster for clients at a place."""
    destination = cluster.key.destination
    if destination.place == place:
        return cluster
    destination = msgspec.structs.replace(destination, place=place)
    return _outbound_cluster(OutboundKey(destination, cluster.key.client), cluster.discovery)


@query
def cluster_offers(
    db: Database, client_namespace: str, client: Client, labels: Labels, name: tuple[str, str]
) -> tuple[ClusterOffer, ...]:
    """The clusters of a service, ``name`` being its namespace and host: every port, and every subset on every port."""
    return tuple(_each_offer(db, client_namespace, client, labels, name))


def _each_offer(
    db: Database, client_namespace: str, client: Client, labels: Labels, name: tuple[str, str]
) -> Iterator[ClusterOffer]:
    owner = service(db, *name)
    rules = effective_policy(db, client_namespace, labels, *name)
    if owner is None:
        return
    subsets = ("", *dict.fromkeys(subset.name for subset in rules.subsets)) if rules else ("",)
    for port in owner.ports:
        for subset in subsets:
            policy = policy_for(rules, port.number, subset)
            discovery = discover(owner, port.protocol, policy.load_balancer, client)
            if discovery is None or (subset and discovery is Discovery.DYNAMIC_FORWARD):
                continue
            destination = Destination(
                namespace=owner.namespace,
                hostname=owner.hostname,
                port=port.number,
                subset=subset,
                client_namespace=client_namespace,
                client_labels=labels,
                has_identity=client.has_identity,
            )
            anywhere = _outbound_cluster(OutboundKey(destination, client), discovery)
            spread = destination_spread(db, owner, rules, port.number, subset)
            placed = spread.by_locality or bool(spread.label_names) or owner.node_local
            yield ClusterOffer(port.number, subset, spread, owner.node_local, anywhere, placed)
