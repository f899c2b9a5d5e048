"""A gateway behind a load balancer that says who calls, with the limits for proxies that strangers reach."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.stage import GATEWAY, ingress_route, start_ingress

MESH = {
    "defaultConfig": {
        "gatewayTopology": {"proxyProtocol": {}},
        "connectionSettings": {"profile": "EDGE", "httpMaxConnectionDuration": "1h"},
    }
}
HOST, CALLER = "httpbin.default.svc.cluster.local", "203.0.113.7"
PREFACE = f"PROXY TCP4 {CALLER} 192.0.2.1 4711 80\r\n"


class Reply(NamedTuple):
    """A status and what the backend saw; nothing if the connection was closed."""

    status: int = 0
    seen: dict[str, Any] = {}  # noqa: RUF012 - never written to


@pytest.fixture(scope="module")
def stream() -> Stream:
    """One kind of stream is enough here."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalMesh]:
    async with LocalMesh(tmp_path_factory.mktemp("mesh"), MESH) as mesh:
        await mesh.workload("httpbin").add()
        mesh.folder.apply_yaml(GATEWAY + "---" + ingress_route(HOST, 8000), "default")
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: LocalMesh, stream: Stream) -> Proxy:
    gateway = await start_ingress(mesh, stream)

    async def served() -> None:
        with suppress(OSError):
            if (await ask(gateway)).status == 200:
                return
        raise NotYetError("not yet served")

    await wait_until(served, context=mesh.describe)
    return gateway


async def ask(gateway: Proxy, path: str = "/ip", *headers: str, preface: str = PREFACE) -> Reply:
    ip, _, port = gateway.address(80).rpartition(":")
    reader, writer = await asyncio.open_connection(ip, int(port))
    try:
        lines = (f"GET {path} HTTP/1.1", f"host: {HOST}", "connection: close", *headers)
        request = "\r\n".join((*lines, "", ""))
        writer.write((preface + request).encode())
        answer = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return Reply()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not answer:
        return Reply()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return Reply(status, json.loads(body) if status == 200 else {})


async def test_case_29_b_the_caller_is_the_one_that_the_load_balancer_names(gateway: Proxy) -> None:
    reply = await ask(gateway)
    assert reply.seen["headers"]["X-Forwarded-For"] == CALLER
    assert (await ask(gateway, preface="")).status != 200, "without the header it could be anybody"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ip", ("x_under_score: 1",), 400),
        ("/ip", ("x-hyphen: 1",), 200),
        ("//ip", (), 200),
        ("/a%2F..%2Fip", (), 307),
    ],
)
async def test_case_30_strangers_meet_limits(gateway: Proxy, path: str, headers: tuple[str, ...], status: int) -> None:
    assert (await ask(gateway, path, *headers)).status == status
