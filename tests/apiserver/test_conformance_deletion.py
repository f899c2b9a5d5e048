"""Deletion: at once, when the finalizers agree, with a grace period, and of whole namespaces."""

import pytest
import pytest_asyncio

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.apiserver.cluster import Cluster
from tests.apiserver.document import Document

pytestmark = pytest.mark.asyncio(loop_scope="module")


def config_map(name: str = "a", **metadata: object) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "1"}}


def pod(name: str, node: str = "") -> Document:
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 7}
    node_name = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec | node_name}


@pytest_asyncio.fixture(loop_scope="module")
async def path(namespace: str) -> str:
    return f"/api/v1/{namespace}/configmaps"


async def test_what_nobody_holds_goes_at_once(cluster: Cluster, path: str) -> None:
    created = await cluster.create(path, config_map())
    body = (await cluster.delete(f"{path}/a")).ok()
    assert (body["kind"], body["status"]) == ("Status", "Success")
    assert body["details"] == {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    (await cluster.delete(f"{path}/a")).refused(404, "NotFound")


async def test_finalizers_hold_an_object(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map(finalizers=["example.com/hold"]))
    going = (await cluster.delete(f"{path}/a")).ok()
    assert going["metadata"]["deletionTimestamp"]
    changed = (await cluster.patch(f"{path}/a", {"data": {"b": "2"}})).ok()
    assert changed["metadata"]["deletionTimestamp"] == going["metadata"]["deletionTimestamp"]
    await cluster.patch(f"{path}/a", {"metadata": {"finalizers": None}})
    (await cluster.get(f"{path}/a")).refused(404, "NotFound")


async def test_preconditions_of_a_deletion_hold_or_it_does_not_happen(cluster: Cluster, path: str) -> None:
    created = await cluster.create(path, config_map())
    other = {"uid": "00000000-0000-0000-0000-000000000000"}
    (await cluster.delete(f"{path}/a", {"preconditions": other})).refused(409, "Conflict")
    (await cluster.delete(f"{path}/a", {"preconditions": {"uid": created["metadata"]["uid"]}})).ok()


async def test_a_pod_that_runs_is_given_time(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/pods"
    created = await cluster.create(path, pod("runs", "some-node"))
    assert created["status"]["phase"] == "Pending"
    start = created["metadata"]["resourceVersion"]
    async with cluster.watch(path, resourceVersion=start) as watch:
        going = (await cluster.delete(f"{path}/runs")).ok()
        assert going["metadata"]["deletionGracePeriodSeconds"] == 7
        (await cluster.delete(f"{path}/runs", {"gracePeriodSeconds": 0})).ok()
        events = await watch.take(2)
    assert events[0] == ("MODIFIED", "runs")
    assert events[-1][0] in {"MODIFIED", "DELETED"}
    (await cluster.get(f"{path}/runs")).refused(404, "NotFound")


async def test_a_pod_that_runs_nowhere_goes_at_once(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/pods"
    await cluster.create(path, pod("waits"))
    (await cluster.delete(f"{path}/waits")).ok()
    (await cluster.get(f"{path}/waits")).refused(404, "NotFound")


async def test_a_collection_is_deleted_by_its_labels(cluster: Cluster, path: str) -> None:
    for name, color in (("a", "red"), ("b", "red"), ("c", "blue")):
        await cluster.create(path, config_map(name, labels={"color": color}))
    (await cluster.delete(path, labelSelector="color=red")).ok()
    left = (await cluster.get(path, labelSelector="color")).ok()
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]


async def test_a_namespace_that_goes_takes_nothing_in(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    await cluster.create(path, config_map(finalizers=["example.com/hold"]))
    going = (await cluster.delete(f"/api/v1/{namespace}")).ok()
    assert going["status"]["phase"] == "Terminating"
    answer = await cluster.request("POST", path, config_map("b"))
    assert "because it is being terminated" in answer.refused(403, "Forbidden")
    await cluster.patch(f"{path}/a", {"metadata": {"finalizers": None}})
    if cluster.is_whole:

        async def gone() -> None:
            answer = await cluster.get(f"/api/v1/{namespace}")
            if answer.status != 404:
                raise NotYetError(str(answer.body))

        await wait_until(gone)
