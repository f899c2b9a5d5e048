"""Listeners of gateways: mesh TLS by its SNI, ciphers, hosts of namespaces, changes that reset nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.e2e.authority import Authority
from tests.e2e.test_s15_tls_gateway import TlsClient, server, tls_secret
from tests.held_connection import HeldConnection
from tests.listener_updates import ListenerUpdates, listener_updates

LABELS = {"app": "edge", "istio": "edge"}
SECURE = "secure.default.svc.cluster.local"
SNI = f"outbound_.443_._.{SECURE}"
CIPHER = "ECDHE-ECDSA-AES256-GCM-SHA384"


def gateway_object(name: str, *servers: str, namespace: str = "default") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{istio: edge}}
  servers:
{"".join(servers)}"""


def route(name: str, host: str, gateway: str, namespace: str = "default") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: ["{host}"]
  gateways: [{gateway}]
  http: [{{route: [{{destination: {{host: httpbin.default.svc.cluster.local, port: {{number: 8000}}}}}}]}}]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: LocalMesh, stream: Stream, authority: Authority) -> Proxy:
    mesh.folder.apply(tls_secret("wild", authority.issue("*.example.com")))
    mesh.folder.apply_yaml(
        gateway_object(
            "edge",
            server("any.local", "mode: AUTO_PASSTHROUGH", 15443, "TLS").replace("[any.local]", "['*.local']"),
            server("first.example.com", "mode: SIMPLE, credentialName: wild"),
            server(
                "strong.example.com",
                f"mode: SIMPLE, credentialName: wild, maxProtocolVersion: TLSV1_2, cipherSuites: [{CIPHER}]",
            ),
            server("own.example.com", "mode: SIMPLE, credentialName: wild").replace("[own.", "[./own."),
        )
        + route("edge", "*.example.com", "edge")
        + route("stranger", "own.example.com", "default/edge", "istio-system"),
        "default",
    )
    await mesh.workload("httpbin").add()
    secure = mesh.workload(
        "secure",
        ports=(StandInPort(443, 8443, "tls"),),
        build_server=lambda instance: Backend(instance, httpbin.build_application(instance), authority.server(SNI)),
    )
    # Only who speaks the mesh's TLS is reached by its SNI.
    await secure.add(labels={"security.istio.io/tlsMode": "istio"})
    ports = {443: mesh.addresses.port(), 15443: mesh.addresses.port()}
    return await mesh.start_gateway(ports, name="edge", labels=LABELS, stream=stream)


async def handshake(address: str, roots: Path, host: str, *alpn: str) -> ssl.SSLSocket | ssl.SSLObject:
    """TLS with a server by its name. OSError when it does not take place."""
    context = ssl.create_default_context(cafile=str(roots))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    async with connected(address, context, host) as (_, writer):
        found: ssl.SSLSocket | ssl.SSLObject = writer.get_extra_info("ssl_object")
        return found


@asynccontextmanager
async def connected(
    address: str, context: ssl.SSLContext, host: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    ip, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(ip, int(port), ssl=context, server_hostname=host)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_case_26_mesh_tls_ends_at_the_service_that_its_sni_names(
    mesh: LocalMesh, gateway: Proxy, authority: Authority
) -> None:
    async def named() -> None:
        try:
            found = await handshake(gateway.address(15443), authority.roots, SNI, "istio", "http/1.1")
        except OSError as error:
            raise NotYetError(str(error)) from error
        assert found.getpeercert()["subjectAltName"] == (("DNS", SNI),)  # type: ignore[index]

    await wait_until(named, context=mesh.describe)
    # Nothing else is let through: no other host, and no TLS that is not the mesh's.
    for host, alpn in ((SNI.replace("443", "444"), "istio"), (SNI, "http/1.1")):
        with pytest.raises(OSError, match=r".*"):
            await handshake(gateway.address(15443), authority.roots, host, alpn)


async def test_ciphers_and_the_latest_version(gateway: Proxy, authority: Authority) -> None:
    await TlsClient(gateway.address(443), authority.roots).wait("strong.example.com")
    found = await handshake(gateway.address(443), authority.roots, "strong.example.com")
    assert (found.version(), found.cipher()[0]) == ("TLSv1.2", CIPHER)  # type: ignore[index]
    context = ssl.create_default_context(cafile=str(authority.roots))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(OSError, match=r".*"):
        async with connected(gateway.address(443), context, "strong.example.com"):
            pass


async def test_hosts_of_a_namespace_are_for_its_own_rules(gateway: Proxy, authority: Authority) -> None:
    client = TlsClient(gateway.address(443), authority.roots)
    await client.wait("own.example.com")
    tables = (await gateway.admin.config()).routes
    table = next(table for name, table in tables.items() if name.startswith("https.443.own."))
    assert "virtual-service/edge" in str(table)
    assert "virtual-service/stranger" not in str(table)


async def test_servers_that_come_and_go_leave_the_connections_of_others_alone(
    mesh: LocalMesh, gateway: Proxy, authority: Authority
) -> None:
    host, late = "first.example.com", "late.example.com"
    client = TlsClient(gateway.address(443), authority.roots)
    await client.wait(host)
    context = ssl.create_default_context(cafile=str(authority.roots))
    async with HeldConnection(gateway.address(443), tls=context, server_name=host) as held:
        await held.request(host)
        before = await listener_updates(gateway)
        added = mesh.folder.apply_yaml(
            gateway_object("late", server(late, "mode: SIMPLE, credentialName: wild")) + route("late", late, "late"),
            "default",
        )
        await client.wait(late)
        await held.request(host)
        # One update of the one listener, and of its chains alone.
        assert await listener_updates(gateway) - before == ListenerUpdates(in_place=1)
        mesh.folder.delete(*added)

        async def gone() -> None:
            with suppress(OSError):
                await client.get(late)
                raise NotYetError(f"{late} is still served")

        await wait_until(gone, context=mesh.describe)
        await held.request(host)
        assert await listener_updates(gateway) - before == ListenerUpdates(in_place=2, draining_chains=1)


async def test_rules_and_services_behind_a_gateway_leave_its_connections_alone(
    mesh: LocalMesh, gateway: Proxy, authority: Authority
) -> None:
    host = "first.example.com"
    client = TlsClient(gateway.address(443), authority.roots)
    await client.wait(host)
    context = ssl.create_default_context(cafile=str(authority.roots))
    async with (
        HeldConnection(gateway.address(443), tls=context, server_name=host) as requests,
        HeldConnection(gateway.address(15443), tls=mesh_client(authority), server_name=SNI) as passed,
    ):
        await requests.request(host)
        await passed.request(host)
        before = await listener_updates(gateway)
        # A host of a server that is there: routes only.
        mesh.folder.apply_yaml(route("more", "strong.example.com", "edge"), "default")
        await gateway.wait_config(lambda config: "virtual-service/more" in str(config.routes))
        assert await listener_updates(gateway) - before == ListenerUpdates()
        # A service more that mesh TLS is passed to: a chain of its own.
        mesh.workload("beside", ports=(StandInPort(443, 8443, "tls"),))
        await gateway.wait_config(lambda config: "beside.default" in str(config.listeners.values()))
        assert await listener_updates(gateway) - before == ListenerUpdates(in_place=1)
        await requests.request(host)
        await passed.request(host)


def mesh_client(authority: Authority) -> ssl.SSLContext:
    """The TLS of a client that offers what clients of the mesh do."""
    context = ssl.create_default_context(cafile=str(authority.roots))
    context.set_alpn_protocols(["istio", "http/1.1"])
    return context
