"""A gateway listens from the moment a Gateway asks for it, and only then."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from tests.e2e.stage import GATEWAY


@pytest_asyncio.fixture(loop_scope="session")
async def client(ingress: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(ingress.address(80), keep_alive=False) as client:
        yield client


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
async def test_refused_before_and_not_found_after(
    mesh: LocalMesh,
    ingress: Proxy,
    client: HttpClient,
    again: bool,  # noqa: FBT001
) -> None:
    refused = await client.get("/")
    assert "refused" in refused.error or "Connect call failed" in refused.error
    assert (await ingress.admin.config()).listener_on(ingress.ports[80]) is None

    documents = mesh.folder.apply_yaml(GATEWAY, "default")
    await client.wait_for(Request("/"), lambda answer: not answer.error, context=mesh.describe)
    for path, host in (("/", None), ("/one", "httpbin.example.org"), ("/status/200", "any.example.org:30934")):
        answer = await client.get(path, host)
        assert (answer.status, answer.service) == (404, ""), str(answer)

    mesh.folder.delete(*documents)
    await ingress.wait_config(lambda config: config.listener_on(ingress.ports[80]) is None)
    await client.wait_for(Request("/"), lambda answer: answer.status is None, context=mesh.describe)
