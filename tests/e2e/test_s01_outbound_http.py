"""A client with a sidecar calls a Service with two pods."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.envoy_config import EnvoyConfig
from fairlead.mesh.load import send_many
from fairlead.mesh.mesh import LocalMesh
from fairlead.mesh.proxy import Proxy
from fairlead.mesh.workload import Workload

CLUSTER = "outbound|8000||httpbin.default.svc.cluster.local"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def httpbin(mesh: LocalMesh) -> Workload:
    target = 80 if mesh.addresses.may_listen(80) else 8080
    workload = mesh.workload("httpbin", ports=(StandInPort(8000, target),))
    await workload.add("v1", replicas=2)
    return workload


@pytest_asyncio.fixture(loop_scope="session")
async def config(sleep: Proxy, httpbin: Workload) -> EnvoyConfig:
    return await sleep.wait_config(lambda config: config.hosts(CLUSTER) == httpbin.ready_addresses)


@pytest_asyncio.fixture(loop_scope="session")
async def client(sleep: Proxy) -> AsyncIterator[HttpClient]:
    async with sleep.client(8000) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["httpbin:8000", "httpbin", "httpbin.default", "httpbin.default.svc.cluster.local:8000"]
)
async def test_requests_are_spread_over_both_pods(
    mesh: LocalMesh, httpbin: Workload, client: HttpClient, host: str
) -> None:
    await client.wait_ok(Request("/ip", host), context=mesh.describe)
    traffic = await send_many(lambda: client.get("/ip", host), 200)
    assert traffic.by_status() == {200: 200}, traffic.describe_failures()
    assert traffic.by_instance().keys() == httpbin.ready_addresses
    assert min(traffic.by_instance().values()) > 50


async def test_the_listener_is_outbound_and_its_last_http_filter_is_the_router(config: EnvoyConfig) -> None:
    listener = config.listener_on(8000)
    assert listener
    assert listener["traffic_direction"] == "OUTBOUND"
    http = config.http_connection_manager(listener["name"])
    assert http["http_filters"][-1]["name"] == "envoy.filters.http.router"
    assert http["rds"]["route_config_name"] == "8000"


async def test_the_route_leads_to_the_cluster_of_the_service(config: EnvoyConfig) -> None:
    virtual_hosts = [host for host in config.routes["8000"]["virtual_hosts"] if "httpbin" in host["domains"]]
    assert [route["route"]["cluster"] for host in virtual_hosts for route in host["routes"]] == [CLUSTER]


async def test_the_endpoints_are_the_addresses_of_the_pods(config: EnvoyConfig, httpbin: Workload) -> None:
    assert config.hosts(CLUSTER) == httpbin.ready_addresses
    assert {address.partition(":")[0] for address in config.hosts(CLUSTER)} == {pod.ip for pod in httpbin.pods}
