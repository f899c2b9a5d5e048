"""Services of Kubernetes in all their forms, and who is found behind them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPod, StandInPort, StandInService, endpoint_slice_document, pod_document
from fairlead.mesh.load import LoadGenerator, send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.services import httpbin
from fairlead.mesh.services.backend import Backend, Instance
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.workload import Workload
from translator.model.proxy import Capture

PORT = 8000


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(PORT)) as client:
        yield client


def build_echo(instance: Instance) -> TcpEcho:
    return TcpEcho(instance, instance.version)


def headless(mesh: LocalMesh, name: str, port: StandInPort, build: object = httpbin.build_backend) -> Workload:
    """A headless Service."""
    return Workload(StandInService(name, "default", (port,), ""), mesh.folder, mesh.addresses, build)  # type: ignore[arg-type]


async def test_a_headless_service_over_http(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = headless(mesh, "headless", StandInPort(PORT, 8080))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workload.close)
        await workload.add(replicas=2)
        await sleep.wait_healthy_hosts(workload.service.cluster_name(), workload.ready_addresses)
        request = Request("/ip", workload.service.host)
        await client.wait_ok(request, context=mesh.describe)
        traffic = await send_many(lambda: client.send(request), 60)
        assert traffic.by_instance().keys() == workload.ready_addresses


async def test_a_headless_service_over_tcp(mesh: LocalMesh, sleep: Proxy) -> None:
    workload = headless(mesh, "headless-tcp", StandInPort(9000, 9000, "tcp"), build_echo)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workload.close)
        await workload.add("v1", replicas=2)
        config = await sleep.wait_healthy_hosts(workload.service.cluster_name(), workload.ready_addresses)
        await sleep.wait_config(lambda config: config.listener_on(9000) is not None)
        assert config.clusters[workload.service.cluster_name()]["type"] == "EDS"
        answer = await TcpClient(sleep.address(9000)).send("hello")
        assert answer.body == b"v1 hello\n", answer


async def test_an_intercepted_client_dials_each_pod_of_a_headless_service(mesh: LocalMesh) -> None:
    workload = headless(mesh, "headless-real", StandInPort(9100, 9100, "tcp"), build_echo)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workload.close)
        pods = await workload.add(replicas=2)
        client = StandInPod("intercepted", "default", mesh.addresses.ip(), {"app": "intercepted"})
        mesh.folder.apply(pod_document(client))
        proxy = await mesh.start_sidecar(client, capture=Capture.REDIRECT)
        stack.push_async_callback(proxy.close)
        names = {f"{pod.ip}_9100" for pod in pods}
        config = await proxy.wait_config(lambda config: names <= config.listeners.keys())
        assert config.clusters[workload.service.cluster_name()]["type"] == "ORIGINAL_DST"


async def test_an_external_name_is_another_name_of_a_service(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("target")
    await workload.add()
    mesh.folder.apply_yaml(
        f"""
apiVersion: v1
kind: Service
metadata: {{name: nickname}}
spec: {{type: ExternalName, externalName: {workload.service.host}, ports: [{{name: http, port: {PORT}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: nickname-of-nickname}}
spec: {{type: ExternalName, externalName: nickname.default.svc.cluster.local}}
""",
        "default",
    )
    for alias in ("nickname", "nickname-of-nickname"):
        request = Request("/ip", f"{alias}.default.svc.cluster.local")
        answer = await client.wait_ok(request, "target", context=mesh.describe)
        assert answer.json["host"] == request.host
    assert not [name for name in (await sleep.admin.config()).clusters if "nickname" in name]


async def test_a_named_target_port_is_that_of_each_pod(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("named", ports=(StandInPort(PORT, 8080),))
    (pod,) = await workload.add()
    documents = mesh.folder.apply_yaml(
        f"""
apiVersion: v1
kind: Service
metadata: {{name: named}}
spec: {{clusterIP: {workload.service.cluster_ip}, selector: {{app: named}},
       ports: [{{name: http, port: {PORT}, targetPort: web}}, {{name: none, port: 8001, targetPort: missing}}]}}
""",
        "default",
    )
    assert documents
    document = pod_document(pod)
    document["spec"]["containers"] = [{"name": "app", "ports": [{"name": "web", "containerPort": 8080}]}]
    mesh.folder.apply(document)
    await client.wait_ok(Request("/ip", workload.service.host), "named", context=mesh.describe)
    proxy = await mesh.start_sidecar(pod, capture=Capture.REDIRECT)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(proxy.close)
        config = await proxy.wait_config(lambda config: "inbound|8080||" in config.clusters)
    assert [name for name in config.clusters if name.startswith("inbound|")] == ["inbound|8080||"]


async def test_several_slices_are_one_service(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("sliced")
    cluster, request = workload.service.cluster_name(), Request("/ip", workload.service.host)
    first, second, third = await workload.add(replicas=3)

    def slice_of(name: str, *pods: StandInPod) -> dict[str, object]:
        document = endpoint_slice_document(workload.service, pods)
        document["metadata"]["name"] = name
        return document

    everybody, two = workload.ready_addresses, {workload.address(first), workload.address(second)}
    # The slice in which all of them stand is divided into two that overlap.
    mesh.folder.apply(slice_of("sliced-a", first, second), slice_of("sliced-b", second, third))
    mesh.folder.delete(endpoint_slice_document(workload.service, ()))
    await client.wait_ok(request, context=mesh.describe)
    async with LoadGenerator(lambda: client.send(request), rate=200) as load:
        await sleep.wait_healthy_hosts(cluster, everybody)
        mesh.folder.delete(slice_of("sliced-b"))
        await sleep.wait_healthy_hosts(cluster, two)
        fresh = await load.wait_count(60)
    assert fresh.by_instance().keys() == two
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_addresses_that_are_published_before_they_are_ready(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient
) -> None:
    workload = mesh.workload("eager")
    (pod,) = await workload.add(ready=False)
    await sleep.wait_config(lambda config: workload.address(pod) in config.hosts(workload.service.cluster_name()))
    request = Request("/ip", workload.service.host)
    await client.wait_for(request, lambda answer: answer.status == 503, context=mesh.describe)
    # Kubernetes: with publishNotReadyAddresses the slice says ready, whatever the pod says.
    mesh.folder.apply(endpoint_slice_document(workload.service, [replace(pod, ready=True)]))
    await client.wait_ok(request, "eager", context=mesh.describe)


SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: NAME}
spec:
  host: NAME
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME}
spec:
  hosts: [NAME]
  http:
  - match: [{headers: {want: {exact: v2}}}]
    route: [{destination: {host: NAME, subset: v2}}]
  - route: [{destination: {host: NAME, subset: v1}}]
"""


async def test_a_pod_moves_from_one_subset_to_another_under_traffic(
    mesh: LocalMesh, sleep: Proxy, client: HttpClient
) -> None:
    workload = mesh.workload("versions")
    staying, moving = await workload.add("v1", replicas=2)
    (other,) = await workload.add("v2")
    mesh.folder.apply_yaml(SUBSETS.replace("NAME", "versions"), "default")
    one = Request("/ip", workload.service.host)
    two = Request("/ip", workload.service.host, {"want": "v2"})
    subset = {version: workload.service.cluster_name(version) for version in ("v1", "v2")}
    address = {pod.name: workload.address(pod) for pod in (staying, moving, other)}
    await sleep.wait_healthy_hosts(subset["v1"], {address[staying.name], address[moving.name]})
    await sleep.wait_healthy_hosts(subset["v2"], {address[other.name]})
    await client.wait_ok(two, context=mesh.describe)
    async with (
        LoadGenerator(lambda: client.send(one), rate=100) as first,
        LoadGenerator(lambda: client.send(two), rate=100) as second,
    ):
        mesh.folder.apply(pod_document(replace(moving, labels={**moving.labels, "version": "v2"})))
        await second.wait_instance(address[moving.name])
        await sleep.wait_healthy_hosts(subset["v1"], {address[staying.name]})
        left, joined = await first.wait_count(50), await second.wait_count(50)
    assert left.by_instance().keys() == {address[staying.name]}
    assert joined.by_instance().keys() == {address[moving.name], address[other.name]}
    for load in (first, second):
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_a_pod_without_the_label_belongs_to_no_subset(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("unlabelled")
    (labelled,) = await workload.add("v1")
    (bare,) = await workload.add("v3")
    mesh.folder.apply(pod_document(replace(bare, labels=workload.service.selector)))
    mesh.folder.apply_yaml(SUBSETS.replace("NAME", "unlabelled"), "default")
    await sleep.wait_healthy_hosts(workload.service.cluster_name("v1"), {workload.address(labelled)})
    await sleep.wait_healthy_hosts(workload.service.cluster_name(), workload.ready_addresses)
    request = Request("/ip", workload.service.host)
    await client.wait_ok(request, context=mesh.describe)
    traffic = await send_many(lambda: client.send(request), 50)
    assert traffic.by_instance().keys() == {workload.address(labelled)}
    nobody = await client.get("/ip", workload.service.host, {"want": "v2"})
    assert (nobody.status, nobody.body) == (503, b"no healthy upstream")


async def test_an_entry_of_the_same_host_only_adds_endpoints(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("both")
    (pod,) = await workload.add()
    ip = mesh.addresses.ip()
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: both, creationTimestamp: "2001-01-01T00:00:00Z"}}
spec:
  hosts: [{workload.service.host}]
  ports: [{{number: {PORT}, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: {ip}, ports: {{http: 8088}}}}]
""",
        "default",
    )
    async with Backend(
        Instance("both", "entry", ip, 8088), httpbin.build_application(Instance("both", "entry", ip, 8088))
    ):
        expected = {workload.address(pod), f"{ip}:8088"}
        await sleep.wait_healthy_hosts(workload.service.cluster_name(), expected)
        request = Request("/ip", workload.service.host)
        await client.wait_ok(request, context=mesh.describe)
        traffic = await send_many(lambda: client.send(request), 60)
        assert traffic.by_instance().keys() == expected


async def test_a_service_selects_a_workload_entry(mesh: LocalMesh, sleep: Proxy, client: HttpClient) -> None:
    workload = mesh.workload("mixed")
    (pod,) = await workload.add()
    ip = mesh.addresses.ip()
    instance = Instance("mixed", "machine", ip, 8080)
    mesh.folder.apply_yaml(
        f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: machine}}
spec: {{address: {ip}, labels: {{app: mixed}}}}
""",
        "default",
    )
    async with httpbin.build_backend(instance):
        expected = {workload.address(pod), instance.address}
        await sleep.wait_healthy_hosts(workload.service.cluster_name(), expected)
        request = Request("/ip", workload.service.host)
        await client.wait_ok(request, context=mesh.describe)
        traffic = await send_many(lambda: client.send(request), 60)
        assert traffic.by_instance().keys() == expected
