"""Creating, replacing and patching: what the server fills in, keeps, refuses, and what conflicts."""

from typing import Any

import pytest
import pytest_asyncio

from tests.apiserver.cluster import Cluster
from tests.apiserver.document import Document

pytestmark = pytest.mark.asyncio(loop_scope="module")


def config_map(name: str = "a", **metadata: object) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "1"}}


def deployment(replicas: int = 1) -> Document:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": "web:1",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "1"}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


@pytest_asyncio.fixture(loop_scope="module")
async def path(namespace: str) -> str:
    return f"/api/v1/{namespace}/configmaps"


@pytest_asyncio.fixture(loop_scope="module")
async def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/{namespace}/deployments"


async def test_a_new_object_gets_its_identity(cluster: Cluster, path: str) -> None:
    created = await cluster.create(path, config_map(labels={"x": "y"}))
    metadata = created["metadata"]
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["namespace"] == path.split("/")[4]
    assert (await cluster.get(f"{path}/a")).ok()["metadata"]["uid"] == metadata["uid"]


async def test_names_are_made_up_on_request(cluster: Cluster, path: str) -> None:
    made = [await cluster.create(path, {**config_map(), "metadata": {"generateName": "x-"}}) for _ in range(2)]
    first, second = (each["metadata"]["name"] for each in made)
    assert first != second
    assert first.startswith("x-")
    assert len(first) == 7


async def test_a_name_can_be_taken_once(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map())
    answer = await cluster.request("POST", path, config_map())
    assert answer.refused(409, "AlreadyExists") == 'configmaps "a" already exists'


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (config_map(""), 422, "Invalid"),
        (config_map("Not_A_Name"), 422, "Invalid"),
        (config_map(resourceVersion="5"), 500, None),
        (config_map(namespace="elsewhere"), 400, "BadRequest"),
        ({**config_map(), "kind": "Secret"}, 400, "BadRequest"),
    ],
    ids=["unnamed", "ill-named", "versioned", "elsewhere", "other kind"],
)
async def test_what_cannot_be_created_is_refused(
    cluster: Cluster, path: str, body: Document, code: int, reason: str | None
) -> None:
    (await cluster.request("POST", path, body)).refused(code, reason)


async def test_an_object_needs_its_namespace(cluster: Cluster) -> None:
    answer = await cluster.request("POST", "/api/v1/namespaces/absent/configmaps", config_map())
    assert answer.refused(404, "NotFound") == 'namespaces "absent" not found'


async def test_an_update_of_what_has_changed_is_a_conflict(cluster: Cluster, path: str) -> None:
    old = await cluster.create(path, config_map())
    new = (await cluster.update(f"{path}/a", old | {"data": {"a": "2"}})).ok()
    assert int(new["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
    answer = await cluster.update(f"{path}/a", old | {"data": {"a": "3"}})
    assert "the object has been modified" in answer.refused(409, "Conflict")


async def test_an_update_without_a_revision_overwrites(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map())
    assert (await cluster.update(f"{path}/a", config_map() | {"data": {"b": "1"}})).ok()["data"] == {"b": "1"}


async def test_an_update_that_changes_nothing_gets_no_revision(cluster: Cluster, path: str) -> None:
    old = await cluster.create(path, config_map())
    assert (await cluster.update(f"{path}/a", old)).ok()["metadata"]["resourceVersion"] == old["metadata"][
        "resourceVersion"
    ]


async def test_an_update_of_another_incarnation_is_a_conflict(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map())
    answer = await cluster.update(f"{path}/a", config_map(uid="00000000-0000-0000-0000-000000000000"))
    assert "Precondition failed: UID" in answer.refused(409, "Conflict")


async def test_nothing_is_stored_in_a_dry_run(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map(), dryRun="All")
    (await cluster.get(f"{path}/a")).refused(404, "NotFound")


async def test_a_merge_patch_removes_by_null(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map())
    patched = (await cluster.patch(f"{path}/a", {"data": {"a": None, "b": "2"}})).ok()
    assert patched["data"] == {"b": "2"}


async def test_a_json_patch_is_done_as_a_whole_or_not_at_all(cluster: Cluster, path: str) -> None:
    await cluster.create(path, config_map())
    kind = "json-patch+json"
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "test", "path": "/data/a", "value": "no"},
    ]
    answer = await cluster.patch(f"{path}/a", operations, kind)
    assert answer.status == 422
    operations[1]["value"] = "1"
    assert (await cluster.patch(f"{path}/a", operations, kind)).ok()["data"] == {"a": "1", "b": "2"}
    moved = [{"op": "move", "from": "/data/a", "path": "/data/c"}, {"op": "remove", "path": "/data/b"}]
    assert (await cluster.patch(f"{path}/a", moved, kind)).ok()["data"] == {"c": "1"}


async def test_a_patch_with_an_old_revision_is_a_conflict(cluster: Cluster, path: str) -> None:
    old = await cluster.create(path, config_map())
    await cluster.patch(f"{path}/a", {"data": {"a": "2"}})
    stale = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    (await cluster.patch(f"{path}/a", stale)).refused(409, "Conflict")


async def test_a_strategic_merge_finds_list_items_by_their_keys(cluster: Cluster, deployments: str) -> None:
    await cluster.create(deployments, deployment())
    container = {"name": "web", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 81}]}
    other = {"name": "side", "image": "side:1"}
    patch = {"spec": {"template": {"spec": {"containers": [container, other]}}}}
    patched = (await cluster.patch(f"{deployments}/web", patch, "strategic-merge-patch+json")).ok()
    by_name = {each["name"]: each for each in patched["spec"]["template"]["spec"]["containers"]}
    assert by_name.keys() == {"web", "side"}
    assert by_name["web"]["image"] == "web:1"
    assert {each["name"] for each in by_name["web"]["env"]} == {"A", "B"}
    assert {each["containerPort"] for each in by_name["web"]["ports"]} == {80, 81}
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    patched = (await cluster.patch(f"{deployments}/web", gone, "strategic-merge-patch+json")).ok()
    assert [each["name"] for each in patched["spec"]["template"]["spec"]["containers"]] == ["web"]


async def test_generations_count_what_is_wanted(cluster: Cluster, deployments: str) -> None:
    created = await cluster.create(deployments, deployment())
    assert created["metadata"]["generation"] == 1
    labelled = (await cluster.patch(f"{deployments}/web", {"metadata": {"labels": {"x": "y"}}})).ok()
    assert labelled["metadata"]["generation"] == 1
    scaled = (await cluster.patch(f"{deployments}/web", {"spec": {"replicas": 3}})).ok()
    assert scaled["metadata"]["generation"] == 2


async def test_the_status_is_written_through_its_own_path(cluster: Cluster, deployments: str) -> None:
    await cluster.create(deployments, deployment() | {"status": {"replicas": 5}})
    patched = (await cluster.patch(f"{deployments}/web", {"status": {"replicas": 5}})).ok()
    assert not patched.get("status", {}).get("replicas")
    status = {"status": {"replicas": 2}, "spec": {"replicas": 9}}
    written = (await cluster.patch(f"{deployments}/web/status", status)).ok()
    assert written["status"]["replicas"] == 2
    assert written["spec"]["replicas"] == 1
    assert written["metadata"]["generation"] == 1


async def test_the_scale_of_a_deployment_is_a_resource_of_its_own(cluster: Cluster, deployments: str) -> None:
    await cluster.create(deployments, deployment())
    scale = (await cluster.get(f"{deployments}/web/scale")).ok()
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    assert scale["status"]["selector"] == "app=web"
    (await cluster.update(f"{deployments}/web/scale", scale | {"spec": {"replicas": 4}})).ok()
    assert (await cluster.get(f"{deployments}/web")).ok()["spec"]["replicas"] == 4
    (await cluster.patch(f"{deployments}/web/scale", {"spec": {"replicas": 2}})).ok()
    assert (await cluster.get(f"{deployments}/web")).ok()["spec"]["replicas"] == 2


async def test_a_lease_is_taken_by_one(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/{namespace}/leases"
    spec = {"holderIdentity": "one", "leaseDurationSeconds": 30, "renewTime": "2026-01-01T00:00:00.000000Z"}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"}, "spec": spec}
    lease = await cluster.create(path, body)
    (await cluster.update(f"{path}/leader", lease | {"spec": spec | {"holderIdentity": "two"}})).ok()
    (await cluster.update(f"{path}/leader", lease | {"spec": spec | {"holderIdentity": "three"}})).refused(
        409, "Conflict"
    )
    (await cluster.update(f"{path}/leader", body)).refused(422, "Invalid")


async def test_a_body_of_an_unknown_format_is_refused(cluster: Cluster, path: str) -> None:
    answer = await cluster.request("POST", path, config_map(), headers={"Content-Type": "text/plain"})
    answer.refused(415, "UnsupportedMediaType")
