"""Endpoints that get requests, and the requests as they come there."""

from collections.abc import Mapping

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import health_check_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_components_pb2

from tests.unit.translator.routes.tables import http_rule
from translator import pb
from translator.routes.headers import mutate_headers
from translator.simulation.snapshot import Snapshot
from translator.simulation.traffic import Connection, Request
from translator.simulation.upstream import forwarded_request, usable_endpoints
from xds.resource import Resource
from xds.types import ENDPOINT, TypeUrl

CONNECTION = Connection(address="2001:db8::1", port=80)


class Resources:
    """One assignment."""

    def __init__(self, assignment: endpoint_pb2.ClusterLoadAssignment) -> None:
        self._found = {assignment.cluster_name: Resource(ENDPOINT, assignment.cluster_name, pb.encode(assignment))}

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        return self._found if type_url == ENDPOINT else {}


def assignment(*priorities: dict[str, int]) -> endpoint_pb2.ClusterLoadAssignment:
    """Endpoints with their health, by priority."""
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name="c")
    for priority, health_of in enumerate(priorities):
        locality = made.endpoints.add(priority=priority)
        for address, health in health_of.items():
            endpoint = locality.lb_endpoints.add(health_status=health)
            endpoint.endpoint.address.socket_address.address = address
            endpoint.endpoint.address.socket_address.port_value = 8080
    return made


def test_the_healthy_ones_of_the_first_priority_that_has_any() -> None:
    healthy, unhealthy = health_check_pb2.HEALTHY, health_check_pb2.UNHEALTHY
    cluster = cluster_pb2.Cluster(name="c", type=cluster_pb2.Cluster.EDS)

    def usable(*priorities: dict[str, int]) -> tuple[str, ...]:
        return usable_endpoints(Snapshot(Resources(assignment(*priorities))), cluster, CONNECTION)

    assert usable({"10.0.0.1": healthy, "10.0.0.2": unhealthy}, {"10.0.0.3": healthy}) == ("10.0.0.1:8080",)
    assert usable({"10.0.0.2": unhealthy}, {"10.0.0.3": healthy}) == ("10.0.0.3:8080",)
    assert usable({"10.0.0.2": unhealthy}) == ()
    assert usable({"2001:db8::2": 0}) == ("[2001:db8::2]:8080",)


def test_clusters_with_endpoints_of_their_own_and_without_any() -> None:
    snapshot = Snapshot(Resources(assignment()))
    static = cluster_pb2.Cluster(name="s", load_assignment=assignment({"10.0.0.1": 0}))
    original = cluster_pb2.Cluster(name="o", type=cluster_pb2.Cluster.ORIGINAL_DST)
    assert usable_endpoints(snapshot, static, CONNECTION) == ("10.0.0.1:8080",)
    assert usable_endpoints(snapshot, original, CONNECTION) == ("[2001:db8::1]:80",)


def test_headers_are_removed_then_set_then_added() -> None:
    rule = http_rule(
        "{headers: {request: {add: {a: added}, set: {a: set, b: '100%%'}, remove: [gone]}}, "
        "route: [{destination: {host: x}}]}"
    )
    route = route_components_pb2.Route()
    mutate_headers(route, rule.headers)
    route.route.host_rewrite_literal = "other"
    request = Request(host="h", path="/p", headers=(("a", "own"), ("gone", "1"), ("kept", "1")))
    host, path, headers = forwarded_request(route, None, request)
    assert (host, path) == ("other", "/p")
    assert headers == (("kept", "1"), ("a", "set"), ("b", "100%"), ("a", "added"))


def test_a_weight_changes_headers_before_its_route() -> None:
    route = route_components_pb2.Route(request_headers_to_remove=["w"])
    weight = route_components_pb2.WeightedCluster.ClusterWeight(host_rewrite_literal="weighted")
    weight.request_headers_to_add.add().header.key = "w"
    host, _, headers = forwarded_request(route, weight, Request(host="h"))
    assert (host, headers) == ("weighted", ())
