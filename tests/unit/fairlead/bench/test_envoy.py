"""The simulated proxy asks in Envoy's order, and for exactly what it was told of."""

from envoy.service.discovery.v3 import discovery_pb2

from fairlead.bench.content import Content, Part, Stamp
from fairlead.bench.envoy import SimulatedEnvoy
from xds.resource import length_delimited
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl

NODE = length_delimited(1, length_delimited(1, b"node-1"))
_SERIALS = iter(range(1, 1000))


def content(**references: tuple[TypeUrl, str]) -> Content:
    parts = {
        name: Part("v1", {kind: frozenset({target})} if target else {}, frozenset())
        for name, (kind, target) in references.items()
    }
    return Content(next(_SERIALS), parts, frozenset())


def stamp(type_url: TypeUrl, *removed: str) -> Stamp:
    return Stamp(type_url, "7", "n", removed)


def asked(requests: list[bytes]) -> list[tuple[str, list[str], list[str]]]:
    found = []
    for raw in requests:
        request = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
        short = request.type_url.rpartition(".")[2]
        found.append((short, list(request.resource_names_subscribe), list(request.resource_names_unsubscribe)))
    return found


def configured() -> SimulatedEnvoy:
    envoy = SimulatedEnvoy(NODE, delta=True)
    list(envoy.connect())
    envoy.acknowledge(stamp(CLUSTER))
    envoy.take(stamp(CLUSTER), content(a=(ENDPOINT, "a")))
    envoy.acknowledge(stamp(ENDPOINT))
    envoy.take(stamp(ENDPOINT), content(a=(ENDPOINT, "")))
    envoy.acknowledge(stamp(LISTENER))
    envoy.take(stamp(LISTENER), content(l=(ROUTE, "8000")))
    envoy.acknowledge(stamp(ROUTE))
    envoy.take(stamp(ROUTE), content(**{"8000": (ROUTE, "")}))
    return envoy


def test_it_introduces_itself_and_asks_for_clusters() -> None:
    (raw,) = SimulatedEnvoy(NODE, delta=True).connect()
    request = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
    assert (request.node.id, request.type_url) == ("node-1", CLUSTER)


def test_listeners_are_asked_for_when_all_clusters_have_their_endpoints() -> None:
    envoy = SimulatedEnvoy(NODE, delta=True)
    list(envoy.connect())
    envoy.acknowledge(stamp(CLUSTER))
    told = content(a=(ENDPOINT, "a"), b=(ENDPOINT, "b"))
    assert asked(envoy.take(stamp(CLUSTER), told)) == [("ClusterLoadAssignment", ["a", "b"], [])]
    envoy.acknowledge(stamp(ENDPOINT))
    assert asked(envoy.take(stamp(ENDPOINT), content(a=(ENDPOINT, "")))) == []
    assert asked(envoy.take(stamp(ENDPOINT), content(b=(ENDPOINT, "")))) == [("Listener", [], [])]
    assert not envoy.is_configured


def test_it_is_configured_when_everything_has_come() -> None:
    assert configured().is_configured


def test_a_removed_cluster_is_unsubscribed_from() -> None:
    envoy = configured()
    assert asked(envoy.take(stamp(CLUSTER, "a"), content())) == [("ClusterLoadAssignment", [], ["a"])]


def test_after_a_reconnection_it_says_what_it_has() -> None:
    requests = [discovery_pb2.DeltaDiscoveryRequest.FromString(raw) for raw in configured().connect()]
    assert [(each.type_url, dict(each.initial_resource_versions)) for each in requests] == [
        (CLUSTER, {"a": "v1"}),
        (ENDPOINT, {"a": "v1"}),
        (ROUTE, {"8000": "v1"}),
        (LISTENER, {"l": "v1"}),
    ]
    assert [each.node.id for each in requests] == ["node-1", "", "", ""]


def test_an_ack_of_the_state_of_the_world_repeats_the_names() -> None:
    envoy = SimulatedEnvoy(NODE, delta=False)
    list(envoy.connect())
    envoy.acknowledge(stamp(CLUSTER))
    envoy.take(stamp(CLUSTER), content(a=(ENDPOINT, "a"), b=(ENDPOINT, "b")))
    request = discovery_pb2.DiscoveryRequest.FromString(envoy.acknowledge(stamp(ENDPOINT)))
    assert (list(request.resource_names), request.version_info, request.response_nonce) == (["a", "b"], "7", "n")


def test_proxies_with_the_same_past_share_what_they_hold() -> None:
    told = content(a=(ENDPOINT, "a"))
    first, second = SimulatedEnvoy(NODE, delta=True), SimulatedEnvoy(NODE, delta=True)
    for envoy in (first, second):
        envoy.take(stamp(CLUSTER), told)
    assert first.lanes[CLUSTER].held is second.lanes[CLUSTER].held
