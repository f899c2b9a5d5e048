"""Lists: pages of one moment, revisions, selectors, and other representations."""

import pytest
import pytest_asyncio

from tests.apiserver.cluster import Cluster
from tests.apiserver.document import Document

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 7


def config_map(name: str, **labels: str) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


def names(body: Document) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


@pytest_asyncio.fixture(loop_scope="module")
async def path(cluster: Cluster, namespace: str) -> str:
    """The path of a handful of objects: m-0 to m-6, every other one red."""
    path = f"/api/v1/{namespace}/configmaps"
    for number in range(COUNT):
        await cluster.create(path, config_map(f"m-{number}", color="red" if number % 2 else "blue", of="test"))
    return path


async def test_a_list_says_its_kind_and_its_items_do_not(cluster: Cluster, path: str) -> None:
    body = (await cluster.get(path)).ok()
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(body) == [f"m-{number}" for number in range(COUNT)]
    assert "kind" not in body["items"][0]
    assert "continue" not in body["metadata"]


async def test_pages_show_one_moment(cluster: Cluster, path: str) -> None:
    first = (await cluster.get(path, limit=3)).ok()
    assert names(first) == ["m-0", "m-1", "m-2"]
    assert first["metadata"]["remainingItemCount"] >= COUNT - 3
    await cluster.delete(f"{path}/m-3")
    await cluster.create(path, config_map("m-35"))
    second = (await cluster.get(path, limit=3, **{"continue": first["metadata"]["continue"]})).ok()
    assert names(second) == ["m-3", "m-4", "m-5"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    last = (await cluster.get(path, limit=9, **{"continue": second["metadata"]["continue"]})).ok()
    assert names(last) == ["m-6"]
    assert "continue" not in last["metadata"]


async def test_with_a_selector_pages_do_not_say_how_much_remains(cluster: Cluster, path: str) -> None:
    first = (await cluster.get(path, limit=2, labelSelector="color=blue")).ok()
    assert names(first) == ["m-0", "m-2"]
    assert "remainingItemCount" not in first["metadata"]
    query = {"continue": first["metadata"]["continue"]}
    rest = (await cluster.get(path, limit=9, labelSelector="color=blue", **query)).ok()
    assert names(rest) == ["m-4", "m-6"]


async def test_a_token_that_is_none_is_refused(cluster: Cluster, path: str) -> None:
    answer = await cluster.get(path, limit=1, **{"continue": "nonsense"})
    assert "continue key is not valid" in answer.refused(400, "BadRequest")


async def test_a_page_of_a_compacted_moment_is_gone_but_the_newest_rest_is_offered(cluster: Cluster, path: str) -> None:
    first = (await cluster.get(path, limit=3)).ok()
    await cluster.delete(f"{path}/m-4")
    assert cluster.compact is not None
    await cluster.compact()
    answer = await cluster.get(path, limit=3, **{"continue": first["metadata"]["continue"]})
    if answer.status == 200:
        pytest.skip("this server keeps snapshots of its own, which outlive a compaction")
    assert "continue parameter is too old" in answer.refused(410, "Expired")
    again = (await cluster.get(path, limit=3, **{"continue": answer.body["metadata"]["continue"]})).ok()
    assert names(again) == ["m-3", "m-5", "m-6"]


async def test_an_exact_revision_shows_the_past(cluster: Cluster, path: str) -> None:
    before = (await cluster.get(path)).ok()["metadata"]["resourceVersion"]
    await cluster.delete(f"{path}/m-0")
    past = (await cluster.get(path, resourceVersion=before, resourceVersionMatch="Exact", limit=10)).ok()
    assert "m-0" in names(past)
    assert past["metadata"]["resourceVersion"] == before
    newer = (await cluster.get(path, resourceVersion=before, resourceVersionMatch="NotOlderThan")).ok()
    assert "m-0" not in names(newer)


async def test_a_revision_from_the_future_times_out(cluster: Cluster, path: str) -> None:
    future = int((await cluster.get(path)).ok()["metadata"]["resourceVersion"]) + 1_000_000
    answer = await cluster.get(path, resourceVersion=future)
    assert "Too large resource version" in answer.refused(504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("color=red", ["m-1", "m-3", "m-5"]),
        ("color!=red,of", ["m-0", "m-2", "m-4", "m-6"]),
        ("color in (red, green),of==test", ["m-1", "m-3", "m-5"]),
        ("color notin (red),of", ["m-0", "m-2", "m-4", "m-6"]),
        ("!color,of", []),
    ],
)
async def test_labels_select(cluster: Cluster, path: str, selector: str, expected: list[str]) -> None:
    assert names((await cluster.get(path, labelSelector=selector)).ok()) == expected


async def test_fields_select(cluster: Cluster, path: str) -> None:
    assert names((await cluster.get(path, fieldSelector="metadata.name=m-2")).ok()) == ["m-2"]
    answer = await cluster.get(path, fieldSelector="data.a=1")
    assert "is not a known field selector" in answer.refused(400, "BadRequest")


@pytest.mark.parametrize(
    "query",
    [
        {"resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
        {"resourceVersionMatch": "Newest", "resourceVersion": "5"},
        {"sendInitialEvents": "true"},
        {"watch": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"},
        {"watch": "true", "sendInitialEvents": "true", "allowWatchBookmarks": "true"},
    ],
    ids=str,
)
async def test_contradictory_options_are_refused(cluster: Cluster, path: str, query: dict[str, str]) -> None:
    (await cluster.get(path, **query)).refused(422, "Invalid")


async def test_a_revision_that_is_no_number_is_refused(cluster: Cluster, path: str) -> None:
    answer = await cluster.get(path, resourceVersion="yesterday")
    assert answer.status in {400, 422}


async def test_only_the_metadata_can_be_asked_for(cluster: Cluster, path: str) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    body = (await cluster.get(path, accept=accept, labelSelector="of=test")).ok()
    assert body["kind"] == "PartialObjectMetadataList"
    assert {"data"}.isdisjoint(body["items"][0])
    assert names(body)[0] == "m-0"


async def test_a_table_can_be_asked_for(cluster: Cluster, path: str) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    body = (await cluster.get(path, accept=accept, labelSelector="of=test")).ok()
    assert (body["kind"], body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [column["name"] for column in body["columnDefinitions"]]
    assert (columns[0], columns[-1]) == ("Name", "Age")
    assert [row["cells"][0] for row in body["rows"]] == [f"m-{number}" for number in range(COUNT)]
    assert body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_what_does_not_exist_is_not_found(cluster: Cluster, path: str) -> None:
    answer = await cluster.get(f"{path}/absent")
    assert answer.refused(404, "NotFound") == 'configmaps "absent" not found'
    assert answer.body["details"] == {"name": "absent", "kind": "configmaps"}
    assert (await cluster.get("/apis/nowhere.example/v1/things")).status == 404
