"""Watches: what comes, from where on, and how a watch that cannot go on says so."""

import pytest

from tests.apiserver.cluster import Cluster
from tests.apiserver.document import Document

pytestmark = pytest.mark.asyncio(loop_scope="module")


def config_map(name: str, **labels: str) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


async def revision(cluster: Cluster, path: str) -> str:
    return str((await cluster.get(path)).ok()["metadata"]["resourceVersion"])


async def test_a_watch_sees_every_change_after_its_revision_once_and_in_order(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    start = await revision(cluster, path)
    created = await cluster.create(path, config_map("a"))
    async with cluster.watch(path, resourceVersion=start) as watch:
        await cluster.patch(f"{path}/a", {"data": {"a": "2"}})
        await cluster.delete(f"{path}/a")
        await cluster.create(path, config_map("b"))
        assert await watch.take(4) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in watch.seen]
    assert revisions == sorted(set(revisions))
    assert revisions[0] == int(created["metadata"]["resourceVersion"])


async def test_a_deleted_object_comes_with_its_last_state(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    created = await cluster.create(path, config_map("a"))
    async with cluster.watch(path, resourceVersion=created["metadata"]["resourceVersion"]) as watch:
        await cluster.delete(f"{path}/a")
        event = await watch.next()
    assert event["type"] == "DELETED"
    assert event["object"]["data"] == {"a": "1"}
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])


@pytest.mark.parametrize("start", [{}, {"resourceVersion": "0"}], ids=["unset", "any"])
async def test_without_a_revision_the_watch_begins_with_what_is_there(
    cluster: Cluster, namespace: str, start: dict[str, str]
) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    await cluster.create(path, config_map("mine"))
    async with cluster.watch(path, **start, fieldSelector="metadata.name=mine") as watch:
        assert await watch.take(1) == [("ADDED", "mine")]


async def test_what_enters_or_leaves_the_selection_is_added_or_deleted(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    start = await revision(cluster, path)
    async with cluster.watch(path, resourceVersion=start, labelSelector="color=red") as watch:
        await cluster.create(path, config_map("a", color="blue"))
        await cluster.patch(f"{path}/a", {"metadata": {"labels": {"color": "red"}}})
        await cluster.patch(f"{path}/a", {"data": {"a": "2"}})
        await cluster.patch(f"{path}/a", {"metadata": {"labels": {"color": "blue"}}})
        assert await watch.take(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_streaming_list_ends_with_a_bookmark_and_goes_on(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    for name in ("a", "b"):
        last = await cluster.create(path, config_map(name))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with cluster.watch(path, **query, fieldSelector="metadata.name!=kube-root-ca.crt") as watch:
        assert sorted(await watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        bookmark = await watch.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) >= int(last["metadata"]["resourceVersion"])
        await cluster.delete(f"{path}/a")
        assert await watch.take(1) == [("DELETED", "a")]


async def test_a_watch_ends_after_its_timeout(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/{namespace}/configmaps"
    start = await revision(cluster, path)
    async with cluster.watch(path, resourceVersion=start, timeoutSeconds=1) as watch:
        with pytest.raises(StopAsyncIteration):
            await watch.next()
