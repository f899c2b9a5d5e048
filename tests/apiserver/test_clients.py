"""The server under clients that were written for the real one: the official Python client, and kubectl."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import client, config, dynamic, watch

from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer

Kubectl = Callable[..., Awaitable[str]]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
"""
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest.fixture
async def python_client(server: ApiServer, tmp_path: Path) -> AsyncIterator[client.ApiClient]:
    """The official client, configured by a kubeconfig."""
    configuration = client.Configuration()
    path = server.write_kubeconfig(tmp_path / "kubeconfig", token=server.tokens.issue("shop", "tester"))
    await config.load_kube_config(str(path), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield api


async def test_the_official_client_reads_pages_and_watches(server: ApiServer, python_client: client.ApiClient) -> None:
    core = client.CoreV1Api(python_client)
    for number in range(5):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"m-{number}"), data={"n": str(number)})
        await core.create_namespaced_config_map("default", body)
    found: list[str | None] = []
    token, revision = None, None
    while token != "":
        page = await core.list_namespaced_config_map("default", limit=2, _continue=token)
        found += [item.metadata.name for item in page.items if item.metadata]
        assert page.metadata is not None
        token, revision = page.metadata._continue or "", page.metadata.resource_version
    assert found == [f"m-{number}" for number in range(5)]
    events: Any = watch.Watch()
    async with events.stream(core.list_namespaced_config_map, "default", resource_version=revision) as stream:
        server.remove("v1", "ConfigMap", "m-1")
        event = await anext(aiter(stream))
    assert (event["type"], event["object"].metadata.name) == ("DELETED", "m-1")


async def test_the_official_client_finds_custom_kinds(server: ApiServer, python_client: client.ApiClient) -> None:
    server.put(NAMESPACE, *mesh_definitions())
    server.put_yaml(VIRTUAL_SERVICE)
    found: Any = await dynamic.DynamicClient(python_client)
    kind = await found.resources.get(api_version="networking.istio.io/v1", kind="VirtualService")
    listed = await kind.get(namespace="shop")
    assert [item.spec.hosts for item in listed.items] == [["web"]]


@pytest.fixture
def kubectl(server: ApiServer, tmp_path: Path) -> Kubectl:
    """Run the real kubectl; its standard output."""
    binary = shutil.which("kubectl")
    if binary is None:
        pytest.skip("no kubectl on PATH")
    kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")

    async def run(*arguments: str, stdin: str = "") -> str:
        command = (binary, "--kubeconfig", str(kubeconfig), "--cache-dir", str(tmp_path / "cache"), *arguments)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        output, errors = await process.communicate(stdin.encode())
        assert process.returncode == 0, f"{arguments}: {errors.decode()}"
        return output.decode()

    return run


async def test_kubectl_applies_reads_scales_and_deletes(server: ApiServer, kubectl: Kubectl) -> None:
    server.put(NAMESPACE)
    assert "created" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "configured" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("web:1", "web:2"))
    await kubectl("scale", "deployment/web", "-n", "shop", "--replicas=3")
    shown: dict[str, Any] = json.loads(await kubectl("get", "deploy", "web", "-n", "shop", "-o", "json"))
    assert shown["spec"]["replicas"] == 3
    assert shown["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    table = (await kubectl("get", "deployments", "-A")).splitlines()
    assert table[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert table[1].split()[:2] == ["shop", "web"]
    await kubectl("delete", "deployment", "web", "-n", "shop")
    assert json.loads(await kubectl("get", "deploy", "-n", "shop", "-o", "json"))["items"] == []


async def test_kubectl_uses_kinds_that_were_installed(server: ApiServer, kubectl: Kubectl) -> None:
    server.put(NAMESPACE)
    definitions = yaml.safe_dump_all(mesh_definitions())
    await kubectl("apply", "-f", "-", stdin=definitions)
    await kubectl("wait", "--for=condition=established", "crd/virtualservices.networking.istio.io", "--timeout=10s")
    await kubectl("apply", "-f", "-", stdin=VIRTUAL_SERVICE)
    await kubectl("label", "virtualservice", "web", "-n", "shop", "x=y")
    patch = '{"spec": {"hosts": ["web", "shop"]}}'
    await kubectl("patch", "virtualservice/web", "-n", "shop", "--type=merge", "-p", patch)
    shown = json.loads(await kubectl("get", "virtualservices.networking.istio.io", "-n", "shop", "-o", "json"))
    assert shown["items"][0]["spec"]["hosts"] == ["web", "shop"]
    assert shown["items"][0]["metadata"]["labels"] == {"x": "y"}
    assert "web" in await kubectl("describe", "virtualservice", "web", "-n", "shop")
    await kubectl("delete", "namespace", "shop", "--timeout=10s")


async def test_kubectl_is_told_about_unknown_fields(server: ApiServer, kubectl: Kubectl) -> None:
    server.put(NAMESPACE)
    wrong = DEPLOYMENT.replace("replicas:", "replica:")
    with pytest.raises(AssertionError, match=r'unknown field "spec\.replica"'):
        await kubectl("apply", "-f", "-", stdin=wrong)
