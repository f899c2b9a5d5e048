"""The facade and its Views: sharing, atomic commits, last good versions, moves between Views, provenance."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import SIDECAR, endpoint, endpoint_slice, pod, rule, service, writes
from translator.clusters.outbound import OutboundKey, outbound
from translator.database import Database
from translator.engine import QueryFailedError
from translator.model.proxy import Proxy, Role
from translator.objects.mesh_config import MeshConfig
from translator.objects.registry import Kind, ObjectKey
from translator.objects.sidecar import OutboundTrafficMode
from translator.settings import Settings
from translator.store import Write
from translator.translator import Binding, Translator
from translator.view import View
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TYPES

CLUSTER_NAME = "outbound|80||web.default.svc.cluster.local"
OTHER = msgspec.structs.replace(SIDECAR, name="other", addresses=("10.9.9.8",))


def translator_with(*texts: str) -> Translator:
    """A translator that holds the objects of YAML texts."""
    translator = Translator(Settings())
    add(translator, *texts)
    return translator


def add(translator: Translator, *texts: str) -> None:
    """Create or replace objects."""
    translator.apply(write for text in texts for write in writes(text))


def remove(translator: Translator, text: str) -> None:
    """Delete the objects that a text shows."""
    translator.apply(Write(write.key, None) for write in writes(text))


def refresh(view: View) -> dict[str, set[str]]:
    """Bring a View up to date; the names that changed, by the short names of their types."""
    for _ in view.refresh():
        pass
    changed = view.commit()
    return {traits.short_name: set(changed[traits.type_url]) for traits in TYPES if traits.type_url in changed}


def served(translator: Translator, proxy: Proxy = SIDECAR) -> Binding:
    """A bound proxy whose View is up to date."""
    binding = translator.bind(proxy)
    refresh(binding.view)
    return binding


WEB = (service(), pod("web-1", "10.1.0.1"), endpoint_slice("web-a", endpoint("10.1.0.1", "web-1")))


def test_proxies_with_equal_keys_share_one_view_and_the_last_one_drops_it() -> None:
    translator = translator_with(*WEB)
    first, second = served(translator), translator.bind(OTHER)
    assert first.view is second.view
    assert not second.view.is_stale
    first.close()
    assert list(translator.views) == [second.view]
    second.close()
    assert list(translator.views) == []
    translator.db.sweep()
    translator.db.release_unused()
    assert len(translator.db) == 0


def test_a_view_that_is_closed_but_not_swept_yet_is_not_stale_again() -> None:
    translator = translator_with(*WEB)
    served(translator).close()
    add(translator, service("api"))
    assert list(translator.stale_views) == []
    binding = served(translator)
    translator.db.sweep()
    assert "outbound|80||api.default.svc.cluster.local" in binding.view.resources(CLUSTER)


def test_a_change_shows_only_when_it_is_committed_and_then_for_all_types_together() -> None:
    translator = translator_with()
    view = served(translator).view
    add(translator, *WEB)
    assert list(translator.stale_views) == [view]
    for _ in view.refresh():
        assert CLUSTER_NAME not in view.resources(CLUSTER)
        assert CLUSTER_NAME not in view.resources(ENDPOINT)
        assert "80" not in view.resources(ROUTE)
    assert set(view.commit()) == {CLUSTER, ENDPOINT, LISTENER, ROUTE}
    assert CLUSTER_NAME in view.resources(CLUSTER)
    assert CLUSTER_NAME in view.resources(ENDPOINT)
    assert "80" in view.resources(ROUTE)


def test_only_what_differs_is_reported() -> None:
    translator = translator_with(*WEB)
    view = served(translator).view
    add(translator, endpoint_slice("web-a", endpoint("10.1.0.1", "web-1"), endpoint("10.1.0.2")))
    assert refresh(view) == {"eds": {CLUSTER_NAME}}
    add(translator, rule("{trafficPolicy: {loadBalancer: {simple: RANDOM}}}"))
    assert refresh(view) == {"cds": {CLUSTER_NAME}}
    remove(translator, WEB[0])
    changed = refresh(view)
    assert CLUSTER_NAME in changed["cds"]
    assert CLUSTER_NAME not in view.resources(CLUSTER)


def test_a_write_that_changes_nothing_makes_nothing_stale() -> None:
    translator = translator_with(*WEB)
    view = served(translator).view
    assert translator.apply(write for text in WEB for write in writes(text)) == set()
    assert not view.is_stale


def test_a_change_and_its_undoing_before_a_refresh_change_nothing() -> None:
    translator = translator_with(*WEB)
    view = served(translator).view
    add(translator, endpoint_slice("web-a"))
    add(translator, WEB[2])
    assert refresh(view) == {}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of clusters whose building fails, as a bug in a builder would make it."""
    names: set[str] = set()
    genuine = outbound.function

    def build(db: Database, key: OutboundKey) -> Resource | None:
        resource = genuine(db, key)
        if resource is not None and resource.name in names:
            raise ValueError(resource.name)
        return resource

    monkeypatch.setattr(outbound, "function", build)
    return names


def test_a_resource_that_fails_keeps_its_last_good_version_and_disturbs_no_other(broken: set[str]) -> None:
    translator = translator_with(*WEB)
    view = served(translator).view
    before = view.resources(CLUSTER)[CLUSTER_NAME]
    broken.add(CLUSTER_NAME)
    add(translator, rule("{trafficPolicy: {loadBalancer: {simple: RANDOM}}}"), service("db"))
    changed = refresh(view)
    assert "outbound|80||db.default.svc.cluster.local" in changed["cds"]
    assert view.resources(CLUSTER)[CLUSTER_NAME] == before
    (failure,) = view.failures
    assert (failure.type_url, failure.name, failure.part) == (CLUSTER, CLUSTER_NAME, "")
    assert "DestinationRule default/rule" in map(str, translator.blamed(failure))
    assert isinstance(failure.error, QueryFailedError)
    assert isinstance(failure.error.__cause__, ValueError)
    broken.clear()
    add(translator, rule("{trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}"))
    assert refresh(view) == {"cds": {CLUSTER_NAME}}
    assert not view.failures


def test_the_origins_of_a_resource_are_the_objects_that_shaped_it() -> None:
    translator = translator_with(*WEB, rule("{trafficPolicy: {loadBalancer: {simple: RANDOM}}}"), service("db"))
    view = served(translator).view
    assert translator.origins(view, CLUSTER, CLUSTER_NAME) == (
        ObjectKey(Kind.DESTINATION_RULE, "default", "rule"),
        ObjectKey(Kind.SERVICE, "default", "web"),
    )
    assert set(translator.origins(view, ENDPOINT, CLUSTER_NAME)) >= {
        ObjectKey(Kind.ENDPOINT_SLICE, "default", "web-a"),
        ObjectKey(Kind.POD, "default", "web-1"),
        ObjectKey(Kind.SERVICE, "default", "web"),
    }
    assert translator.origins(view, CLUSTER, "nothing of that name") == ()


GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: entrance, namespace: default}
spec:
  selector: {app: gateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: default}
spec:
  hosts: ["*"]
  gateways: [entrance]
  http: [{route: [{destination: {host: web}}]}]
"""


def test_listeners_and_gateways_too_know_the_objects_of_their_plans() -> None:
    translator = translator_with(*WEB, service("db", ports="{name: tcp, port: 5432}"), GATEWAY)
    workload = served(translator, msgspec.structs.replace(SIDECAR, name="web-1", addresses=("10.1.0.1",))).view
    web, db = ObjectKey(Kind.SERVICE, "default", "web"), ObjectKey(Kind.SERVICE, "default", "db")
    assert translator.origins(workload, LISTENER, "0.0.0.0_80") == (web,)
    assert db in translator.origins(workload, LISTENER, "10.0.0.1_5432")
    assert translator.origins(workload, LISTENER, "virtualInbound") == (web,)
    proxy = msgspec.structs.replace(SIDECAR, role=Role.GATEWAY, name="gateway", labels=(("app", "gateway"),))
    gateway, entrance = served(translator, proxy).view, ObjectKey(Kind.ISTIO_GATEWAY, "default", "entrance")
    assert translator.origins(gateway, LISTENER, "0.0.0.0_80") == (entrance,)
    assert set(translator.origins(gateway, ROUTE, "http.80")) >= {
        entrance,
        ObjectKey(Kind.VIRTUAL_SERVICE, "default", "routes"),
    }


def test_a_proxy_moves_to_another_view_when_a_rule_selects_it() -> None:
    translator = translator_with(*WEB)
    labelled = msgspec.structs.replace(SIDECAR, labels=(("app", "special"),))
    binding, before = served(translator, labelled), translator.bind(OTHER).view
    assert binding.view is before
    add(
        translator,
        """
        apiVersion: networking.istio.io/v1
        kind: Sidecar
        metadata: {name: special, namespace: default}
        spec: {workloadSelector: {labels: {app: special}}, egress: [{hosts: ["~/*"]}]}
        """,
    )
    assert binding in translator.stale_bindings
    assert binding.rebind()
    assert binding.view is not before
    refresh(binding.view)
    assert CLUSTER_NAME not in binding.view.resources(CLUSTER)
    assert not translator.stale_bindings or binding not in translator.stale_bindings


def test_other_mesh_settings_reach_every_view() -> None:
    translator = translator_with(*WEB)
    view = served(translator).view
    policy = MeshConfig().outbound_traffic_policy
    closed = msgspec.structs.replace(policy, mode=OutboundTrafficMode.REGISTRY_ONLY)
    translator.db.replace_settings(Settings(mesh=MeshConfig(outbound_traffic_policy=closed)))
    assert "rds" in refresh(view)
    with pytest.raises(ValueError, match="domain suffix"):
        translator.db.replace_settings(Settings(domain_suffix="other.local"))


def test_unknown_endpoints_and_routes_are_answered_empty_and_unknown_clusters_not() -> None:
    view = served(translator_with()).view
    endpoints, route = view.fallback(ENDPOINT, CLUSTER_NAME), view.fallback(ROUTE, "8080")
    assert endpoints is not None
    assert endpoints.name == CLUSTER_NAME
    assert route is not None
    assert route.name == "8080"
    assert view.fallback(CLUSTER, CLUSTER_NAME) is None
