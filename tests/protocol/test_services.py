"""The service of each type: streams in both variants, and Fetch."""

from typing import TypeAlias

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest

from tests.protocol.models import decoded, made
from tests.protocol.wire_client import DELTA, WireClient, connected, serving
from xds.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
    TypeUrl,
)

Fetch: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
PER_TYPE = {
    CLUSTER: "/envoy.service.cluster.v3.ClusterDiscoveryService/{}Clusters",
    ENDPOINT: "/envoy.service.endpoint.v3.EndpointDiscoveryService/{}Endpoints",
    LISTENER: "/envoy.service.listener.v3.ListenerDiscoveryService/{}Listeners",
    ROUTE: "/envoy.service.route.v3.RouteDiscoveryService/{}Routes",
    SCOPED_ROUTE: "/envoy.service.route.v3.ScopedRoutesDiscoveryService/{}ScopedRoutes",
    VIRTUAL_HOST: "/envoy.service.route.v3.VirtualHostDiscoveryService/{}VirtualHosts",
    SECRET: "/envoy.service.secret.v3.SecretDiscoveryService/{}Secrets",
    RUNTIME: "/envoy.service.runtime.v3.RuntimeDiscoveryService/{}Runtime",
    EXTENSION_CONFIG: "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/{}ExtensionConfigs",
}


# Virtual hosts are asked for one by one, as requests need them: there is no state of the world of them.
STREAMS = [
    (type_url, form)
    for type_url in PER_TYPE
    for form in ("Stream", "Delta")
    if (type_url, form) != (VIRTUAL_HOST, "Stream")
]


@pytest.mark.parametrize(("type_url", "form"), STREAMS)
async def test_a_service_per_type(type_url: TypeUrl, form: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(type_url, "a"), made(type_url, "b")])
        client = WireClient(channel, PER_TYPE[type_url].format(form))
        await client.ask("", ["a"])
        for content in (1, 2):
            rig.cache.update("all", [made(type_url, "a", content)])
            answer = await client.hear()
            assert (answer.type_url, answer.resources) == (type_url, {"a": b"a=%d" % content})
            await client.ack(answer, ["a"])
        await client.ask("type.googleapis.com/other")
        assert (await client.end())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_fetch_answers_once() -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(CLUSTER, "a")])
        call: Fetch = channel.unary_unary(PER_TYPE[CLUSTER].format("Fetch"))
        endpoints: Fetch = channel.unary_unary(PER_TYPE[ENDPOINT].format("Fetch"))
        payload = await call(bytes.fromhex("12030a016d"))
        assert b"a=1" in payload
        empty = await endpoints(bytes.fromhex("12030a016d1a0178"))
        assert ENDPOINT.encode() in empty
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("type_url", [each for each in PER_TYPE if each != VIRTUAL_HOST])
async def test_every_type_can_be_fetched(type_url: TypeUrl) -> None:
    async with serving() as rig, connected(rig) as channel:
        rig.cache.set("all", [made(type_url, "a"), made(type_url, "b")])
        call: Fetch = channel.unary_unary(PER_TYPE[type_url].format("Fetch"))
        request = DiscoveryRequest(node=Node(id="proxy-1"), resource_names=["a"])
        answer = decoded(await call(bytes(request)), delta=False)
        assert (answer.type_url, answer.resources) == (type_url, {"a": b"a=1"})


async def test_virtual_hosts_come_on_demand() -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel, DELTA)
        await client.ask(VIRTUAL_HOST, ["table/one"])
        missing = await client.hear()
        assert (missing.names, missing.removed) == ([], ["table/one"])
        await client.ack(missing)
        rig.cache.set("all", [made(VIRTUAL_HOST, f"table/{name}") for name in ("one", "two")])
        for name in ("table/one", "table/two"):
            answer = await client.hear()
            assert answer.names == [name]
            await client.ack(answer)
            await client.ask(VIRTUAL_HOST, ["table/two"])
