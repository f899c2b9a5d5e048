"""Which endpoint assignments the proxies of a View can ask for."""

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from translator.clusters.selection import outbound_clusters, sni_clusters
from translator.database import Database
from translator.engine import query
from translator.model.proxy import ViewKey
from translator.pb import encode
from translator.reference import ResourceReference
from xds.resource import Resource
from xds.types import ENDPOINT


@query
def endpoint_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """One assignment for every cluster that gets its endpoints by EDS."""
    clusters = (*outbound_clusters(db, view), *sni_clusters(db, view))
    return tuple(each.assignment for each in db.paced(clusters) if each.assignment is not None)


def unknown_assignment(name: str) -> Resource:
    """The answer for a cluster that does not exist (any more): Envoy would wait for its endpoints forever."""
    return Resource(ENDPOINT, name, encode(ClusterLoadAssignment(cluster_name=name)))
