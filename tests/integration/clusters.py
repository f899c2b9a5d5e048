"""A control plane in this process on API servers in this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import KubernetesSettings, ServeSettings
from fairlead.sources.kubernetes.access import KubeconfigAccess
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer
from tests.integration.serving import ANYWHERE, Rig, serve

ROOT = "istio-system"


def service(name: str = "cart", namespace: str = "shop", address: str = "10.0.0.1") -> str:
    """A Service with one port."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{clusterIP: {address}, ports: [{{name: http, port: 80}}], selector: {{app: {name}}}}}
"""


def endpoints(*addresses: str, name: str = "cart", namespace: str = "shop") -> str:
    """The EndpointSlice of a Service."""
    items = ", ".join(f"{{addresses: [{address}], conditions: {{ready: true}}}}" for address in addresses)
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{items}]
"""


def virtual_service(name: str = "cart", *, prefix: str = "/", namespace: str = "shop") -> str:
    """A VirtualService for a Service of its name."""
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: [{name}]
  http: [{{match: [{{uri: {{prefix: "{prefix}"}}}}], route: [{{destination: {{host: {name}}}}}]}}]
"""


@asynccontextmanager
async def cluster(*texts: str, definitions: bool = True, **options: Any) -> AsyncIterator[ApiServer]:  # noqa: ANN401
    """An API server that holds these objects, and the namespace of the control plane."""
    async with ApiServer(**options) as server:
        if definitions:
            server.put(*mesh_definitions())
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROOT}})
        for text in texts:
            server.put_yaml(text)
        yield server


@asynccontextmanager
async def following(
    server: ApiServer,
    folder: Path,
    *,
    wait: bool = True,
    user: dict[str, Any] | None = None,
    **rest: Any,  # noqa: ANN401
) -> AsyncIterator[Rig]:
    """Serve what an API server holds."""
    path = server.write_kubeconfig(folder / f"config-{server.port}", **(user or {}))
    quick: dict[str, Any] = {"lease_duration": 2.0, "status_interval": 0.1, "sync_timeout": 0.5}
    settings = KubernetesSettings(primary=KubeconfigAccess(path=str(path)), **(quick | rest))
    async with AsyncExitStack() as stack:
        plane = ServeSettings(kubernetes=settings, xds=ANYWHERE, admin=ANYWHERE, grace=0.2)
        yield await stack.enter_async_context(serve(plane, wait=wait))


def put_remote_secret(home: ApiServer, name: str, *kubeconfigs: tuple[str, dict[str, Any]]) -> None:
    """Write a Secret with the kubeconfigs of clusters."""
    home.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": ROOT, "labels": {"istio/multiCluster": "true"}},
            "stringData": {cluster: yaml.safe_dump(content) for cluster, content in kubeconfigs},
        }
    )


async def until_page(rig: Rig, path: str, text: str) -> str:
    """Wait until a text page of the admin interface says something."""

    async def probe() -> str:
        page = str(await rig.page(path))
        if text not in page:
            raise NotYetError(f"{path} says {page!r}")
        return page

    return await wait_until(probe)


async def until_finding(rig: Rig, text: str) -> dict[str, Any]:
    """Wait until there is a finding that says something."""

    async def probe() -> dict[str, Any]:
        found = await rig.findings()
        for finding in found:
            if text in str(finding):
                return finding
        raise NotYetError(f"no finding says {text!r}: {found}")

    return await wait_until(probe)


async def until_no_findings(rig: Rig) -> None:
    """Wait until all is well."""

    async def probe() -> None:
        found = await rig.findings()
        if found:
            raise NotYetError(f"{found}")

    await wait_until(probe)
