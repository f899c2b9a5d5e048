"""Joining: what is put together from pieces is what protobuf would have serialised."""

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.routes.tables import tree
from translator import pb
from translator.routes.selection import unknown_route
from translator.routes.table import HostCollector, encode_record, join_table, list_hosts
from translator.routes.virtual_host import EncodedRoutes, encode_head, encode_routes, encode_tail, join_routes
from xds.resource import Reference
from xds.types import CLUSTER, ROUTE


def route(prefix: str, cluster: str = "") -> route_components_pb2.Route:
    """A route with fields before and after its action, and maps, whose order protobuf leaves open."""
    built = route_components_pb2.Route(name=prefix, match=route_components_pb2.RouteMatch(prefix=prefix))
    built.route.cluster = cluster or prefix
    for name in ("b", "a", "c"):
        built.metadata.filter_metadata[name].update({"z": 1, "y": 2})
    return built


ROUTES = [route("/a"), route("/b", "x" * 300), route("/")]


@pytest.mark.parametrize("attempt_count", [True, False])
@pytest.mark.parametrize("require_tls", [True, False])
@pytest.mark.parametrize("ignore_port", [True, False])
def test_a_joined_table_is_byte_for_byte_the_serialised_one(
    *, attempt_count: bool, require_tls: bool, ignore_port: bool
) -> None:
    kind = route_components_pb2.VirtualHost
    hosts = [
        kind(
            name=name,
            domains=[name, f"{name}.example.com"],
            routes=ROUTES,
            require_tls=kind.ALL if require_tls else kind.NONE,
            include_request_attempt_count=attempt_count,
        )
        for name in ("one", "two")
    ]
    whole = route_pb2.RouteConfiguration(
        name="80",
        virtual_hosts=hosts,
        validate_clusters=pb.boolean(False),  # noqa: FBT003 - a protobuf wrapper
        max_direct_response_body_size_bytes=pb.uint32(1048576),
        ignore_port_in_host_matching=ignore_port,
    )
    routes = encode_routes(ROUTES)
    tail = encode_tail(attempt_count=attempt_count, require_tls=require_tls)
    pieces = [encode_head(host.name, host.domains) + routes.body + tail for host in hosts]
    assert join_table("80", list_hosts(pieces, ()), ignore_port=ignore_port).body == pb.encode(whole)


def test_a_table_refers_to_its_clusters_sorted_and_once() -> None:
    built = join_table("80", list_hosts((), ["b", "a", "b"]))
    assert built.references == (Reference(CLUSTER, "a"), Reference(CLUSTER, "b"))


def test_case_06_an_unknown_name_gets_an_empty_table() -> None:
    built = unknown_route("stale")
    message = route_pb2.RouteConfiguration()
    message.ParseFromString(built.body)
    assert tree(message) == {"name": "stale", "validate_clusters": False}
    assert (built.type_url, built.name, built.references) == (ROUTE, "stale", ())


def test_joined_routes_keep_their_order_with_those_that_catch_all_last() -> None:
    joined = join_routes([encode_routes([route("/a"), route("/", "one")]), encode_routes([route("/b"), route("/")])])
    host = route_components_pb2.VirtualHost()
    host.ParseFromString(joined.body)
    assert [(each.match.prefix, each.route.cluster) for each in host.routes] == [
        ("/a", "/a"),
        ("/b", "/b"),
        ("/", "one"),
        ("/", "/"),
    ]
    assert joined.clusters == ("/", "/a", "/b", "one")


def test_clusters_are_those_of_every_action() -> None:
    weighted = route_components_pb2.Route()
    weighted.match.prefix = "/w"
    weighted.route.weighted_clusters.clusters.add(name="w1")
    weighted.route.weighted_clusters.clusters.add(name="w2")
    weighted.route.request_mirror_policies.add(cluster="m")
    answered = route_components_pb2.Route(direct_response=route_components_pb2.DirectResponseAction(status=200))
    assert encode_routes([weighted, answered, route("/a", "c")]).clusters == ("c", "m", "w1", "w2")


def test_no_routes_are_empty() -> None:
    assert EncodedRoutes().is_empty
    assert join_routes([]).is_empty
    assert not encode_routes([route("/")]).is_empty


CHANGES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | st.lists(st.sampled_from("xyz"), unique=True).map(sorted)),
    max_size=15,
)


@given(CHANGES)
def test_a_collected_list_is_the_one_that_is_made_at_once(changes: list[tuple[str, list[str] | None]]) -> None:
    collector = HostCollector()
    there: dict[str, list[str]] = {}
    for name, clusters in changes:
        if clusters is None:
            there.pop(name, None)
            collector.drop(name)
        else:
            there[name] = clusters
            collector.put(name, encode_record(f"{name} {clusters}".encode()), tuple(clusters))
        texts = [f"{name} {clusters}".encode() for name, clusters in sorted(there.items())]
        every = [cluster for clusters in there.values() for cluster in clusters]
        assert collector.hosts() == list_hosts(texts, every)


def test_one_more_host_brings_its_clusters_along() -> None:
    more = list_hosts([b"a"], ["b", "d"]).followed_by(b"z", ["a", "b", "c"])
    assert more == list_hosts([b"a", b"z"], "abcd")
