"""Hosts outside of the mesh as intercepted workloads reach them: by the address that they dial."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.iptables.apply import apply_programs, detect_versions
from fairlead.iptables.settings import CaptureSettings
from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPort, StandInService
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Place, Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from translator.model.proxy import Capture, Role


@pytest.fixture(scope="module")
def capture() -> Capture:
    return Capture.REDIRECT


class Outside:
    """A machine that the mesh knows nothing of: HTTP on port 8000, a TCP service on 9000."""

    def __init__(self, ip: str, web: Backend, echo: TcpEcho) -> None:
        self.ip, self.web, self.echo = ip, web, echo


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outside(mesh: NamespaceMesh) -> AsyncIterator[Outside]:
    ip = mesh.network.ip()
    namespace = mesh.network.namespace(ip)
    web = httpbin.build_backend(Instance("outside", "v1", ip, 8000, namespace.listen(ip, 8000)))
    echo = TcpEcho(Instance("outside", "v1", ip, 9000, namespace.listen(ip, 9000)), "row")
    async with web, echo:
        yield Outside(ip, web, echo)


@pytest_asyncio.fixture(loop_scope="session")
async def web(sleep: Proxy, outside: Outside) -> AsyncIterator[HttpClient]:
    """The application beside the sidecar, which dials the machine outside."""
    async with HttpClient(f"{outside.ip}:8000", sleep.clients, keep_alive=False) as client:
        yield client


@pytest.fixture
def database(sleep: Proxy, outside: Outside) -> TcpClient:
    return TcpClient(f"{outside.ip}:9000", sleep.clients)


@contextmanager
def applied(mesh: NamespaceMesh, text: str) -> Iterator[None]:
    """Objects that are there for the length of a block."""
    documents = mesh.folder.apply_yaml(text, "default")
    yield
    mesh.folder.delete(*documents)


REGISTRY_ONLY = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
"""
# A service on the port gives it a listener, on which unknown hosts are told apart from known ones.
LISTENER = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: listener}
spec:
  hosts: [listener.example.test]
  ports: [{number: 8000, name: http, protocol: HTTP}]
  resolution: STATIC
"""
BOTH_PORTS = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: registered}
spec:
  hosts: [registered.example.test]
  addresses: [ADDRESS]
  ports: [{number: 8000, name: http, protocol: HTTP}, {number: 9000, name: tcp, protocol: TCP}]
  resolution: NONE
"""
UNKNOWN = Request("/ip", "unknown.example.test")
REGISTERED = Request("/ip", "registered.example.test")


async def wait_row(database: TcpClient) -> None:
    async def probe() -> None:
        answer = await database.send("select")
        if answer.body != b"row select\n":
            raise NotYetError(str(answer))

    await wait_until(probe)


@pytest.mark.parametrize("listener", ["", LISTENER], ids=["port without services", "port with services"])
async def test_unknown_hosts_are_reached_where_any_may_be(
    mesh: NamespaceMesh, web: HttpClient, database: TcpClient, listener: str
) -> None:
    with applied(mesh, listener):
        await web.wait_ok(UNKNOWN, "outside", context=mesh.describe)
        await wait_row(database)


async def test_unknown_hosts_are_refused_where_only_known_ones_may_be(
    mesh: NamespaceMesh, web: HttpClient, database: TcpClient, outside: Outside
) -> None:
    with applied(mesh, f"{REGISTRY_ONLY}---{LISTENER}"):
        await web.wait_for(UNKNOWN, lambda answer: answer.status == 502, context=mesh.describe)
        answer = await database.send("select")
        assert (answer.body, bool(answer.error)) == (b"", True)
        requests, connections = outside.web.requests, outside.echo.connections
        assert (await web.send(UNKNOWN)).status == 502
        assert (await database.send("select")).error
        assert (outside.web.requests, outside.echo.connections) == (requests, connections)


async def test_a_registered_host_without_resolution_is_reached_where_it_was_dialled(
    mesh: NamespaceMesh, web: HttpClient, database: TcpClient, outside: Outside
) -> None:
    with applied(mesh, f"{REGISTRY_ONLY}---{BOTH_PORTS.replace('ADDRESS', outside.ip)}"):
        await web.wait_ok(REGISTERED, "outside", context=mesh.describe)
        await wait_row(database)
        assert (await web.send(UNKNOWN)).status == 502


async def test_a_headless_service_is_reached_pod_by_pod(mesh: NamespaceMesh, sleep: Proxy) -> None:
    service = StandInService("headless", "default", (StandInPort(9100, 9100, "tcp"),), "")

    def build_echo(instance: Instance) -> TcpEcho:
        return TcpEcho(instance, instance.host)

    workload = Workload(service, mesh.folder, mesh.network, build_echo)
    try:
        for pod in await workload.add(replicas=2):
            client = TcpClient(workload.address(pod), sleep.clients)
            await sleep.wait_config(lambda config, name=f"{pod.ip}_9100": name in config.listeners)  # type: ignore[misc]
            assert (await client.send("hello")).body == f"{pod.ip} hello\n".encode()
    finally:
        await workload.close()


ALLOCATED = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME}
spec:
  hosts: [NAME.example.test]
  ports: [{number: 9400, name: tcp, protocol: TCP, targetPort: 9000}]
  resolution: STATIC
  endpoints: [{address: IP}]
"""


async def test_services_on_one_port_are_told_apart_by_the_addresses_they_were_given(
    mesh: NamespaceMesh, outside: Outside
) -> None:
    other = mesh.network.ip()
    echo = TcpEcho(Instance("other", "v1", other, 9000, mesh.network.namespace(other).listen(other, 9000)), "line")
    for name, ip in (("one", outside.ip), ("two", other)):
        mesh.folder.apply_yaml(ALLOCATED.replace("NAME", name).replace("IP", ip), "default")
    ip = mesh.network.ip()
    identity = ProxyIdentity(role=Role.SIDECAR, namespace="default", name="asker", addresses=(ip,), answers_dns=True)
    settings = BootstrapSettings(xds=Address.parse(mesh.control_plane.xds), admin_port=mesh.addresses.port())
    place = Place(mesh.network.namespace(ip), mesh.network.outside)
    async with echo, Proxy(identity, settings, mesh.workdir, None, place) as proxy:
        with mesh.network.namespace(ip).entered():
            apply_programs(CaptureSettings(mode=Capture.REDIRECT), detect_versions())
        config = await proxy.wait_config(lambda config: len(list(allocated(config.listeners))) == 2)
        replies = {
            (await TcpClient(f"{address}:9400", proxy.clients).send("x")).body
            for address in allocated(config.listeners)
        }
    assert replies == {b"row x\n", b"line x\n"}


def allocated(listeners: object) -> Iterator[str]:
    """The allocated addresses that a proxy listens on."""
    for name in listeners:  # type: ignore[attr-defined]
        if name.startswith("240.240.") and name.endswith("_9400"):
            yield name.removesuffix("_9400")
