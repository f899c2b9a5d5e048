"""Destinations: a port of a service, or of a subset of it, as one class of clients sees it."""

import msgspec

from translator.database import Database
from translator.endpoints.locality import NetworkPlace, Place
from translator.endpoints.spread import Spread, select_spread
from translator.model.cluster import cluster_name, has_clusters, home_cluster, is_cluster_local
from translator.model.destination_rule import DestinationPolicy, PortPolicy, effective_policy, policy_for
from translator.model.network import network_gateways
from translator.model.proxy import Labels, ViewKey
from translator.model.service import Distribution, Service
from translator.model.workload import augment_labels
from translator.names import outbound_cluster, subset_sni


class Destination(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """What a cluster and its assignment are about.

    They depend of the client on its namespace where rules for the host tell namespaces apart, on those of its labels
    by which rules for the host select, and on where it is as far as that matters for this host. ``by_sni``: clients
    name the destination by the SNI of the mesh's TLS, which a gateway passes on unopened (Istio: AUTO_PASSTHROUGH).
    ``has_identity``: it can show a certificate of the mesh.
    """

    namespace: str
    hostname: str
    port: int
    subset: str = ""
    client_namespace: str
    client_labels: Labels = ()
    place: Place = Place()
    by_sni: bool = False
    has_identity: bool = False

    @property
    def cluster(self) -> str:
        """The name of the cluster and of its assignment."""
        name = subset_sni if self.by_sni else outbound_cluster
        return name(self.port, self.subset, self.hostname)


def destination_policy(db: Database, destination: Destination) -> DestinationPolicy | None:
    """The DestinationRules that apply."""
    return effective_policy(
        db, destination.client_namespace, destination.client_labels, destination.namespace, destination.hostname
    )


def destination_spread(
    db: Database, owner: Service, policy: DestinationPolicy | None, port: int, subset: str
) -> Spread:
    """How the traffic is spread over localities.

    Istio: outlier detection that comes from the mesh's defaults alone does not turn on failover.
    """
    return select_spread(policy_for(policy, port, subset), owner.distribution, db.settings.mesh)


def sends_unhealthy(policy: PortPolicy, distribution: Distribution) -> bool:
    """Whether Envoy is told of endpoints that are not ready.

    Istio: it is, so that failover counts them, unless a panic threshold is asked for, which would send them traffic.
    """
    outlier = policy.outlier_detection
    return distribution is not Distribution.ANY or outlier is None or outlier.min_health_percent <= 0


def panic_threshold(policy: PortPolicy, distribution: Distribution) -> int:
    """The percentage of healthy endpoints below which Envoy sends to all of them. See ``sends_unhealthy``."""
    outlier = policy.outlier_detection
    return 0 if outlier is None or sends_unhealthy(policy, distribution) else outlier.min_health_percent


def place_of(db: Database, view: ViewKey, labels: Labels) -> Place:
    """Where the proxies of a View are; ``labels`` are those of theirs that may matter for that."""
    augmented = augment_labels(dict(labels), view.locality, view.network, view.cluster_id, view.node)
    cluster = cluster_name(db, home_cluster(db, view.cluster_id)) if has_clusters(db) else ""
    return Place(
        locality=view.locality,
        labels=tuple(sorted(augmented.items())),
        node=view.node,
        cluster=cluster,
        network=_network_place(db, view),
    )


def _network_place(db: Database, view: ViewKey) -> NetworkPlace | None:
    """Without gateways, and to who sees all networks, it does not matter where anybody is."""
    if not view.network_view and not network_gateways(db):
        return None
    return NetworkPlace(name=view.network, families=view.families, view=view.network_view)


def passing_place(place: Place, view: ViewKey) -> Place:
    """The place of a gateway that passes mesh TLS on: who came through it wants to get into the gateway's network.

    Istio: unless the gateway asks for other networks. There it has to ask for its own one (``REQUESTED_NETWORK_VIEW``),
    as otherwise what has come into a network may be sent out of it again, to those whom the client weighed already.
    """
    if view.network_view or not view.network:
        return place
    network = NetworkPlace(name=view.network, families=view.families, view=(view.network,))
    return msgspec.structs.replace(place, network=network)


def relevant_place(db: Database, place: Place, hostname: str, spread: Spread, *, node_local: bool) -> Place:
    """The part of ``place`` that matters for a destination."""
    names = spread.label_names
    cluster_local = bool(place.cluster) and (node_local or is_cluster_local(db, hostname))
    return Place(
        locality=place.locality if spread.by_locality else "",
        labels=tuple(pair for pair in place.labels if pair[0] in names) if names else (),
        node=place.node if node_local else "",
        cluster=place.cluster if cluster_local else "",
        network=place.network,
    )
