"""Weights move from one version to the other under load."""

import functools
from collections.abc import AsyncIterator

import pytest_asyncio

from fairlead.mesh.clients import Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.workload import Workload
from tests.e2e.stage import GATEWAY, Entry, collect_split

HOST = "podinfo.default.svc.cluster.local"
REQUEST = Request("/version", HOST)
SUBSETS = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: podinfo
spec:
  host: {HOST}
  subsets:
  - name: blue
    labels: {{version: blue}}
  - name: green
    labels: {{version: green}}
"""


def weights(blue: int, green: int) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: podinfo
spec:
  hosts: [{HOST}]
  gateways: [mesh, frontend-gateway]
  http:
  - route:
    - destination: {{host: {HOST}, subset: blue}}
      weight: {blue}
    - destination: {{host: {HOST}, subset: green}}
      weight: {green}
"""


def has_weights(config: EnvoyConfig, blue: int, green: int) -> bool:
    """Whether some route has exactly these weights; a version with weight 0 may be left out."""
    expected = {
        f"outbound|8000|{subset}|{HOST}": weight for subset, weight in (("blue", blue), ("green", green)) if weight
    }
    return any(
        {c["name"]: c["weight"] for c in route["route"]["weighted_clusters"]["clusters"] if c.get("weight")} == expected
        for routes in config.routes.values()
        for host in routes["virtual_hosts"]
        for route in host.get("routes", ())
        if "weighted_clusters" in route.get("route", {})
    )


@pytest_asyncio.fixture(loop_scope="session")
async def podinfo(mesh: LocalMesh) -> AsyncIterator[Workload]:
    workload = mesh.workload("podinfo", ports=(StandInPort(8000, 9898),))
    for version in ("blue", "green"):
        await workload.add(version, replicas=2)
    for text in (GATEWAY, SUBSETS, weights(100, 0)):
        mesh.folder.apply_yaml(text, "default")
    yield workload
    workload.remove(*workload.pods)
    await workload.close()


async def test_the_split_follows_the_weights_and_no_request_fails(
    mesh: LocalMesh, entry: Entry, podinfo: Workload
) -> None:
    await entry.proxy.wait_config(lambda config: has_weights(config, 100, 0))
    await entry.client.wait_ok(REQUEST, context=mesh.describe)
    async with LoadGenerator(lambda: entry.client.send(REQUEST), rate=200) as load:
        for blue, green in ((100, 0), (90, 10), (50, 50), (0, 100), (100, 0)):
            mesh.folder.apply_yaml(weights(blue, green), "default")
            await entry.proxy.wait_config(functools.partial(has_weights, blue=blue, green=green))
            # A share of 0 or 1 has to be met exactly.
            tolerance = 0.06 if blue and green else 0.0
            shares = {"blue": blue / 100, "green": green / 100}
            await collect_split(lambda: entry.client.send(REQUEST), shares, count=600, tolerance=tolerance)
    assert not load.traffic.failed, load.traffic.describe_failures()
