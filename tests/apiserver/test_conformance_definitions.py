"""Kinds that are installed at run time."""

import itertools

import pytest
import pytest_asyncio

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.apiserver.cluster import Cluster
from tests.apiserver.definitions import definition, mesh_definitions
from tests.apiserver.document import Document
from translator.objects.registry import BY_KIND, Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NUMBERS = itertools.count(1)


async def install(cluster: Cluster, document: Document) -> None:
    """Install a kind, and wait until it is served."""
    await cluster.create(DEFINITIONS, document)
    spec = document["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"

    async def served() -> None:
        answer = await cluster.get(path)
        plurals = [each["name"] for each in answer.body["resources"]] if answer.status == 200 else []
        if spec["names"]["plural"] not in plurals:
            raise NotYetError(f"{path}: {answer.body}")
        listed = await cluster.get(f"{path}/{spec['names']['plural']}")
        if listed.status != 200:
            raise NotYetError(str(listed.body))

    await wait_until(served)


@pytest_asyncio.fixture(loop_scope="module")
async def group(cluster: Cluster) -> str:
    """A group with one kind, Widget, in two versions; v1 has a schema."""
    group = f"g{next(_NUMBERS)}.example.com"
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]}
    size = {"type": "integer", "minimum": 1}
    spec = {"type": "object", "required": ["size"], "properties": {"size": size, "color": {"type": "string"}}}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    versions: list[Document] = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        }
        for name in ("v1", "v1alpha1")
    ]
    body = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    metadata = {"name": f"widgets.{group}"}
    kind = "CustomResourceDefinition"
    await install(cluster, {"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": body})
    return group


def widget(group: str, version: str = "v1", **spec: object) -> Document:
    return {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


async def test_an_installed_kind_is_discovered(cluster: Cluster, group: str) -> None:
    groups = (await cluster.get("/apis")).ok()["groups"]
    (found,) = [each for each in groups if each["name"] == group]
    assert [each["version"] for each in found["versions"]] == ["v1", "v1alpha1"]
    assert found["preferredVersion"]["version"] == "v1"
    resources = {each["name"]: each for each in (await cluster.get(f"/apis/{group}/v1")).ok()["resources"]}
    assert resources.keys() == {"widgets", "widgets/status"}
    assert resources["widgets"]["shortNames"] == ["wd"]
    assert {"list", "watch"} <= set(resources["widgets"]["verbs"])


async def test_an_installed_kind_is_in_the_aggregated_discovery(cluster: Cluster, group: str) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    async def found() -> Document:
        body: Document = (await cluster.get("/apis", accept=accept)).ok()
        assert body["kind"] == "APIGroupDiscoveryList"
        for each in body["items"]:
            if each["metadata"]["name"] == group:
                return dict(each)
        raise NotYetError(group)

    versions = {each["version"]: each for each in (await wait_until(found))["versions"]}
    (resource,) = versions["v1"]["resources"]
    assert resource["resource"] == "widgets"
    assert resource["scope"] == "Namespaced"
    assert [each["subresource"] for each in resource["subresources"]] == ["status"]


async def test_a_definition_says_that_it_is_established(cluster: Cluster, group: str) -> None:
    body = (await cluster.get(f"{DEFINITIONS}/widgets.{group}")).ok()
    conditions = {each["type"]: each["status"] for each in body["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


async def test_versions_are_views_of_one_object(cluster: Cluster, group: str, namespace: str) -> None:
    await cluster.create(f"/apis/{group}/v1alpha1/{namespace}/widgets", widget(group, "v1alpha1", size=3))
    body = (await cluster.get(f"/apis/{group}/v1/{namespace}/widgets")).ok()
    assert body["kind"] == "WidgetList"
    (item,) = body["items"]
    assert (item["apiVersion"], item["kind"], item["spec"]) == (f"{group}/v1", "Widget", {"size": 3})


async def test_an_object_that_breaks_the_schema_is_refused(cluster: Cluster, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1/{namespace}/widgets"
    for spec, field in (({"size": "big"}, "spec.size"), ({"size": 0}, "spec.size"), ({}, "spec.size")):
        answer = await cluster.request("POST", path, widget(group, **spec))
        assert field in answer.refused(422, "Invalid")


async def test_unknown_fields_are_dropped_or_refused(cluster: Cluster, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1/{namespace}/widgets"
    body = widget(group, size=1, weight=2)
    answer = await cluster.request("POST", path, body, query={"fieldValidation": "Strict"})
    assert 'unknown field "spec.weight"' in answer.refused(400, "BadRequest")
    assert (await cluster.create(path, body))["spec"] == {"size": 1}


async def test_the_status_has_its_own_path_and_counts_no_generation(
    cluster: Cluster, group: str, namespace: str
) -> None:
    path = f"/apis/{group}/v1/{namespace}/widgets"
    created = await cluster.create(path, widget(group, size=1) | {"status": {"ready": True}})
    assert "status" not in created
    assert created["metadata"]["generation"] == 1
    patch = {"status": {"conditions": [{"type": "Ready"}]}, "spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}}
    written = (await cluster.patch(f"{path}/a/status", patch)).ok()
    assert written["status"] == {"conditions": [{"type": "Ready"}]}
    assert written["spec"] == {"size": 1}
    assert "labels" not in written["metadata"]
    assert written["metadata"]["generation"] == 1
    changed = (await cluster.patch(f"{path}/a", {"spec": {"size": 2}, "status": None})).ok()
    assert changed["metadata"]["generation"] == 2
    assert changed["status"] == written["status"]


async def test_a_custom_object_has_no_strategic_merge_and_needs_a_revision(
    cluster: Cluster, group: str, namespace: str
) -> None:
    path = f"/apis/{group}/v1/{namespace}/widgets"
    await cluster.create(path, widget(group, size=1))
    answer = await cluster.patch(f"{path}/a", {"spec": {"size": 2}}, "strategic-merge-patch+json")
    answer.refused(415, "UnsupportedMediaType")
    (await cluster.update(f"{path}/a", widget(group, size=2))).refused(422, "Invalid")


async def test_a_watch_of_another_version_sees_the_writes(cluster: Cluster, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1alpha1/{namespace}/widgets"
    start = (await cluster.get(path)).ok()["metadata"]["resourceVersion"]
    async with cluster.watch(path, resourceVersion=start) as watch:
        await cluster.create(f"/apis/{group}/v1/{namespace}/widgets", widget(group, size=1))
        event = await watch.next()
    assert event["object"]["apiVersion"] == f"{group}/v1alpha1"


async def test_a_definition_that_goes_takes_its_objects_along(cluster: Cluster, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1/{namespace}/widgets"
    await cluster.create(path, widget(group, size=1))
    (await cluster.delete(f"{DEFINITIONS}/widgets.{group}")).ok()

    async def gone() -> None:
        answer = await cluster.get(path)
        if answer.status != 404:
            raise NotYetError(str(answer.body))

    await wait_until(gone)


async def test_the_definitions_of_the_mesh_are_accepted(cluster: Cluster, namespace: str) -> None:
    for document in mesh_definitions():
        await install(cluster, document)
    spec = BY_KIND[Kind.VIRTUAL_SERVICE]
    path = f"/apis/{spec.group}/v1/{namespace}/virtualservices"
    body = {
        "apiVersion": f"{spec.group}/v1",
        "kind": spec.kind.bare,
        "metadata": {"name": "a"},
        "spec": {"hosts": ["a"]},
    }
    assert (await cluster.create(path, body))["spec"] == {"hosts": ["a"]}
    assert definition(spec)["metadata"]["name"] == f"virtualservices.{spec.group}"
