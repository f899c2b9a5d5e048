"""Connections through a sidecar with sockets of its own, while services and routes come: they are left alone."""

import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.workload import Workload
from tests.held_connection import HeldConnection
from tests.listener_updates import ListenerUpdates, listener_updates

HOST = "server.default.svc.cluster.local"
PORTS = (StandInPort(8000, 8080, "http"), StandInPort(9000, 9000, "tcp"))
ROUTE = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: server}}
spec: {{hosts: [{HOST}], http: [{{timeout: 7s, route: [{{destination: {{host: {HOST}}}}}]}}]}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(mesh: LocalMesh, sleep: Proxy) -> Workload:
    workload = mesh.workload(
        "server",
        ports=PORTS,
        build_server=lambda each: TcpEcho(each, each.version) if each.port == 9000 else httpbin.build_backend(each),
    )
    await workload.add()
    async with sleep.client(8000) as client:
        await client.wait_ok(Request("/ip", HOST), "server", context=mesh.describe)
    return workload


async def test_services_ports_and_routes_leave_connections_alone(
    mesh: LocalMesh, sleep: Proxy, server: Workload
) -> None:
    async with (
        HeldConnection(sleep.address(9000)) as lines,
        HeldConnection(sleep.address(8000)) as requests,
    ):
        await lines.say()
        await requests.request(HOST)
        before = await listener_updates(sleep)
        # A service more on a port that has a listener, and a route: no listener is touched.
        mesh.workload("another", ports=(StandInPort(8000, 8080, "http"),))
        mesh.folder.apply_yaml(ROUTE, "default")
        await sleep.wait_config(lambda config: "another." in str(config.routes["8000"]))
        await sleep.wait_config(lambda config: "7s" in str(config.routes["8000"]))
        assert await listener_updates(sleep) - before == ListenerUpdates()
        # A port that nobody has listened on: one listener more.
        mesh.workload("database", ports=(StandInPort(5432, 5432, "tcp"),))
        await sleep.wait_config(lambda config: any(name.endswith("_5432") for name in config.listeners))
        assert await listener_updates(sleep) - before == ListenerUpdates(added=1)
        await lines.say()
        await requests.request(HOST)
