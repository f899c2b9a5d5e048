"""What operators are told about clients, and what clients tell about their load."""

import asyncio
from typing import TypeAlias

import envoy_data_plane.envoy.service.load_stats.v3 as lrs
import envoy_data_plane.envoy.service.status.v3 as csds
import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.admin.v3 import ClientResourceStatus
from envoy_data_plane.envoy.config.core.v3 import Locality, Node
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterStats, UpstreamLocalityStats
from envoy_data_plane.envoy.type.matcher.v3 import NodeMatcher, StringMatcher

from fairlead.mesh.waiting import wait_until
from tests.protocol.models import made
from tests.protocol.wire_client import DEADLINE, DELTA, SOTW, Rig, WireClient, connected, serving
from xds.events import Acked, Nacked
from xds.load import STREAM_LOAD, Load, Place
from xds.options import ServerOptions
from xds.status import FETCH_STATUS, STREAM_STATUS
from xds.types import CLUSTER, LISTENER, ROUTE, SECRET

Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
Entry = csds.ClientConfigGenericXdsConfig


async def status(
    channel: grpc.aio.Channel, request: csds.ClientStatusRequest | None = None
) -> csds.ClientStatusResponse:
    fetch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH_STATUS)
    return csds.ClientStatusResponse.parse(await fetch(bytes(request or csds.ClientStatusRequest())))


async def read(call: Call) -> bytes:
    async with asyncio.timeout(DEADLINE):
        payload = await call.read()
    assert isinstance(payload, bytes)
    return payload


def entries(config: csds.ClientConfig) -> dict[tuple[str, str], Entry]:
    return {(entry.type_url, entry.name): entry for entry in config.generic_xds_configs}


async def prepared(rig: Rig, client: WireClient) -> None:
    """A client that accepted one cluster, refused another, waits for a listener and asked for what is not there."""
    rig.cache.set("all", [made(CLUSTER, "good-1"), made(CLUSTER, "bad-1"), made(SECRET, "key"), made(LISTENER, "l")])
    await client.ask(CLUSTER)
    answer = await client.hear()
    await client.ask(CLUSTER, nonce=answer.nonce, error="bad-1: no good")
    await rig.until(Nacked)
    await client.ack(await client.hear())
    await client.ask(SECRET, ["key"])
    await client.ack(await client.hear(), ["key"])
    await rig.until(Acked, 2)
    await client.ask(ROUTE, ["nowhere"])
    if client.delta:
        await client.ack(await client.hear())
    await client.ask(LISTENER)
    await client.hear()


@pytest.mark.parametrize("method", [SOTW, DELTA])
async def test_a_status_tells_what_was_sent_accepted_and_refused(method: str) -> None:
    async with serving() as rig, connected(rig) as channel:
        client = WireClient(channel, method)
        await prepared(rig, client)
        (config,) = (await status(channel)).config
        assert config.node is not None
        assert config.node.id == "proxy-1"
        found = entries(config)
        good, bad, key = found[CLUSTER, "good-1"], found[CLUSTER, "bad-1"], found[SECRET, "key"]
        assert (good.config_status, good.client_status) == (csds.ConfigStatus.SYNCED, ClientResourceStatus.ACKED)
        assert good.xds_config is not None
        assert good.xds_config.value == b"good-1=1"
        assert good.version_info == made(CLUSTER, "good-1").version
        assert good.last_updated is not None
        assert (bad.config_status, bad.client_status) == (csds.ConfigStatus.ERROR, ClientResourceStatus.NACKED)
        assert bad.error_state is not None
        assert bad.error_state.details == "bad-1: no good"
        assert key.client_status == ClientResourceStatus.ACKED
        assert key.xds_config is None, "secrets stay secret"
        assert found[ROUTE, "nowhere"].client_status == ClientResourceStatus.DOES_NOT_EXIST
        assert found[LISTENER, "l"].client_status == ClientResourceStatus.REQUESTED


async def test_a_status_can_leave_contents_out_and_choose_clients() -> None:
    async with serving() as rig, connected(rig) as channel:
        for node_id in ("web-1", "web-2", "db-1"):
            client = WireClient(channel)
            await client.ask(CLUSTER, node=Node(id=node_id))
            await client.hear()
        matchers = [NodeMatcher(node_id=StringMatcher(prefix="web"))]
        request = csds.ClientStatusRequest(node_matchers=matchers, exclude_resource_contents=True)
        answer = await status(channel, request)
        assert [config.node.id for config in answer.config if config.node] == ["web-1", "web-2"]
        assert all(entry.xds_config is None for config in answer.config for entry in config.generic_xds_configs)


async def test_the_streaming_form_answers_every_request() -> None:
    async with serving() as rig, connected(rig) as channel:
        call: Call = channel.stream_stream(STREAM_STATUS)()
        await call.write(b"")
        assert csds.ClientStatusResponse.parse(await read(call)).config == []
        client = WireClient(channel)
        await client.ask(CLUSTER)
        await client.hear()
        await call.write(b"")
        assert len(csds.ClientStatusResponse.parse(await read(call)).config) == 1
        await call.write(b"\xff\xff")
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_load_reports_add_up() -> None:
    options = ServerOptions(load_reporting_interval=2.5)
    async with serving(options=options) as rig, connected(rig) as channel:
        calls: list[Call] = [channel.stream_stream(STREAM_LOAD)() for _ in range(2)]
        place = UpstreamLocalityStats(
            locality=Locality(region="eu", zone="a"),
            total_successful_requests=10,
            total_error_requests=1,
            total_issued_requests=12,
            total_requests_in_progress=3,
        )
        report = lrs.LoadStatsRequest(
            cluster_stats=[ClusterStats(cluster_name="web", upstream_locality_stats=[place], total_dropped_requests=2)]
        )
        for call in calls:
            await call.write(bytes(lrs.LoadStatsRequest(node=Node(id="proxy-1"))))
            answer = lrs.LoadStatsResponse.parse(await read(call))
            assert answer.send_all_clusters
            assert answer.load_reporting_interval is not None
            assert answer.load_reporting_interval.total_seconds() == 2.5
            for _ in range(2):
                await call.write(bytes(report))
        expected = Load(successful=40, failed=4, issued=48, in_progress=6)

        async def all_counted() -> None:
            assert rig.server.load.loads() == {Place("web", "eu", "a"): expected}

        async def one_left() -> None:
            assert rig.server.load.loads()[Place("web", "eu", "a")].in_progress == 3

        await wait_until(all_counted)
        assert rig.server.load.dropped() == {"web": 8}
        calls[0].cancel()
        await wait_until(one_left)
        await calls[1].write(b"\xff\xff")
        assert await calls[1].code() is grpc.StatusCode.INVALID_ARGUMENT
