"""A DestinationRule alters the load balancer of a service while it is in use."""

import functools

import pytest
import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy, Stream
from fairlead.mesh.workload import Workload
from tests.e2e.stage import GATEWAY, Entry, ingress_route
from translator.model.proxy import Capture

HOST = "httpbin.default.svc.cluster.local"
CLUSTER = f"outbound|8000||{HOST}"


def destination_rule(load_balancer: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: httpbin
spec:
  host: {HOST}
  trafficPolicy:
    loadBalancer:
      simple: {load_balancer}
"""


def has_policy(config: EnvoyConfig, policy: str) -> bool:
    # Envoy's dump leaves out the default.
    return bool(config.clusters[CLUSTER].get("lb_policy", "ROUND_ROBIN") == policy)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def httpbin(mesh: LocalMesh) -> Workload:
    workload = mesh.workload("httpbin")
    await workload.add("v1", replicas=2)
    mesh.folder.apply_yaml(GATEWAY, "default")
    mesh.folder.apply_yaml(ingress_route(HOST, 8000), "default")
    return workload


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def intercepting(mesh: LocalMesh, stream: Stream, httpbin: Workload) -> Proxy:
    """The sidecar of a pod from which traffic would be redirected to it."""
    (pod, *_) = httpbin.pods
    return await mesh.start_sidecar(pod, stream, capture=Capture.REDIRECT)


@pytest.mark.parametrize(
    ("load_balancer", "policy"),
    [
        ("LEAST_CONN", "LEAST_REQUEST"),
        ("ROUND_ROBIN", "ROUND_ROBIN"),
        ("LEAST_REQUEST", "LEAST_REQUEST"),
        ("RANDOM", "RANDOM"),
        ("UNSPECIFIED", "LEAST_REQUEST"),
    ],
)
async def test_the_policy_follows_without_a_restart_or_a_failed_request(
    mesh: LocalMesh, entry: Entry, load_balancer: str, policy: str
) -> None:
    request = Request("/ip", HOST)
    await entry.client.wait_ok(request, context=mesh.describe)
    pid = entry.proxy.pid
    async with LoadGenerator(lambda: entry.client.send(request), rate=200) as load:
        # Away from the expected policy first, so that every case is a change.
        other = "RANDOM" if policy != "RANDOM" else "ROUND_ROBIN"
        for rule, expected in ((other, other), (load_balancer, policy)):
            mesh.folder.apply_yaml(destination_rule(rule), "default")
            await entry.proxy.wait_config(functools.partial(has_policy, policy=expected))
            fresh = await load.wait_count(30)
            assert len(fresh.by_instance()) == 2
    assert not load.traffic.failed, load.traffic.describe_failures()
    assert entry.proxy.pid == pid


async def test_passthrough_balances_where_nothing_is_intercepted(mesh: LocalMesh, entry: Entry) -> None:
    request = Request("/ip", HOST)
    mesh.folder.apply_yaml(destination_rule("RANDOM"), "default")
    await entry.proxy.wait_config(functools.partial(has_policy, policy="RANDOM"))
    async with LoadGenerator(lambda: entry.client.send(request), rate=200) as load:
        mesh.folder.apply_yaml(destination_rule("PASSTHROUGH"), "default")
        config = await entry.proxy.wait_config(functools.partial(has_policy, policy="LEAST_REQUEST"))
        assert config.clusters[CLUSTER]["type"] == "EDS"
        await load.wait_count(30)
    assert not load.traffic.failed, load.traffic.describe_failures()


async def test_passthrough_sends_intercepted_requests_where_they_were_meant_to_go(
    mesh: LocalMesh, intercepting: Proxy
) -> None:
    mesh.folder.apply_yaml(destination_rule("PASSTHROUGH"), "default")
    config = await intercepting.wait_config(functools.partial(has_policy, policy="CLUSTER_PROVIDED"))
    assert config.clusters[CLUSTER]["type"] == "ORIGINAL_DST"
    mesh.folder.apply_yaml(destination_rule("RANDOM"), "default")
    await intercepting.wait_config(functools.partial(has_policy, policy="RANDOM"))
