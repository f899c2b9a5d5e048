"""Who may call what: policies at the sidecars of pods that know their callers by mutual TLS."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request, TcpClient
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.identities import MeshIdentities
from fairlead.mesh.netns_mesh import NamespaceMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.services.tcp_echo import TcpEcho
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload

SECURED = {"security.istio.io/tlsMode": "istio"}
HOST = "httpbin.default.svc.cluster.local:8000"
FORBIDDEN = 403
ONE_REQUEST_EACH = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all}
spec:
  host: "*.default.svc.cluster.local"
  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NamespaceMesh]:
    folder = tmp_path_factory.mktemp("mesh")
    async with NamespaceMesh(folder, identities=MeshIdentities(folder / "identities")) as mesh:
        # Connections from before a change of policy go on under the old one until Envoy has drained them.
        mesh.folder.apply_yaml(ONE_REQUEST_EACH, "default")
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: NamespaceMesh) -> Workload:
    workload = mesh.workload("httpbin")
    await workload.add("v1", labels=SECURED)
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(mesh: NamespaceMesh) -> Workload:
    """A workload that no policy selects."""
    workload = mesh.workload("other")
    await workload.add("v1", labels=SECURED)
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def echo(mesh: NamespaceMesh) -> Workload:
    ports = (StandInPort(9000, 9000, "tcp"),)
    workload = mesh.workload("tcp-echo", ports=ports, build_server=lambda each: TcpEcho(each, each.version))
    await workload.add("one", labels=SECURED)
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sleep(mesh: NamespaceMesh, httpbin: Workload, other: Workload) -> Proxy:
    return await mesh.start_client("sleep")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with HttpClient(sleep.address(8000), sleep.clients) as client:
        await client.wait_ok(Request("/headers", HOST))
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cart(mesh: NamespaceMesh, httpbin: Workload) -> AsyncIterator[HttpClient]:
    """A caller of another namespace."""
    proxy = await mesh.start_client("cart", namespace="shop")
    async with HttpClient(proxy.address(8000), proxy.clients) as client:
        await client.wait_ok(Request("/headers", HOST))
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stranger(mesh: NamespaceMesh, httpbin: Workload) -> AsyncIterator[HttpClient]:
    """Somebody without sidecar, who calls the pod itself."""
    (pod, *_) = httpbin.pods
    async with HttpClient(httpbin.address(pod), mesh.network.outside, keep_alive=False) as client:
        yield client


def policy(spec: dict[str, Any], name: str = "policy", app: str = "httpbin", **annotations: str) -> dict[str, Any]:
    """An AuthorizationPolicy for one workload."""
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    document = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata}
    return {**document, "spec": {"selector": {"matchLabels": {"app": app}}, **spec}}


def to(**operation: list[str]) -> list[dict[str, Any]]:
    return [{"to": [{"operation": operation}]}]


def of(**source: list[str]) -> list[dict[str, Any]]:
    return [{"from": [{"source": source}]}]


async def status(client: HttpClient, path: str = "/headers", host: str = HOST, **headers: str) -> int | None:
    return (await client.get(path, host, headers)).status


async def wait_status(client: HttpClient, expected: int, path: str = "/headers") -> None:
    async def probe() -> None:
        answer = await client.get(path, HOST)
        if answer.status != expected:
            raise NotYetError(str(answer))

    await wait_until(probe)


async def test_case_19_a_policy_without_rules_refuses_everything_until_it_is_gone(
    mesh: NamespaceMesh, client: HttpClient
) -> None:
    document = policy({})
    mesh.folder.apply(document)
    await wait_status(client, FORBIDDEN)
    answer = await client.get("/headers", HOST)
    assert answer.body == b"RBAC: access denied"
    assert await status(client, host=HOST.replace("httpbin", "other")) == 200, "other workloads are left alone"
    mesh.folder.delete(document)
    await wait_status(client, 200)


async def test_case_21_what_is_refused_is_not_let_in_by_another_policy(mesh: NamespaceMesh, client: HttpClient) -> None:
    deny = policy({"action": "DENY", "rules": to(paths=["/admin*"])}, "deny")
    allow = policy({"rules": [{}]}, "allow")
    mesh.folder.apply(deny, allow)
    await wait_status(client, FORBIDDEN, "/admin/x")
    assert await status(client) == 200
    mesh.folder.delete(deny)
    await wait_status(client, 200, "/admin/x")
    mesh.folder.delete(allow)


async def test_case_27_paths_methods_and_headers(mesh: NamespaceMesh, client: HttpClient) -> None:
    rule = {
        **to(paths=["/t/{*}/x/{**}"], methods=["GET"])[0],
        "when": [{"key": "request.headers[x-team]", "values": ["blue*"]}],
    }
    document = policy({"rules": [rule]})
    mesh.folder.apply(document)
    await wait_status(client, FORBIDDEN)
    blue = {"x-team": "blue-1"}
    assert await status(client, "/t/1/x/y/z", **blue) == 200
    assert await status(client, "/t/1/y", **blue) == FORBIDDEN
    assert await status(client, "/t/1/x/y/z", **{"x-team": "red"}) == FORBIDDEN
    assert await status(client, "/t/1/x/y/z") == FORBIDDEN
    assert (await client.send(Request("/t/1/x/y/z", HOST, method="DELETE", headers=blue))).status == FORBIDDEN
    mesh.folder.delete(document)
    await wait_status(client, 200)


async def test_case_23_callers_are_known_by_their_certificates(
    mesh: NamespaceMesh, client: HttpClient, cart: HttpClient, stranger: HttpClient
) -> None:
    document = policy({"rules": of(principals=["*"])})
    mesh.folder.apply(document)
    await wait_status(stranger, FORBIDDEN)
    await wait_status(client, 200)
    for rules in (
        of(namespaces=["sh*"]),
        of(principals=["cluster.local/ns/shop/*"]),
        of(serviceAccounts=["shop/default"]),
    ):
        mesh.folder.apply(policy({"rules": rules}))
        await wait_status(client, FORBIDDEN)
        await wait_status(cart, 200)
        await wait_status(stranger, FORBIDDEN)
        mesh.folder.apply(policy({"rules": of(notNamespaces=["shop"])}))
        await wait_status(client, 200)
        assert await status(cart) == FORBIDDEN
    mesh.folder.delete(document)
    await wait_status(stranger, 200)
    await wait_status(cart, 200)


async def test_case_30_what_is_tried_out_is_counted(mesh: NamespaceMesh, httpbin: Workload, client: HttpClient) -> None:
    document = policy({"action": "DENY", "rules": [{}]}, **{"istio.io/dry-run": "true"})
    mesh.folder.apply(document)
    (pod, *_) = httpbin.pods

    async def probe() -> None:
        assert await status(client) == 200
        (proxy,) = (each for each in mesh.proxies if each.ip == pod.ip)
        counted = await proxy.admin.stats("istio_dry_run_deny_.shadow_denied")
        if not sum(counted.values()):
            raise NotYetError("nothing is counted")

    await wait_until(probe)
    mesh.folder.delete(document)


async def test_case_29_connections_are_refused_by_port(mesh: NamespaceMesh, sleep: Proxy, echo: Workload) -> None:
    client = sleep.tcp_client(9000, echo.service.cluster_ip)
    await wait_reply(client, answered=True)
    for spec, answered in (
        ({"action": "DENY", "rules": to(ports=["9000"], methods=["GET"])}, False),
        ({"rules": to(ports=["9000"])}, True),
        ({"rules": to(methods=["GET"])}, False),
        ({"action": "DENY", "rules": to(ports=["9001"])}, True),
        ({"action": "DENY", "rules": to(methods=["GET"])}, False),
    ):
        mesh.folder.apply(policy(spec, app="tcp-echo"))
        await wait_reply(client, answered=answered)
    mesh.folder.delete(policy({}, app="tcp-echo"))
    await wait_reply(client, answered=True)


async def wait_reply(client: TcpClient, *, answered: bool) -> None:
    async def probe() -> None:
        answer = await client.send()
        if bool(answer.error) is answered:
            raise NotYetError(str(answer))

    await wait_until(probe)
