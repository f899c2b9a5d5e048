"""The control plane with the rights of the manifests on a real API server: it follows, serves, and writes statuses."""

from pathlib import Path

import pytest
import yaml

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import KubeconfigAccess
from tests.apiserver import real
from tests.apiserver.cluster import Cluster
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.document import Document
from tests.apiserver.kinds import KindRegistry
from tests.deploy.rendering import NAMESPACE, Manifest
from tests.integration.clusters import endpoints, service, virtual_service
from tests.integration.serving import ANYWHERE, DeltaClient, serve
from xds.types import ENDPOINT

CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def create(cluster: Cluster, document: Document, namespace: str) -> None:
    """Create an object of a built-in kind."""
    kind = KindRegistry().by_kind(document["apiVersion"], document["kind"])
    assert kind is not None
    root = f"/apis/{document['apiVersion']}" if kind.group else "/api/v1"
    place = f"/namespaces/{namespace}" if kind.namespaced else ""
    await cluster.create(f"{root}{place}/{kind.plural}", document)


async def install(cluster: Cluster, manifests: list[Manifest]) -> str:
    """Install the mesh's kinds and the rights of the control plane; returns its token."""
    for name in (NAMESPACE, "shop"):
        await create(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "")
    for definition in mesh_definitions():
        await cluster.create(DEFINITIONS, definition)
    for manifest in manifests:
        account = manifest["kind"] == "ServiceAccount" and manifest["metadata"]["name"] == "fairlead"
        if account or manifest["apiVersion"].startswith("rbac."):
            await create(cluster, manifest, NAMESPACE)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/fairlead/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str((await cluster.create(path, request))["status"]["token"])


def write_kubeconfig(path: Path, url: str, token: str) -> Path:
    """A kubeconfig for a server whose certificate nobody signed."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "real", "user": {"token": token}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
        "current-context": "real",
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.usefixtures("grpc_poller")
async def test_a_real_api_server_is_followed_and_told(written: list[Manifest], tmp_path: Path) -> None:
    if reason := real.missing():
        pytest.skip(reason)
    (tmp_path / "real").mkdir()
    async with real.real_cluster(tmp_path / "real") as cluster:
        token = await install(cluster, written)
        for text in (service(address="10.96.0.77"), endpoints("10.1.0.1")):
            await create(cluster, yaml.safe_load(text), "shop")
        path = write_kubeconfig(tmp_path / "kubeconfig", cluster.url, token)
        source = KubernetesSettings(primary=KubeconfigAccess(path=str(path)), status_interval=0.1)
        settings = ServeSettings(kubernetes=source, xds=ANYWHERE, admin=ANYWHERE, grace=0.2)
        async with serve(settings) as rig, DeltaClient(rig.plane.xds_address) as client:
            await client.introduce()
            await client.until(lambda: CLUSTER in client.clusters())
            await client.subscribe(ENDPOINT, [CLUSTER])
            await client.until(lambda: b"10.1.0.1" in endpoint_bytes(client))
            slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
            (await cluster.patch(f"{slices}/cart-1", {"endpoints": [{"addresses": ["10.1.0.2"]}]})).ok()
            await client.until(lambda: b"10.1.0.2" in endpoint_bytes(client))
            routes = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"
            await cluster.create(routes, yaml.safe_load(virtual_service()))

            async def told() -> None:
                body = (await cluster.get(f"{routes}/cart")).ok()
                conditions = {each["type"]: each["status"] for each in body.get("status", {}).get("conditions", ())}
                if conditions.get("Translated") != "True":
                    raise NotYetError(str(conditions))

            await wait_until(told, context=lambda: str(rig.logs))
            refused = [entry for entry in rig.logs if "forbidden" in str(entry)]
            assert not refused


def endpoint_bytes(client: DeltaClient) -> bytes:
    """The endpoints that a client was sent."""
    held = client.resources.get(ENDPOINT, {})
    return b"".join(resource.resource.value for resource in held.values())
