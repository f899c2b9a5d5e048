"""Real Envoys, state-of-the-world and delta, fed from a SnapshotCache."""

from pathlib import Path

import pytest

from fairlead.mesh.load import LoadGenerator
from fairlead.mesh.waiting import NotYetError, wait_until
from tests.conftest import SOAK
from tests.protocol.envoys import Edge, running_edge
from tests.protocol.messages import broken_cluster, cluster, endpoints, routes
from xds.client import SyncState
from xds.events import Acked, Nacked, ResponseSent, StreamOpened
from xds.options import ServerOptions
from xds.types import CLUSTER, ENDPOINT

pytestmark = [pytest.mark.envoy, pytest.mark.parametrize("api_type", ["GRPC", "DELTA_GRPC"])]

RESTARTS = 100 if SOAK else 5


def status_of(edge: Edge, type_url: str) -> SyncState:
    (client,) = edge.server.clients.values()
    return next(status.state for status in client.status() if status.type_url == type_url)


async def synced(edge: Edge) -> None:
    """Wait until the Envoy has accepted everything that it was sent."""

    async def probe() -> None:
        states = [(s.type_url, s.state) for client in edge.server.clients.values() for s in client.status()]
        if len(states) < 4 or any(state is not SyncState.SYNCED for _, state in states):
            raise NotYetError(str(states))

    await wait_until(probe, context=edge.envoy.describe)


async def stable_config(edge: Edge) -> object:
    """What the Envoy says that it has, but for the time when each part came and the version it came with."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items() if key not in {"last_updated", "version_info"}}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    return strip(await edge.envoy.admin.config_dump("include_eds"))


async def test_changes_take_effect_without_a_failed_request(tmp_path: Path, api_type: str) -> None:
    async with running_edge(tmp_path, api_type, {"v1": 100}) as edge:
        async with LoadGenerator(lambda: edge.client.get("/ip"), rate=400) as load:
            await load.wait_for(lambda answer: answer.version == "v1")
            for weights in ({"v1": 50, "v2": 50}, {"v2": 100}, {"v1": 100}, {"v2": 100}):
                edge.cache.set("edge", edge.mesh(weights))
                for version in weights:
                    await load.wait_instance(edge.backend(version))
                await synced(edge)
                config = await edge.envoy.admin.config()
                assert set(config.clusters) - {"xds"} == set(weights)
        assert not load.traffic.failed, load.traffic.describe_failures()


async def test_endpoints_follow_and_changed_clusters_warm(tmp_path: Path, api_type: str) -> None:
    async with running_edge(tmp_path, api_type, {"v1": 100}) as edge:
        async with LoadGenerator(lambda: edge.client.get("/ip"), rate=100) as load:
            both = {edge.backend("v1"), edge.backend("v2")}
            edge.cache.update("edge", [endpoints("v1", sorted(both))])
            await edge.envoy.wait_healthy_hosts("v1", both)
            for timeout in (6, 7, 8):
                edge.cache.update("edge", [cluster("v1", timeout=timeout)])
                await synced(edge)
                stats = await edge.envoy.admin.stats("cluster_manager.warming_clusters")
                assert stats["cluster_manager.warming_clusters"] == 0
            edge.cache.update("edge", [endpoints("v1", [edge.backend("v2")])])
            await edge.envoy.wait_healthy_hosts("v1", {edge.backend("v2")})
        assert not load.traffic.failed, load.traffic.describe_failures()
        assert not edge.of(Nacked)


async def test_a_refused_cluster_is_held_back_alone(tmp_path: Path, api_type: str) -> None:
    async with running_edge(tmp_path, api_type, {"v1": 100}) as edge:
        fine = {f"fine-{number}": number for number in range(8)}
        added = [cluster(name) for name in fine] + [endpoints(name, []) for name in fine]
        edge.cache.update("edge", [broken_cluster("broken"), *added])
        await edge.envoy.wait_config(lambda config: fine.keys() <= set(config.clusters))
        await synced(edge)
        (client,) = edge.server.clients.values()
        clusters = next(status for status in client.status() if status.type_url == CLUSTER)
        assert [(r.name, "duration" in r.reason) for r in clusters.rejections] == [("broken", True)]
        assert (await edge.client.get("/ip")).status == 200
        refusals = len(edge.of(Nacked))
        edge.cache.update("edge", [broken_cluster("broken"), endpoints("fine-1", [edge.backend("v1")])])
        await edge.envoy.wait_healthy_hosts("fine-1", {edge.backend("v1")})
        assert len(edge.of(Nacked)) == refusals
        edge.cache.update("edge", [cluster("broken"), endpoints("broken", [])])
        await edge.envoy.wait_config(lambda config: "broken" in config.clusters)


async def test_a_service_leaves_after_its_routes(tmp_path: Path, api_type: str) -> None:
    async with running_edge(tmp_path, api_type, {"v1": 50, "v2": 50}) as edge:
        await synced(edge)
        seen = len(edge.events)
        edge.cache.set("edge", edge.mesh({"v1": 100}))
        await edge.envoy.wait_config(lambda config: "v2" not in config.clusters)
        await synced(edge)
        order = [
            (type(event), event.type_url) for event in edge.events[seen:] if isinstance(event, ResponseSent | Acked)
        ]
        kinds = [type_url.rpartition(".")[2] for kind, type_url in order if kind is ResponseSent]
        assert kinds[:2] == ["RouteConfiguration", "Cluster"]
        assert order[1][0] is Acked, "the cluster goes only after the route table was acknowledged"


@pytest.mark.soak
async def test_case_35_a_restarts_of_the_server_go_unnoticed(tmp_path: Path, api_type: str) -> None:
    async with running_edge(tmp_path, api_type, {"v1": 100}) as edge:
        await synced(edge)
        before = await edge.envoy.admin.stats(
            "listener_manager.(listener_modified|listener_removed)|cluster_(added|modified)"
        )
        config = await stable_config(edge)
        async with LoadGenerator(lambda: edge.client.get("/ip"), rate=100) as load:
            for _ in range(RESTARTS):
                await edge.server.stop(0.1)
                seen = len(edge.events)
                await edge.serve()
                await synced(edge)
                sent = [event for event in edge.events[seen:] if isinstance(event, ResponseSent)]
                if api_type == "DELTA_GRPC":
                    assert {event.type_url for event in sent if event.names} <= {ENDPOINT}
        assert not load.traffic.failed, load.traffic.describe_failures()
        after = await edge.envoy.admin.stats(
            "listener_manager.(listener_modified|listener_removed)|cluster_(added|modified)"
        )
        assert after == before
        assert await stable_config(edge) == config
        edge.cache.update("edge", [routes("front", {"v1": 1}), endpoints("v1", [edge.backend("v2")])])
        await edge.envoy.wait_healthy_hosts("v1", {edge.backend("v2")})


async def test_case_35_b_connections_of_a_certain_age_are_renewed_unnoticed(tmp_path: Path, api_type: str) -> None:
    options = ServerOptions(max_connection_age=0.5, max_connection_age_grace=0.2)
    async with running_edge(tmp_path, api_type, {"v1": 100}, options=options) as edge:
        async with LoadGenerator(lambda: edge.client.get("/ip"), rate=100) as load:

            async def renewed() -> None:
                opened, changes = len(edge.of(StreamOpened)), len(edge.of(Nacked))
                assert (opened > 4, changes) == (True, 0), opened

            await wait_until(renewed)
            edge.cache.update("edge", [endpoints("v1", [edge.backend("v2")])])
            await load.wait_instance(edge.backend("v2"))
        assert not load.traffic.failed, load.traffic.describe_failures()
