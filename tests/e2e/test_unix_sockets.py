"""Sidecars with sockets in the file system: applications that call out through one, and one that is called on one."""

from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until

HOST = "httpbin.default.svc.cluster.local"
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: sockets}
spec:
  workloadSelector: {labels: {app: sockets}}
  egress:
  - {port: {number: 0, protocol: HTTP, name: http}, bind: "unix://EGRESS", hosts: ["*/*"]}
  ingress:
  - {port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: "unix://INGRESS"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sockets are; names of sockets have to be short."""
    return tmp_path_factory.mktemp("s")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sidecar(mesh: LocalMesh, stream: Stream, folder: Path) -> Proxy:
    await mesh.workload("httpbin").add()
    text = SIDECAR.replace("EGRESS", str(folder / "out")).replace("INGRESS", str(folder / "in"))
    mesh.folder.apply_yaml(text, "default")
    pod = StandInPod("sockets", "default", mesh.addresses.ip(), {"app": "sockets"})
    mesh.folder.apply(pod_document(pod))
    return await mesh.start_sidecar(pod, stream)


async def test_an_application_calls_services_through_a_socket(mesh: LocalMesh, sidecar: Proxy, folder: Path) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "out"))) as session:

        async def probe() -> None:
            try:
                async with session.get("http://any/ip", headers={"host": f"{HOST}:8000"}) as response:
                    if response.status != 200:
                        raise NotYetError(f"status {response.status}")
                    assert response.headers["x-service"] == "httpbin"
            except aiohttp.ClientError as error:
                raise NotYetError(str(error)) from error

        await wait_until(probe, context=mesh.describe)
    assert f"unix://{folder / 'out'}" in (await sidecar.admin.config()).routes


async def test_an_application_is_called_on_a_socket(mesh: LocalMesh, sidecar: Proxy, folder: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.path)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(folder / "in")).start()
        async with HttpClient(f"{sidecar.ip}:9080") as client:
            found = await client.wait_ok(Request("/hello"), context=mesh.describe)
        assert found.body == b"/hello"
    finally:
        await runner.cleanup()
