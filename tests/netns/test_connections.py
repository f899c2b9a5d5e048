"""Connections that are open while the mesh changes: they are left alone, and few listeners are updated for a change."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort, StandInService, service_document
from fairlead.mesh.netns import NetworkNamespace
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.workload import Workload
from tests.e2e.authority import Authority
from tests.held_connection import HeldConnection
from tests.listener_updates import ListenerUpdates, listener_updates
from tests.netns.applications import serve_lines

HOST = "server.default.svc.cluster.local"
HTTP, LINES, TLS = 8080, 9000, 8443
PORTS = (StandInPort(80, HTTP, "http"), StandInPort(9000, LINES, "tcp"), StandInPort(443, TLS, "tls"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(mesh: NamespaceMesh, authority: Authority) -> Workload:
    def build(instance: Instance) -> Any:  # noqa: ANN401 - each a context manager of its own
        if instance.port == LINES:
            return serve_lines(instance)
        tls = authority.server(HOST) if instance.port == TLS else None
        return Backend(instance, httpbin.build_application(instance), tls)

    workload = mesh.workload("server", ports=PORTS, build_server=build)
    await workload.add()
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(mesh: NamespaceMesh, sleep: Proxy, server: Workload) -> NetworkNamespace:
    """The namespace of a client whose sidecar knows the server."""
    assert sleep.clients is not None
    namespace, address = sleep.clients, f"{server.service.cluster_ip}:80"
    async with HttpClient(address, namespace) as client:
        await client.wait_ok(Request("/", HOST), context=mesh.describe)
    return namespace


class Held(NamedTuple):
    """Connections of somebody: with lines on one, requests on the other."""

    lines: HeldConnection
    requests: HeldConnection

    async def use(self) -> None:
        """Raises OSError if one of them was closed, or is about to be."""
        await self.lines.say()
        await self.requests.request(HOST)


@pytest_asyncio.fixture(loop_scope="session")
async def outbound(caller: NetworkNamespace, server: Workload) -> AsyncIterator[Held]:
    """Connections of an application to the server, through its own sidecar and that of the server."""
    virtual = server.service.cluster_ip
    async with HeldConnection(f"{virtual}:9000", caller) as lines, HeldConnection(f"{virtual}:80", caller) as requests:
        held = Held(lines, requests)
        await held.use()
        yield held


@pytest_asyncio.fixture(loop_scope="session")
async def inbound(mesh: NamespaceMesh, server: Workload, caller: NetworkNamespace) -> AsyncIterator[Held]:
    """Connections to the pod itself, of somebody who has no sidecar."""
    outside, ip = mesh.network.outside, server.pods[0].ip
    async with AsyncExitStack() as stack:
        lines, requests = [
            await stack.enter_async_context(HeldConnection(f"{ip}:{port}", outside)) for port in (LINES, HTTP)
        ]
        held = Held(lines, requests)
        await held.use()
        yield held


@pytest.fixture
def held(inbound: Held, outbound: Held) -> tuple[Held, Held]:
    """Both."""
    return inbound, outbound


@pytest.fixture
def sidecar(mesh: NamespaceMesh, server: Workload) -> Proxy:
    """The sidecar of the server's pod."""
    return next(proxy for proxy in mesh.proxies if proxy.ip == server.pods[0].ip)


async def test_services_and_routes_leave_outbound_connections_alone(
    mesh: NamespaceMesh, sleep: Proxy, outbound: Held
) -> None:
    before = await listener_updates(sleep)
    # One more HTTP service on a port that has a listener: routes only.
    mesh.workload("another", ports=(StandInPort(80, 8080, "http"),))
    await sleep.wait_config(lambda config: "outbound|80||another.default.svc.cluster.local" in config.clusters)
    await sleep.wait_config(lambda config: "another." in str(config.routes["80"]))
    assert await listener_updates(sleep) - before == ListenerUpdates()
    # A TCP service has a listener of its own: exactly one is added.
    database = mesh.workload("database", ports=(StandInPort(5432, 5432, "tcp"),))
    name = f"{database.service.cluster_ip}_5432"
    await sleep.wait_config(lambda config: name in config.listeners)
    assert await listener_updates(sleep) - before == ListenerUpdates(added=1)
    # A route changes no listener.
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: server}}
spec: {{hosts: [{HOST}], http: [{{timeout: 7s, route: [{{destination: {{host: {HOST}}}}}]}}]}}
""",
        "default",
    )
    await sleep.wait_config(lambda config: "7s" in str(config.routes["80"]))
    assert await listener_updates(sleep) - before == ListenerUpdates(added=1)
    await outbound.use()


SECURE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME}
spec:
  hosts: [NAME.example.test]
  ports: [{number: 9443, name: tls, protocol: TLS, targetPort: 8443}]
  resolution: STATIC
  endpoints: [{address: ENDPOINT}]
"""


async def test_one_more_host_of_a_shared_port_changes_its_listener_in_place(
    mesh: NamespaceMesh, sleep: Proxy, caller: NetworkNamespace, server: Workload, authority: Authority
) -> None:
    pod_ip, virtual = server.pods[0].ip, server.service.cluster_ip
    mesh.folder.apply_yaml(SECURE.replace("NAME", "first").replace("ENDPOINT", pod_ip), "default")
    await sleep.wait_config(lambda config: "first.example.test" in str(config.listeners.get("0.0.0.0_9443")))
    context = ssl.create_default_context(cafile=str(authority.roots))
    context.check_hostname = False
    address = f"{virtual}:9443"
    async with HeldConnection(address, caller, tls=context, server_name="first.example.test") as held:
        await held.request(HOST)
        before = await listener_updates(sleep)
        mesh.folder.apply_yaml(SECURE.replace("NAME", "second").replace("ENDPOINT", pod_ip), "default")
        await sleep.wait_config(lambda config: "second.example.test" in str(config.listeners["0.0.0.0_9443"]))
        await held.request(HOST)
        assert await listener_updates(sleep) - before == ListenerUpdates(in_place=1)


def beside(mesh: NamespaceMesh, server: Workload, port: StandInPort) -> dict[str, Any]:
    """One more Service of the server's pod."""
    service = StandInService(f"beside-{port.number}", "default", (port,), mesh.network.cluster_ips()[0])
    document = service_document(service)
    document["spec"]["selector"] = server.service.selector
    return document


@pytest.mark.parametrize(
    "port",
    [StandInPort(8201, 8201, "http"), StandInPort(8202, 8202, "undeclared"), StandInPort(8203, 8203, "tls")],
    ids=lambda port: port.name,
)
async def test_one_more_port_of_a_pod_changes_its_inbound_listener_in_place(
    mesh: NamespaceMesh, server: Workload, sidecar: Proxy, held: tuple[Held, Held], port: StandInPort
) -> None:
    before = await listener_updates(sidecar)
    mesh.folder.apply(beside(mesh, server, port))
    await sidecar.wait_config(lambda config: f"inbound|{port.target}||" in str(config.listeners["virtualInbound"]))
    for each in held:
        await each.use()
    # The one that is added is that of the port, by which the pod itself calls services.
    assert await listener_updates(sidecar) - before == ListenerUpdates(in_place=1, added=1)


async def test_a_port_that_leaves_takes_its_own_connections_only(
    mesh: NamespaceMesh, server: Workload, sidecar: Proxy, inbound: Held
) -> None:
    service = beside(mesh, server, StandInPort(8204, 8204, "http"))
    mesh.folder.apply(service)
    await sidecar.wait_config(lambda config: "inbound|8204||" in str(config.listeners["virtualInbound"]))
    before = await listener_updates(sidecar)
    mesh.folder.delete(service)
    await sidecar.wait_config(lambda config: "inbound|8204||" not in str(config.listeners["virtualInbound"]))
    await inbound.use()
    assert await listener_updates(sidecar) - before == ListenerUpdates(
        in_place=1, removed=1, draining=1, draining_chains=1
    )


async def test_a_port_of_a_sidecar_s_ingress_changes_the_inbound_listener_in_place(
    mesh: NamespaceMesh, server: Workload, sidecar: Proxy, inbound: Held
) -> None:
    def ingress(*ports: str) -> str:
        return f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: server}}
spec:
  workloadSelector: {{labels: {{app: server}}}}
  ingress: [{", ".join(f"{{port: {port}, defaultEndpoint: '0.0.0.0:{HTTP}'}}" for port in ports)}]
"""

    first = "{number: 8301, protocol: HTTP, name: a}"
    (document,) = mesh.folder.apply_yaml(ingress(first), "default")
    await sidecar.wait_config(lambda config: "inbound|8301||" in str(config.listeners["virtualInbound"]))
    async with HeldConnection(f"{server.pods[0].ip}:8301", mesh.network.outside) as held:
        await held.request(HOST)
        before = await listener_updates(sidecar)
        mesh.folder.apply_yaml(ingress(first, "{number: 8302, protocol: GRPC, name: b}"), "default")
        await sidecar.wait_config(lambda config: "inbound|8302||" in str(config.listeners["virtualInbound"]))
        await held.request(HOST)
        assert await listener_updates(sidecar) - before == ListenerUpdates(in_place=1)
    mesh.folder.delete(document)
    await sidecar.wait_config(lambda config: f"inbound|{HTTP}||" in str(config.listeners["virtualInbound"]))


async def test_a_port_whose_server_may_speak_first_replaces_the_inbound_listener_once(
    mesh: NamespaceMesh, server: Workload, sidecar: Proxy, inbound: Held
) -> None:
    """Envoy is told by a list of ports where not to wait for the client, and cannot change the list in place."""
    before = await listener_updates(sidecar)
    mesh.folder.apply(beside(mesh, server, StandInPort(8205, 8205, "tcp")))
    await sidecar.wait_config(lambda config: "inbound|8205||" in str(config.listeners["virtualInbound"]))
    assert await listener_updates(sidecar) - before == ListenerUpdates(replaced=1, added=1, draining=1)
    # Until the drain time is over, nobody is cut off.
    await inbound.lines.say()
