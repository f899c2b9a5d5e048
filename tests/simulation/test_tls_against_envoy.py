"""SNI: the simulator sends a TLS connection to the service to which a real gateway sends it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import pytest
import pytest_asyncio

from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import GATEWAY_LABELS, GATEWAY_NAMESPACE, LocalMesh
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import wait_until
from tests.simulation.stage import GATEWAY, Stage, tell
from translator.simulation.traffic import Connection

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

RULES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: tls, protocol: TLS}
    hosts: ["*.example.com", single.org, unrouted.org]
    tls: {mode: PASSTHROUGH}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tls, namespace: default}
spec:
  hosts: ["*.example.com", single.org]
  gateways: [edge]
  tls:
  - match: [{sniHosts: [a.example.com, single.org]}]
    route: [{destination: {host: alpha, port: {number: 443}}}]
  - match: [{sniHosts: ["*.b.example.com"]}]
    route: [{destination: {host: beta, port: {number: 443}}}]
  - match: [{sniHosts: ["*.example.com"]}]
    route: [{destination: {host: gamma, port: {number: 443}}}]
"""
NAMES = (
    "a.example.com",
    "A.EXAMPLE.com",
    "b.example.com",
    "x.b.example.com",
    "y.x.b.example.com",
    "x.a.example.com",
    "example.com",
    "single.org",
    "x.single.org",
    "unrouted.org",
    "unknown.org",
    "",
)


class Teller:
    """Says its service's name to whoever says anything, and hangs up."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        """Start."""
        self._server = await asyncio.start_server(self._tell, self._instance.host, self._instance.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.close()
        await self._server.wait_closed()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(self._instance.service.encode())
        writer.close()


class Gateway(NamedTuple):
    """A real gateway's address, and the same mesh in memory."""

    address: str
    port: int
    stage: Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with LocalMesh(tmp_path_factory.mktemp("mesh")) as mesh:
        for name in ("alpha", "beta", "gamma"):
            await mesh.workload(name, ports=(StandInPort(443, 8443, "tls"),), build_server=Teller).add("v1")
        mesh.folder.apply_yaml(RULES)
        port = mesh.addresses.port()
        envoy = await mesh.start_gateway({443: port})
        stage = Stage(*(path.read_text() for path in sorted(mesh.folder.root.rglob("*.yaml"))))

        async def probe() -> None:
            assert await answer(envoy.ip, port, "a.example.com", ()) == "alpha"

        await wait_until(probe, context=mesh.describe)
        yield Gateway(envoy.ip, port, stage)


@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1")])
async def test_a_connection_ends_where_a_real_gateway_sends_it(gateway: Gateway, alpn: tuple[str, ...]) -> None:
    proxy = msgspec.structs.replace(
        GATEWAY,
        namespace=GATEWAY_NAMESPACE,
        addresses=(gateway.address,),
        labels=tuple(sorted(GATEWAY_LABELS.items())),
    )
    foretold, found = {}, {}
    for name in NAMES:
        connection = Connection(address=gateway.address, port=gateway.port, tls=True, sni=name, alpn=alpn)
        end = tell(gateway.stage.connect(proxy, connection))
        foretold[name] = end.split("|")[3].partition(".")[0] if "|" in end else ""
        found[name] = await answer(gateway.address, gateway.port, name, alpn)
    assert found == foretold
    assert set(found.values()) == {"alpha", "beta", "gamma", ""}


async def answer(address: str, port: int, name: str, alpn: tuple[str, ...]) -> str:
    """What is answered to the first message of a TLS client; empty if the connection is closed."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        async with asyncio.timeout(5):
            writer.write(client_hello(name, alpn))
            return (await reader.read()).decode()
    except ConnectionError:
        return ""
    finally:
        writer.close()


def client_hello(name: str, alpn: tuple[str, ...]) -> bytes:
    """The first message of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name or None)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
