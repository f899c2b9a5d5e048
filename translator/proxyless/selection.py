"""Which resources the clients of a View can ask for: gRPC asks for every one by its name, and there are no others."""

from translator.clusters.discovery import Discovery
from translator.clusters.selection import outbound_clusters
from translator.database import Database
from translator.engine import query
from translator.model.proxy import ViewKey
from translator.model.scope import scope_key
from translator.names import outbound_cluster
from translator.proxyless.cluster import call_cluster
from translator.proxyless.listener import api_listener
from translator.proxyless.route import call_routes
from translator.proxyless.target import Target, call_targets, spelled_targets
from translator.reference import ResourceReference
from translator.routes.selection import relevant_labels


@query
def call_listener_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """A listener for every spelling of every target."""
    spelled = spelled_targets(db, scope_key(db, view), view.dns_domain)
    return tuple(ResourceReference(name, api_listener, (name, _route(target))) for name, target in spelled.items())


@query
def call_route_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """A route table for every target."""
    return tuple(
        ResourceReference(
            _route(target), call_routes, (_route(target), target, relevant_labels(db, view, target.place))
        )
        for target in call_targets(db, scope_key(db, view))
    )


@query
def call_cluster_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """The clusters, subsets included, that get their endpoints by EDS: gRPC resolves no names for them."""
    return tuple(
        ResourceReference(cluster.name, call_cluster, (cluster.key,))
        for cluster in outbound_clusters(db, view)
        if cluster.discovery is Discovery.EDS
    )


def _route(target: Target) -> str:
    """Istio: a table is called as the cluster that calls go to without any rule."""
    return outbound_cluster(target.port, "", target.hostname)
