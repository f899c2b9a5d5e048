"""Clusters that clients of several namespaces share are those that each would get by its own namespace and labels."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.routes.tables import database, networking, service, sidecar
from tests.unit.translator.routes.test_layer import ENTRIES, EXPORTS, HOSTS, NAMESPACES, SERVICES, exported
from translator.clusters.discovery import client_of
from translator.clusters.outbound import outbound
from translator.clusters.selection import cluster_offers, outbound_clusters
from translator.database import Database
from translator.model.proxy import ViewKey
from translator.model.scope import scope_key, scope_services


def described(host: str, subset: str, seconds: int, selector: dict[str, str] | None) -> str:
    """The specification of a DestinationRule with a subset."""
    pool = {"connectionPool": {"tcp": {"connectTimeout": f"{seconds}s"}}}
    spec = {"host": host, "trafficPolicy": pool, "subsets": [{"name": subset, "labels": {"version": subset}}]}
    return yaml.safe_dump(spec | ({"workloadSelector": {"matchLabels": selector}} if selector else {}))


POLICIES = st.builds(
    lambda name, namespace, spec, export: exported(
        networking("DestinationRule", name, spec, namespace=namespace), export
    ),
    st.sampled_from(["p", "q"]),
    NAMESPACES,
    st.builds(
        described, HOSTS, st.sampled_from(["v1", "v2"]), st.integers(1, 9), st.sampled_from([None, {"app": "web"}])
    ),
    EXPORTS,
)
VIEWS = (sidecar(), sidecar("prod", labels=(("app", "web"),)), sidecar("mesh"), sidecar("istio-system"))


def alone(db: Database, view: ViewKey) -> dict[str, bytes]:
    """The clusters as they are where nothing is shared."""
    client = client_of(view)
    found: dict[str, bytes] = {}
    for owner in scope_services(db, scope_key(db, view)):
        for offer in cluster_offers(db, view.namespace, client, view.labels, (owner.namespace, owner.hostname)):
            built = outbound(db, offer.anywhere.key)
            if owner.port(offer.port) is not None and built is not None:
                found.setdefault(offer.anywhere.name, built.body)
    return found


@given(st.lists(st.one_of(SERVICES, ENTRIES, POLICIES, POLICIES), min_size=1, max_size=10))
def test_what_is_shared_is_what_each_would_get(texts: list[str]) -> None:
    db = database(*texts)
    for view in VIEWS:
        shared = {each.name: outbound(db, each.key) for each in outbound_clusters(db, view)}
        assert {name: built.body for name, built in shared.items() if built is not None} == alone(db, view)


def test_rules_of_a_services_own_namespace_are_the_same_to_everybody() -> None:
    web = service("web", "http-80", namespace="prod")
    public = networking("DestinationRule", "dr", described("web", "v1", 3, None), namespace="prod")
    host = "web.prod.svc.cluster.local"
    private = exported(networking("DestinationRule", "own", described(host, "v2", 5, None), namespace="mesh"), ["."])
    db = database(web, public, private)

    def clients(namespace: str) -> set[str]:
        return {each.key.destination.client_namespace for each in outbound_clusters(db, sidecar(namespace))}

    assert clients("prod") == clients("default") == {""}
    assert clients("mesh") == {"mesh"}
