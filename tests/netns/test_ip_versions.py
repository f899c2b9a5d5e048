"""Interception of IPv6, alone and beside IPv4: by virtual addresses, by the addresses of pods, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from fairlead.address import Address
from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import wait_until
from fairlead.mesh.workload import Workload
from tests.netns.applications import serve_lines
from translator.model.proxy import Capture, IpFamilies

HTTP, LINES = 8080, 9000
PORTS = (
    StandInPort(80, HTTP, "http"),
    StandInPort(8100, HTTP, "undeclared-http"),
    StandInPort(9000, LINES, "tcp"),
    StandInPort(9100, LINES, "undeclared-tcp"),
)
HOST = "server.default.svc.cluster.local"


class Pods(NamedTuple):
    """A mesh with a client and a server."""

    mesh: NamespaceMesh
    sleep: Proxy
    server: Workload

    @property
    def caller(self) -> NetworkNamespace:
        assert self.sleep.clients is not None
        return self.sleep.clients

    @property
    def virtual_ips(self) -> tuple[str, ...]:
        service = self.server.service
        return (service.cluster_ip, *service.other_cluster_ips)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=[
        (IpFamilies.V6, Capture.REDIRECT),
        (IpFamilies.DUAL, Capture.REDIRECT),
        (IpFamilies.DUAL, Capture.TPROXY),
    ],
    ids=["v6-redirect", "dual-redirect", "dual-tproxy"],
)
async def pods(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pods]:
    families, capture = request.param
    async with NamespaceMesh(tmp_path_factory.mktemp("mesh"), capture=capture, families=families) as mesh:
        server = mesh.workload("server", ports=PORTS, build_server=build)
        await server.add()
        sleep = await mesh.start_client()
        pods = Pods(mesh, sleep, server)

        async def served() -> None:
            for ip in pods.virtual_ips:
                async with HttpClient(str(Address(ip, 80)), pods.caller) as client:
                    await client.wait_ok(Request("/", HOST), context=mesh.describe)

        await wait_until(served, context=mesh.describe)
        yield pods


def build(instance: Instance) -> Any:  # noqa: ANN401 - each a context manager of its own
    return serve_lines(instance) if instance.port == LINES else httpbin.build_backend(instance)


async def exchange(namespace: NetworkNamespace, ip: str, port: int) -> str:
    """Who a server of lines saw. OSError without an answer."""
    reader, writer = await asyncio.open_connection(sock=await namespace.connect(ip, port))
    try:
        writer.write(b"hello\n")
        answer = await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not answer.endswith(b" hello\n"):
        raise ConnectionResetError(f"closed after {answer!r}")
    return unmapped(answer.split()[0].decode())


def unmapped(ip: str) -> str:
    """An address as it is spoken, where a socket for both versions shows IPv4 in the form of IPv6."""
    found = ip_address(ip)
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


@pytest.mark.parametrize("port", [80, 8100])
async def test_http_at_every_virtual_address(pods: Pods, port: int) -> None:
    for ip in pods.virtual_ips:
        async with HttpClient(str(Address(ip, port)), pods.caller) as client:
            answer = await client.get("/ip", HOST)
        assert answer.status == 200
        assert "X-Request-ID" in answer.json["headers"], "the sidecars took it for bytes"


@pytest.mark.parametrize("port", [9000, 9100])
async def test_bytes_at_every_virtual_address(pods: Pods, port: int) -> None:
    for ip in pods.virtual_ips:
        assert await exchange(pods.caller, ip, port)


async def test_the_application_is_called_from_where_its_rules_let_calls_pass(pods: Pods) -> None:
    transparent = pods.mesh.capture is Capture.TPROXY
    (pod,) = pods.server.pods
    own = {ip_address(ip).version: ip for ip in pods.caller.ips}
    for ip in pod.ips:
        version = ip_address(ip).version
        bypass = "127.0.0.6" if version == 4 else "::6"
        assert await exchange(pods.caller, ip, LINES) == (own[version] if transparent else bypass)
        async with HttpClient(str(Address(ip, HTTP)), pods.caller) as client:
            assert (await client.get("/ip", HOST)).service == "server"


async def test_a_port_that_no_service_knows(pods: Pods) -> None:
    (pod,) = pods.server.pods
    for ip in pod.ips:
        listening = pods.mesh.network.namespace(ip).listen(ip, 9999)
        async with serve_lines(Instance("unknown", "v1", ip, 9999, listening)):
            assert await exchange(pods.caller, ip, 9999)


async def test_a_pod_calls_itself_through_its_service(pods: Pods) -> None:
    own = pods.mesh.network.namespace(pods.server.pods[0].ip)
    for ip in pods.virtual_ips:
        assert await exchange(own, ip, 9000)


@pytest.mark.parametrize("port", [15001, 15006])
async def test_calls_of_the_proxy_s_own_ports_do_not_loop(pods: Pods, port: int) -> None:
    (pod,) = pods.server.pods
    own = pods.mesh.network.namespace(pod.ip)
    loopbacks = ("::1", "127.0.0.1")[: len(pod.ips)]
    for namespace, ips in ((pods.caller, pod.ips), (own, pod.ips), (own, loopbacks)):
        for ip in ips:
            with pytest.raises(OSError, match=r".*"):
                await exchange(namespace, ip, port)
    sidecar = next(proxy for proxy in pods.mesh.proxies if proxy.ip == pod.ip)
    stats = await sidecar.admin.stats(r"^listener\..*_150(01|06)\.downstream_cx_total$")
    assert sum(stats.values()) < 100


async def test_case_12_a_service_without_an_address_is_served_at_every_one(pods: Pods) -> None:
    pods.mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: database}}
spec:
  hosts: [database.example.test]
  ports: [{{number: 5432, name: tcp, protocol: TCP, targetPort: {LINES}}}]
  resolution: STATIC
  endpoints: [{{address: "{pods.server.pods[0].ip}"}}]
""",
        "default",
    )
    name = "::_5432" if ip_address(pods.caller.ip).version == 6 else "0.0.0.0_5432"
    await pods.sleep.wait_config(lambda config: name in config.listeners)
    for ip in pods.virtual_ips:
        assert await exchange(pods.caller, ip, 5432)


async def test_readiness_is_told_at_every_address_of_a_pod(pods: Pods) -> None:
    for ip in pods.server.pods[0].ips:
        async with HttpClient(str(Address(ip, 15021)), pods.mesh.network.outside) as client:
            assert (await client.get("/healthz/ready")).status == 200
