"""Python's own gRPC client finds the services of a mesh through ``fairlead serve``, without any Envoy."""

import asyncio
import functools
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.services.backend import Instance
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.mesh.workload import Workload
from tests.greeter import Caller, calling, greeting, greeting_by_xds

NODE = {"id": "sidecar~10.9.9.9~caller.default~default.svc.cluster.local", "metadata": {"GENERATOR": "grpc"}}
HOST = "httpbin.default.svc.cluster.local"
SUBSETS = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: httpbin}}
spec:
  host: {HOST}
  trafficPolicy:
    loadBalancer: {{simple: LEAST_REQUEST}}
    outlierDetection: {{consecutive5xxErrors: 5}}
    connectionPool: {{http: {{http2MaxRequests: 1000}}}}
  subsets:
  - name: v2
    labels: {{version: v2}}
    trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: x-user}}}}}}
"""
RULES = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: httpbin}}
spec:
  hosts: [{HOST}]
  http:
  - match: [{{uri: {{prefix: /tests.Greeter/}}, withoutHeaders: {{x-not: {{}}}}}}]
    corsPolicy: {{allowOrigins: [{{exact: "*"}}]}}
    fault: {{delay: {{fixedDelay: 0.001s, percentage: {{value: 100}}}}}}
    retries: {{attempts: 3, retryOn: "unavailable,5xx"}}
    timeout: 10s
    mirror: {{host: {HOST}}}
    route:
    - destination: {{host: {HOST}, subset: v2}}
      headers: {{request: {{set: {{x-a: b}}}}}}
  - route: [{{destination: {{host: {HOST}}}}}]
"""


@asynccontextmanager
async def serve_greeter(instance: Instance) -> AsyncIterator[None]:
    """A pod that greets."""
    async with greeting(instance.address):
        yield


@asynccontextmanager
async def serve_by_xds(instance: Instance, bootstrap: Path) -> AsyncIterator[None]:
    """A pod that greets, as gRPC's own xDS server."""
    async with greeting_by_xds(instance.address, bootstrap) as greeter:
        await greeter.started()
        yield


class Stage:
    """A mesh with one service, and what calls it."""

    def __init__(self, mesh: LocalMesh, workload: Workload, folder: Path, stack: AsyncExitStack) -> None:
        self.mesh = mesh
        self.workload = workload
        self._folder = folder
        self._stack = stack

    async def caller(self, target: str) -> Caller:
        """Start an application that calls a target."""
        return await self._stack.enter_async_context(
            calling(f"xds:///{target}", self.mesh.control_plane.xds, self._folder, NODE)
        )

    async def types(self) -> dict[str, Any]:
        """How far the application is with each type. Fails if it has refused anything."""
        (proxy,) = await self.mesh.control_plane.debug("proxies")
        found: dict[str, Any] = proxy["types"]
        assert not [status["rejected"] for status in found.values() if status["nacks"]]
        return found


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(LocalMesh(tmp_path))
        workload = mesh.workload("httpbin", ports=(StandInPort(8000, 8080, "grpc"),), build_server=serve_greeter)
        yield Stage(mesh, workload, tmp_path, stack)


async def test_it_finds_the_endpoints_and_follows_scaling(stage: Stage) -> None:
    await stage.workload.scale(1)
    caller = await stage.caller(f"{HOST}:8000")
    for replicas in (1, 3, 2, 1):
        await stage.workload.scale(replicas)
        heard = await caller.until(set(stage.workload.ready_addresses))
        assert not [answer for answer in heard if answer.startswith("failed")]
    assert {name: status["names"] for name, status in (await stage.types()).items()} == {
        "lds": [f"{HOST}:8000"],
        "rds": [f"outbound|8000||{HOST}"],
        "cds": [f"outbound|8000||{HOST}"],
        "eds": [f"outbound|8000||{HOST}"],
    }


@pytest.mark.parametrize("name", [HOST, "httpbin", "httpbin:8000", "httpbin.default", "httpbin.default.svc:8000"])
async def test_it_may_leave_away_what_its_resolver_would_add(stage: Stage, name: str) -> None:
    await stage.workload.scale(2)
    caller = await stage.caller(name)
    await caller.until(set(stage.workload.ready_addresses))
    assert (await stage.types())["lds"]["names"] == [name]


async def test_it_follows_rules_and_refuses_nothing(stage: Stage) -> None:
    await stage.workload.scale(2)
    (second,) = await stage.workload.add("v2")
    caller = await stage.caller(f"{HOST}:8000")
    await caller.until(set(stage.workload.ready_addresses))
    rules = [*stage.mesh.folder.apply_yaml(SUBSETS, "default"), *stage.mesh.folder.apply_yaml(RULES, "default")]
    assert set(await caller.until({stage.workload.address(second)})) <= stage.workload.ready_addresses
    assert f"outbound|8000|v2|{HOST}" in (await stage.types())["cds"]["names"]
    # First the rule that names the subset, then the subset: the other way round calls would wait for what is gone.
    stage.mesh.folder.delete(*reversed(rules))
    assert set(await caller.until(set(stage.workload.ready_addresses))) <= stage.workload.ready_addresses
    await stage.types()


async def test_it_waits_for_a_service_that_comes_later(stage: Stage) -> None:
    caller = await stage.caller("late.default.svc.cluster.local:9000")
    call = asyncio.ensure_future(caller.call())

    async def asked() -> None:
        proxies = await stage.mesh.control_plane.debug("proxies")
        if not any("lds" in proxy["types"] for proxy in proxies):
            raise NotYetError(f"nobody has asked: {proxies}")

    await wait_until(asked)
    late = stage.mesh.workload("late", ports=(StandInPort(9000, 8080, "grpc"),), build_server=serve_greeter)
    await late.scale(1)
    assert {await call} == late.ready_addresses


async def test_a_server_and_its_client_need_no_proxy_at_all(tmp_path: Path) -> None:
    async with LocalMesh(tmp_path) as mesh, AsyncExitStack() as stack:
        who = ("--namespace", "default", "--name", "greeter-1", "--ip", "127.0.0.1", "--xds", mesh.control_plane.xds)
        command = (sys.executable, "-m", "fairlead", "bootstrap", "sidecar", "--proxyless", *who)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        bootstrap = tmp_path / "server.json"
        bootstrap.write_bytes((await process.communicate())[0])
        workload = mesh.workload(
            "httpbin",
            ports=(StandInPort(8000, 8080, "grpc"),),
            build_server=functools.partial(serve_by_xds, bootstrap=bootstrap),
        )
        await workload.scale(2)
        target = f"xds:///{HOST}:8000"
        caller = await stack.enter_async_context(calling(target, mesh.control_plane.xds, tmp_path, NODE))
        assert set(await caller.until(set(workload.ready_addresses))) == workload.ready_addresses
        proxies = {proxy["proxy"]: proxy["types"] for proxy in await mesh.control_plane.debug("proxies")}
        names = [f"xds.istio.io/grpc/lds/inbound/{address}" for address in workload.ready_addresses]
        assert set(proxies["greeter-1.default"]["lds"]["names"]) <= set(names)
        assert not [kind for types in proxies.values() for kind in types.values() if kind["nacks"]]
