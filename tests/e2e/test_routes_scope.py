"""Whom a rule is for: delegates of other namespaces, the labels of the caller, and what a broken rule leaves alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPod, pod_document
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from tests.e2e.stage import GATEWAY

HOST = "web.default.svc.cluster.local"
RULES = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: root
spec:
  hosts: [{HOST}]
  gateways: [mesh, frontend-gateway]
  http:
  - match: [{{uri: {{prefix: /shop}}}}]
    delegate: {{name: shop, namespace: team}}
  - match: [{{uri: {{prefix: /hidden}}}}]
    delegate: {{name: hidden, namespace: team}}
  - match: [{{uri: {{prefix: /missing}}}}]
    delegate: {{name: missing, namespace: team}}
  - match: [{{uri: {{prefix: /labelled}}, sourceLabels: {{app: special}}}}]
    directResponse: {{status: 200, body: {{string: special}}}}
  - match: [{{uri: {{prefix: /labelled}}}}]
    directResponse: {{status: 200, body: {{string: everybody}}}}
  - match: [{{uri: {{prefix: /namespace}}, sourceNamespace: other}}]
    directResponse: {{status: 200, body: {{string: other}}}}
  - match: [{{uri: {{prefix: /ready}}}}]
    route: [{{destination: &web {{host: {HOST}, port: {{number: 8000}}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
  namespace: team
spec:
  http:
  - match: [{{uri: {{prefix: /shop/cart}}}}]
    route: [{{destination: {{host: cart, port: {{number: 8000}}}}}}]
  - match: [{{uri: {{prefix: /shop}}}}]
    rewrite: {{uri: /inside}}
    route: [{{destination: *web}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: hidden
  namespace: team
spec:
  exportTo: ["."]
  http:
  - route: [{{destination: *web}}]
"""
OTHER_HOSTS = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
spec:
  hosts: [{host}]
  gateways: [frontend-gateway]
  http:
  - match: [{{uri: {{prefix: /{name}}}}}]
    directResponse: {{status: {status}, body: {{string: {name}}}}}
"""


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Whom a rule is for does not depend on the variant of the protocol."""
    return Stream.DELTA


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def services(mesh: LocalMesh) -> None:
    await mesh.workload("web").add("v1")
    await mesh.workload("cart", namespace="team").add("v1")
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(RULES.replace("*web", f"{{host: {HOST}, port: {{number: 8000}}}}"), "default")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def special(mesh: LocalMesh) -> Proxy:
    pod = StandInPod("special", "default", mesh.addresses.ip(), {"app": "special"})
    mesh.folder.apply(pod_document(pod))
    return await mesh.start_sidecar(pod)


@pytest_asyncio.fixture(loop_scope="session")
async def clients(
    mesh: LocalMesh, sleep: Proxy, special: Proxy, ingress: Proxy
) -> AsyncIterator[dict[str, HttpClient]]:
    addresses = {"sleep": sleep.address(8000), "special": special.address(8000), "gateway": ingress.address(80)}
    async with AsyncExitStack() as stack:
        found = {name: await stack.enter_async_context(HttpClient(each)) for name, each in addresses.items()}
        for client in found.values():
            await client.wait_ok(Request("/ready", HOST), "web", context=mesh.describe)
        yield found


@pytest.mark.parametrize("way", ["sleep", "gateway"])
async def test_case_30_a_delegate_of_another_namespace(clients: dict[str, HttpClient], way: str) -> None:
    client = clients[way]
    inside = await client.get("/shop/x", HOST)
    assert (inside.status, inside.service, inside.json["path"]) == (200, "web", "/inside/x")
    cart = await client.get("/shop/cart/1", HOST)
    assert (cart.status, cart.service, cart.json["path"]) == (200, "cart", "/shop/cart/1")
    assert [(await client.get(path, HOST)).status for path in ("/hidden", "/missing", "/ready")] == [404, 404, 200]


async def test_case_11_the_labels_of_the_caller_decide(clients: dict[str, HttpClient]) -> None:
    found = {name: (await client.get("/labelled", HOST)).body for name, client in clients.items()}
    assert found == {"sleep": b"everybody", "special": b"special", "gateway": b"everybody"}


async def test_the_namespace_of_the_caller_decides(clients: dict[str, HttpClient]) -> None:
    assert {(await client.get("/namespace", HOST)).status for client in clients.values()} == {404}


async def test_an_invalid_rule_leaves_the_other_rules_of_its_host_alone(
    mesh: LocalMesh, clients: dict[str, HttpClient]
) -> None:
    client, host = clients["gateway"], "shared.example.com"
    mesh.folder.apply_yaml(OTHER_HOSTS.format(name="good", host=host, status=200), "default")
    await client.wait_ok(Request("/good", host), context=mesh.describe)
    mesh.folder.apply_yaml(OTHER_HOSTS.format(name="bad", host=host, status=600), "default")
    mesh.folder.apply_yaml(OTHER_HOSTS.format(name="late", host=host, status=201), "default")
    await client.wait_for(Request("/late", host), lambda answer: answer.status == 201, context=mesh.describe)
    assert [(await client.get(path, host)).status for path in ("/good", "/bad", "/late")] == [200, 404, 201]
    findings = await mesh.control_plane.debug("findings")
    assert any("bad" in str(each) and "directResponse" in str(each) for each in findings), findings
