"""The snapshot cache: what it publishes, and what it finds inconsistent."""

from collections.abc import Set as AbstractSet

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import wrappers_pb2

from xds.cache import SnapshotCache
from xds.client import Client
from xds.errors import Code, InconsistentResources, StreamRejected, UnsupportedMessage
from xds.node import Node
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, TypeUrl
from xds.view import View, ViewChange


class Told:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.changes: list[ViewChange] = []
        self.losses: list[AbstractSet[str]] = []

    def publish(
        self, view: View, change: ViewChange, cause: object = None, losses: AbstractSet[str] = frozenset()
    ) -> None:
        self.changes.append({type_url: set(names) for type_url, names in change.items()})
        self.losses.append(losses)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def cache(told: Told) -> SnapshotCache:
    made = SnapshotCache()
    made.connect(told)
    return made


def resource(name: str, content: int = 1, type_url: TypeUrl = CLUSTER) -> Resource:
    return Resource(type_url, name, b"%d" % content)


def assignment(name: str, *addresses: str) -> endpoint_pb2.ClusterLoadAssignment:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for address in addresses:
        endpoint = message.endpoints.add().lb_endpoints.add().endpoint
        endpoint.address.socket_address.address = address
    return message


def client(node_id: str) -> Client:
    return Client(1, Node(b"", node_id, ""), "peer", None, 0.0)


def test_setting_publishes_what_differs(cache: SnapshotCache, told: Told) -> None:
    cache.set("g", [resource("a"), resource("b"), resource("e", 1, ENDPOINT)])
    cache.set("g", [resource("a"), resource("b", 2), resource("c")])
    assert told.changes == [{CLUSTER: {"a", "b"}, ENDPOINT: {"e"}}, {CLUSTER: {"b", "c"}, ENDPOINT: {"e"}}]
    assert sorted(cache.snapshot("g").resources(CLUSTER)) == ["a", "b", "c"]
    cache.set("g", [resource("a"), resource("b", 2), resource("c")])
    assert len(told.changes) == 2


def test_updating_and_removing(cache: SnapshotCache, told: Told) -> None:
    cache.update("g", [resource("a"), resource("b")])
    cache.update("g", [resource("a"), resource("b", 2)])
    cache.remove("g", CLUSTER, ["a", "unknown"])
    cache.remove("g", CLUSTER, ["a"])
    assert told.changes == [{CLUSTER: {"a", "b"}}, {CLUSTER: {"b"}}, {CLUSTER: {"a"}}]


def test_explicit_versions_decide(cache: SnapshotCache, told: Told) -> None:
    cache.set("g", [resource("a")], version="1")
    assert cache.snapshot("g").resources(CLUSTER)["a"].version == "1"
    cache.set("g", [resource("a")], version="2")
    assert told.changes == [{CLUSTER: {"a"}}, {CLUSTER: {"a"}}]
    cache.set("g", [cluster_pb2.Cluster(name="m")], version="3")
    assert cache.snapshot("g").resources(CLUSTER)["m"].version == "3"


def test_two_resources_of_one_name_are_an_error(cache: SnapshotCache, told: Told) -> None:
    with pytest.raises(ValueError, match="two resources"):
        cache.set("g", [resource("a"), resource("a", 2)])
    assert told.changes == []


def test_lost_endpoints_are_told(cache: SnapshotCache, told: Told) -> None:
    cache.set("g", [assignment("a", "10.0.0.1", "10.0.0.2"), assignment("b", "10.0.0.3")])
    cache.update("g", [assignment("a", "10.0.0.1"), assignment("b", "10.0.0.3", "10.0.0.4")])
    cache.remove("g", ENDPOINT, ["b"])
    cache.set("g", [])
    assert told.losses == [set(), {"a"}, {"b"}, {"a"}]


def test_messages_become_resources(cache: SnapshotCache) -> None:
    cache.set("g", [cluster_pb2.Cluster(name="a"), endpoint_pb2.ClusterLoadAssignment(cluster_name="a")])
    assert set(cache.snapshot("g").resources(ENDPOINT)) == {"a"}
    with pytest.raises(UnsupportedMessage, match="BoolValue"):
        cache.set("g", [wrappers_pb2.BoolValue()])


def test_dangling_references_are_found(cache: SnapshotCache) -> None:
    route = route_pb2.RouteConfiguration(name="r")
    route.virtual_hosts.add(name="v").routes.add().route.cluster = "a"
    cache.set("g", [cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.EDS), route])
    with pytest.raises(InconsistentResources, match=r"'a' \(cds\) needs 'a' \(eds\)"):
        cache.check_consistency("g")
    cache.update("g", [endpoint_pb2.ClusterLoadAssignment(cluster_name="a")])
    cache.check_consistency("g")
    cache.remove("g", CLUSTER, ["a"])
    with pytest.raises(InconsistentResources, match=r"'r' \(rds\) needs 'a' \(cds\)"):
        cache.check_consistency("g")


async def test_clients_wait_for_their_first_snapshot() -> None:
    cache = SnapshotCache()
    with pytest.raises(StreamRejected) as refused:
        await cache.attach(client("n"))
    assert refused.value.code is Code.UNAVAILABLE
    cache.set("n", [])
    view = await cache.attach(client("n"))
    assert view is cache.snapshot("n")
    assert view.fallback(CLUSTER, "x") is None


async def test_groups_are_chosen_by_the_application() -> None:
    cache = SnapshotCache(lambda one: one.node_id.partition("-")[0], wait_for_snapshot=False)
    assert await cache.attach(client("web-1")) is await cache.attach(client("web-2"))
    assert await cache.attach(client("db-1")) is cache.snapshot("db")
