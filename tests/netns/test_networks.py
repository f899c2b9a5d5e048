"""Two networks: what is in the other one is reached through its gateway, by mutual TLS that nobody opens in between."""

import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.address import Address
from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.workload import Workload
from tests.e2e.outside import DnsServer

NETWORK = "topology.istio.io/network"
HERE, THERE = {NETWORK: "n1"}, {NETWORK: "n2"}
SECURED = {"security.istio.io/tlsMode": "istio"}
CLUSTER = "outbound|8000||httpbin.default.svc.cluster.local"
PASSED = "outbound_.8000_._.httpbin.default.svc.cluster.local"
REQUEST = Request("/ip", "httpbin:8000")
PORT = 15443

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: east-west, namespace: istio-system}}
spec:
  selector: {{istio: eastwestgateway}}
  servers: [{{port: {{number: {port}, name: tls, protocol: TLS}}, hosts: ['*.local'], tls: {{mode: AUTO_PASSTHROUGH}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: into-n2, namespace: istio-system, labels: {{topology.istio.io/network: n2}}}}
spec: {{clusterIP: None, externalIPs: [{ip}], ports: [{{name: tls, port: {port}}}]}}
"""
NAMED = """
apiVersion: v1
kind: Service
metadata: {{name: into-n2, namespace: istio-system, labels: {{topology.istio.io/network: n2}}}}
spec: {{clusterIP: None, ports: [{{name: tls, port: {port}}}]}}
status: {{loadBalancer: {{ingress: [{{hostname: into-n2.example.com}}]}}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    folder = tmp_path_factory.mktemp("mesh")
    mesh = NamespaceMesh(folder, identities=MeshIdentities(folder / "identities"))
    control_plane = mesh.network.namespace(Address.parse(mesh.control_plane.xds).host)
    mesh.network.network.use_name_server(control_plane, mesh.network.outside.ip)
    async with mesh:
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(mesh: NamespaceMesh) -> Proxy:
    """The gateway of the other network."""
    labels = {"app": "eastwest", "istio": "eastwestgateway", **THERE}
    proxy = await mesh.start_gateway({PORT: PORT}, name="eastwest", labels=labels)
    mesh.objects.apply_yaml(GATEWAY.format(ip=proxy.ip, port=PORT))
    return proxy


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh) -> Proxy:
    """A client in the first network."""
    pod = StandInPod("sleep", "default", mesh.addresses.ip(), {"app": "sleep", **HERE})
    mesh.objects.apply(pod_document(pod))
    return await mesh.start_sidecar(pod)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: NamespaceMesh) -> Workload:
    """One pod in each network, and one in the other that does not speak mesh TLS: nobody can name it to a gateway."""
    workload = mesh.workload("httpbin")
    await workload.add(labels={**HERE, **SECURED})
    await workload.add(labels={**THERE, **SECURED})
    await workload.add("plain", labels=THERE)
    return workload


async def test_case_35_another_network_is_entered_through_its_gateway(
    mesh: NamespaceMesh, gateway: Proxy, sleep: Proxy, httpbin: Workload
) -> None:
    near, far, _ = httpbin.pods
    near_address, far_address = httpbin.address(near), httpbin.address(far)
    await sleep.wait_healthy_hosts(CLUSTER, {near_address, str(Address(gateway.ip, PORT))})
    # Who comes in through the gateway is not sent out of the network again.
    await gateway.wait_healthy_hosts(PASSED, {far_address})
    async with HttpClient(sleep.address(8000), sleep.clients) as client:
        await client.wait_ok(REQUEST, context=mesh.describe)
        async with LoadGenerator(lambda: client.send(REQUEST), 100) as load:
            for address in (near_address, far_address):
                await load.wait_instance(address)
            httpbin.mark_ready(near, ready=False)
            await sleep.wait_healthy_hosts(CLUSTER, {str(Address(gateway.ip, PORT))})
            fresh = await load.wait_count(50)
            assert fresh.by_instance().keys() == {far_address}
        assert load.traffic.by_instance().keys() == {near_address, far_address}
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_a_gateway_with_a_name_is_entered_once_its_name_has_an_address(
    mesh: NamespaceMesh, gateway: Proxy, sleep: Proxy, httpbin: Workload
) -> None:
    near, far, _ = httpbin.pods
    httpbin.mark_ready(near)
    mesh.objects.apply_yaml(NAMED.format(port=PORT))
    # Nobody answers for the name.
    await sleep.wait_healthy_hosts(CLUSTER, {httpbin.address(near)})
    outside = mesh.network.outside
    bound = outside.open_socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((outside.ip, 53))
    async with (
        DnsServer(outside.ip, {"into-n2.example.com": (gateway.ip,)}, bound=bound),
        HttpClient(sleep.address(8000), sleep.clients) as client,
    ):
        await sleep.wait_healthy_hosts(CLUSTER, {httpbin.address(near), str(Address(gateway.ip, PORT))})
        async with LoadGenerator(lambda: client.send(REQUEST), 100) as load:
            await load.wait_instance(httpbin.address(far))
        assert not load.traffic.failed, load.traffic.describe_failures()
