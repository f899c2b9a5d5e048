"""What proxies can see: services that a Sidecar hides and shows, and addresses for services without any."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.address import Address
from fairlead.bootstrap import BootstrapSettings
from fairlead.identity import ProxyIdentity
from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.workload import Workload
from translator.model.proxy import Role


@pytest.fixture(scope="module", params=[Stream.DELTA, Stream.STATE_OF_THE_WORLD])
def stream(request: pytest.FixtureRequest) -> Stream:
    return Stream(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workloads(mesh: LocalMesh) -> tuple[Workload, Workload]:
    seen, hidden = mesh.workload("seen"), mesh.workload("hidden")
    for workload in (seen, hidden):
        await workload.add()
    return seen, hidden


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000)) as client:
        yield client


SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
  egress: [{hosts: [./seen.default.svc.cluster.local]}]
"""


async def test_a_sidecar_hides_and_shows_services(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient, workloads: tuple[Workload, Workload]
) -> None:
    seen, hidden = (Request("/ip", workload.service.host) for workload in workloads)
    cluster = workloads[1].service.cluster_name()
    for request in (seen, hidden):
        await client.wait_ok(request, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(seen), rate=100) as load:
        (document,) = mesh.folder.apply_yaml(SIDECAR, "default")
        await client.wait_for(hidden, lambda answer: answer.status == 502)
        await sleep.wait_config(lambda config: cluster not in config.clusters)
        # Changes of what is hidden do not reach the proxy any more, and what is shown again is up to date.
        await workloads[1].add()
        await load.wait_count(20)
        assert cluster not in (await sleep.admin.config()).endpoints
        mesh.folder.delete(document)
        await client.wait_ok(hidden, context=mesh.describe)
        await sleep.wait_healthy_hosts(cluster, workloads[1].ready_addresses)
    assert not load.traffic.failed, load.traffic.describe_failures()


DATABASES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME}
spec:
  hosts: [NAME.example.com]
  ports: [{number: 9400, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: IP}]
"""


async def test_services_without_addresses_get_some_where_dns_is_answered(mesh: LocalMesh, stream: Stream) -> None:
    for name in ("one", "two"):
        mesh.folder.apply_yaml(DATABASES.replace("NAME", name).replace("IP", mesh.addresses.ip()), "default")
    identity = ProxyIdentity(
        role=Role.SIDECAR, namespace="default", name="asker", addresses=(mesh.addresses.ip(),), answers_dns=True
    )
    settings = BootstrapSettings(
        xds=Address.parse(mesh.control_plane.xds),
        admin_port=mesh.addresses.port(),
        delta=stream is Stream.DELTA,
    )
    async with Proxy(identity, settings, mesh.workdir) as proxy:

        def allocated(names: list[str]) -> list[str]:
            return [name for name in names if name.startswith("240.240.") and name.endswith("_9400")]

        config = await proxy.wait_config(lambda config: len(allocated(list(config.listeners))) == 2)
        # Two services on one port: each has a listener of its own, which knows its one cluster.
        clusters = {
            name
            for listener in allocated(list(config.listeners))
            for name in ("one", "two")
            if f"outbound|9400||{name}.example.com" in str(config.listeners[listener])
        }
        assert clusters == {"one", "two"}
        assert "0.0.0.0_9400" not in config.listeners
