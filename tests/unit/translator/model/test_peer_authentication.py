"""What workloads ask of their clients, over all scopes of PeerAuthentication."""

import pytest

from tests.unit.translator.mesh_kit import Mesh, peers
from translator.model.peer_authentication import MutualTLS, PeerPolicy, is_superseded, peer_rules
from translator.objects.security import PeerAuthentication

STRICT, PERMISSIVE, DISABLE = MutualTLS.STRICT, MutualTLS.PERMISSIVE, MutualTLS.DISABLE
ROOT = "istio-system"
LATER = "2026-02-01T00:00:00Z"


def policy(*texts: str, namespace: str = "default", **labels: str) -> PeerPolicy:
    """What a workload with these labels asks."""
    return peer_rules(Mesh(*texts).db, namespace).policy_for(labels)


def mesh_wide(mode: str) -> str:
    return peers(f"{{mtls: {{mode: {mode}}}}}", namespace=ROOT)


def namespaced(mode: str) -> str:
    return peers(f"{{mtls: {{mode: {mode}}}}}")


def selecting(app: str, spec: str, **metadata: str) -> str:
    return peers(f"{{selector: {{matchLabels: {{app: {app}}}}}, {spec}}}", **{"name": f"for-{app}", **metadata})


def test_case_01_without_rules_everything_is_accepted() -> None:
    assert policy() == PeerPolicy(PERMISSIVE)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((mesh_wide("STRICT"), namespaced("UNSET")), STRICT),
        ((mesh_wide("STRICT"), peers("{}")), STRICT),
        ((mesh_wide("STRICT"), namespaced("PERMISSIVE")), PERMISSIVE),
        ((mesh_wide("UNSET"),), PERMISSIVE),
        ((namespaced("UNSET"),), PERMISSIVE),
        ((namespaced("STRICT"), selecting("web", "mtls: {mode: DISABLE}")), DISABLE),
        ((namespaced("STRICT"), selecting("web", "mtls: {mode: UNSET}")), STRICT),
        ((namespaced("STRICT"), selecting("other", "mtls: {mode: DISABLE}")), STRICT),
        ((peers("{selector: {}, mtls: {mode: STRICT}}"),), STRICT),
    ],
)
def test_cases_02_to_04_the_narrower_scope_decides(texts: tuple[str, ...], expected: MutualTLS) -> None:
    assert policy(*texts, app="web").mode is expected


def test_case_05_of_two_rules_for_a_namespace_the_older_one_counts() -> None:
    older, newer = namespaced("STRICT"), peers("{mtls: {mode: DISABLE}}", name="a", created=LATER)
    mesh = Mesh(newer, older)
    assert peer_rules(mesh.db, "default").mode is STRICT
    mesh.remove(older)
    assert peer_rules(mesh.db, "default").mode is DISABLE


def test_the_older_one_counts_even_if_it_says_nothing() -> None:
    assert policy(peers("{}"), peers("{mtls: {mode: STRICT}}", name="a", created=LATER)).mode is PERMISSIVE


def test_rules_of_equal_age_count_by_name() -> None:
    assert policy(peers("{mtls: {mode: STRICT}}", name="b"), peers("{mtls: {mode: DISABLE}}", name="a")).mode is DISABLE


def test_case_06_only_the_older_rule_of_a_workload_names_ports() -> None:
    older = selecting("web", "portLevelMtls: {8080: {mode: DISABLE}, '9090': {mode: UNSET}}", name="z")
    newer = selecting("web", "mtls: {mode: DISABLE}, portLevelMtls: {70: {mode: STRICT}}", name="a", created=LATER)
    found = policy(namespaced("STRICT"), older, newer, app="web")
    assert found == PeerPolicy(STRICT, ((8080, DISABLE), (9090, STRICT)))
    assert (found.at(8080), found.at(9090), found.at(70)) == (DISABLE, STRICT, STRICT)


@pytest.mark.parametrize("namespace", ["default", ROOT])
def test_case_07_a_selector_in_the_root_namespace_selects_nobody(namespace: str) -> None:
    text = selecting("web", "mtls: {mode: STRICT}", namespace=ROOT)
    assert policy(text, namespace=namespace, app="web").mode is PERMISSIVE


def test_the_root_namespace_itself_does_as_the_mesh() -> None:
    assert policy(mesh_wide("STRICT"), namespace=ROOT).mode is STRICT


def test_superseded_rules_are_known() -> None:
    mesh = Mesh(namespaced("STRICT"), peers("{}", name="a", created=LATER), selecting("web", "mtls: {mode: DISABLE}"))

    def superseded(name: str) -> bool:
        found = mesh.db.get(PeerAuthentication, "default", name)
        assert found is not None
        return is_superseded(mesh.db, found)

    assert [superseded(name) for name in ("peers", "a", "for-web")] == [False, True, False]
