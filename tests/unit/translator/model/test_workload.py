"""Workloads: what is known of who serves at an address."""

import pytest

from tests.unit.translator.mesh_kit import Mesh, pod
from translator.model.network import NETWORK
from translator.model.workload import (
    HOSTNAME,
    Workload,
    entry_workload,
    has_labels,
    is_pod_ready,
    locality_label,
    pod_key,
    pod_workload,
    split_locality,
)
from translator.objects.registry import Kind, ObjectKey
from translator.objects.workload import WorkloadEntrySpec

NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {%s}}
"""
TOPOLOGY = "topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s"
LEGACY = "failure-domain.beta.kubernetes.io/region: r, failure-domain.beta.kubernetes.io/zone: z"


def workload(*texts: str) -> Workload:
    """The workload of the pod ``web-1``."""
    found = pod_workload(Mesh(*texts).db, pod_key("default", "web-1"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("labels", "node", "expected"),
    [
        ({}, "", ""),
        ({}, TOPOLOGY, "r/z/s"),
        ({}, LEGACY, "r/z/"),
        ({}, "topology.kubernetes.io/region: r", "r//"),
        ({"istio-locality": "a.b.c"}, TOPOLOGY, "a/b/c"),
        ({"topology.istio.io/locality": "a/b", "istio-locality": "c"}, TOPOLOGY, "a/b"),
    ],
)
def test_locality(labels: dict[str, str], node: str, expected: str) -> None:
    assert workload(pod("web-1", "10.1.0.1", labels=labels, nodeName="n1"), NODE % node).locality == expected


def test_a_pod_on_a_node_that_nobody_knows() -> None:
    assert workload(pod("web-1", "10.1.0.1", nodeName="n9")).locality == ""


def test_identity_and_transport() -> None:
    found = workload(pod("web-1", "10.1.0.1", serviceAccountName="bob"))
    assert found.service_account == "spiffe://cluster.local/ns/default/sa/bob"
    assert found.tls_mode == "disabled"
    marked = workload(pod("web-1", "10.1.0.1", labels={"security.istio.io/tlsMode": "istio"}))
    assert marked.service_account == "spiffe://cluster.local/ns/default/sa/default"
    assert marked.tls_mode == "istio"


def test_labels_tell_the_place() -> None:
    found = workload(pod("web-1", "10.1.0.1", labels={"app": "web"}, nodeName="n1"), NODE % TOPOLOGY)
    assert found.labels == {
        "app": "web",
        "topology.kubernetes.io/region": "r",
        "topology.kubernetes.io/zone": "z",
        "topology.istio.io/subzone": "s",
        "topology.istio.io/cluster": "Kubernetes",
        HOSTNAME: "n1",
    }


def test_the_network_of_the_root_namespace_is_the_default() -> None:
    system = """
apiVersion: v1
kind: Namespace
metadata: {name: istio-system, labels: {topology.istio.io/network: net-1}}
"""
    assert workload(pod("web-1", "10.1.0.1"), system).network == "net-1"
    assert workload(pod("web-1", "10.1.0.1"), system).labels[NETWORK] == "net-1"
    assert workload(pod("web-1", "10.1.0.1", labels={NETWORK: "own"}), system).network == "own"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("phase: Running", "phase: Running"), True),
        (("phase: Running", "phase: Failed"), False),
        (("phase: Running", "phase: Succeeded"), False),
        (("type: Ready", "type: Other"), False),
        (("name: web-1", "name: web-1\n  deletionTimestamp: '2026-01-01T00:00:00Z'"), False),
    ],
)
def test_readiness(change: tuple[str, str], expected: bool) -> None:  # noqa: FBT001
    text = pod("web-1", "10.1.0.1")
    assert change[0] in text
    assert is_pod_ready(Mesh(text.replace(*change, 1)).db, pod_key("default", "web-1")) is expected


def test_a_pod_that_does_not_exist() -> None:
    assert pod_workload(Mesh().db, pod_key("default", "web-1")) is None
    assert not is_pod_ready(Mesh().db, pod_key("default", "web-1"))


VM = ObjectKey(Kind.WORKLOAD_ENTRY, "default", "vm")


def test_workload_entries() -> None:
    spec = WorkloadEntrySpec(labels={"app": "vm", "version": "1"}, service_account="bob", locality="a/b", network="n")
    found = entry_workload(Mesh().db, VM, spec, {"version": "2"})
    assert found.service_account == "spiffe://cluster.local/ns/default/sa/bob"
    assert found.tls_mode == "istio"
    assert (found.locality, found.network) == ("a/b", "n")
    assert (found.labels["app"], found.labels["version"]) == ("vm", "2")


def test_workload_entries_without_account_have_no_sidecar() -> None:
    found = entry_workload(Mesh().db, VM, WorkloadEntrySpec(labels={"istio-locality": "a.b"}), {})
    assert (found.tls_mode, found.service_account, found.locality) == ("disabled", "", "a/b")
    own = {"security.istio.io/tlsMode": "istio"}
    assert entry_workload(Mesh().db, VM, WorkloadEntrySpec(), own).tls_mode == "istio"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ("", "", "")), ("a", ("a", "", "")), ("a/b", ("a", "b", "")), ("a/b/c/d", ("a", "b", "c/d"))],
)
def test_split_locality(text: str, expected: tuple[str, str, str]) -> None:
    assert split_locality(text) == expected


def test_locality_label_without_any() -> None:
    assert locality_label({}) == ""


def test_has_labels() -> None:
    assert has_labels({"a": "1", "b": "2"}, {"a": "1"})
    assert has_labels({"a": "1"}, ())
    assert not has_labels({"a": "1"}, (("a", "2"),))
    assert not has_labels({}, {"a": "1"})
