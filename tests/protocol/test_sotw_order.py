"""State-of-the-world streams: in which order things come and go, and what waits for what."""

from tests.protocol.models import Talk, World, chain, made, routing
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE


def test_endpoints_follow_a_changed_cluster(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *chain("b"))
    sotw.ask(CLUSTER)
    sotw.ask(ENDPOINT, ["a", "b"])
    sotw.settle({ENDPOINT: ["a", "b"]})
    world.put(chain("a", cluster=2)[0])
    heard = sotw.settle({ENDPOINT: ["a", "b"]})
    assert [(answer.type_url, answer.names) for answer in heard] == [(CLUSTER, ["a", "b"]), (ENDPOINT, ["a"])]


def test_case_08_endpoints_before_clusters_are_sent_again_after_them(world: World, sotw: Talk) -> None:
    world.put(*chain("a"))
    sotw.ask(ENDPOINT, ["a"], nonce="of-another-stream")
    first = sotw.listen(ENDPOINT)
    sotw.ask(CLUSTER, nonce="of-another-stream")
    clusters = sotw.listen(CLUSTER)
    again = sotw.listen(ENDPOINT)
    assert again.names == ["a"]
    assert again.nonce != first.nonce
    sotw.ack(first, ["a"])
    sotw.ack(clusters)
    sotw.ack(again, ["a"])
    assert sotw.quiet()


def test_an_endpoint_change_sends_endpoints_only(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    for type_url, names in ((CLUSTER, []), (ENDPOINT, ["a", "b"]), (LISTENER, []), (ROUTE, ["web"])):
        sotw.ask(type_url, names)
    sotw.settle({ENDPOINT: ["a", "b"], ROUTE: ["web"]})
    world.put(made(ENDPOINT, "b", 2))
    heard = sotw.settle({ENDPOINT: ["a", "b"]})
    assert [(answer.type_url, answer.names) for answer in heard] == [(ENDPOINT, ["b"])]


def test_one_push_goes_out_in_order(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *routing("a"))
    for type_url, names in ((ROUTE, ["web"]), (LISTENER, []), (ENDPOINT, ["a"]), (CLUSTER, [])):
        sotw.ask(type_url, names)
    assert [answer.type_url for answer in sotw.settle({ENDPOINT: ["a"], ROUTE: ["web"]})] == [
        CLUSTER,
        ENDPOINT,
        LISTENER,
        ROUTE,
    ]


def test_a_cluster_goes_after_the_routes_that_lead_to_it(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    wanted = {ENDPOINT: ["a", "b"], ROUTE: ["web"]}
    for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE):
        sotw.ask(type_url, wanted.get(type_url, ()))
    sotw.settle(wanted)
    world.change(routing("a", content=2), [(CLUSTER, "b"), (ENDPOINT, "b")])
    routes = sotw.listen(ROUTE)
    assert sotw.quiet(), "the route may still be in use"
    sotw.ack(routes, ["web"])
    clusters = sotw.listen(CLUSTER)
    assert clusters.names == ["a"]


def test_a_refused_route_keeps_its_clusters(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    wanted = {ENDPOINT: ["a", "b"], ROUTE: ["web"]}
    for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE):
        sotw.ask(type_url, wanted.get(type_url, ()))
    sotw.settle(wanted)
    world.change(routing("a", content="refused"), [(CLUSTER, "b")])
    sotw.nack(sotw.listen(ROUTE), "no", ["web"])
    sotw.now += 60
    sotw.session.expire()
    assert sotw.quiet()
    world.put(*routing("a", content=3))
    sotw.ack(sotw.listen(ROUTE), ["web"])
    assert sotw.listen(CLUSTER).names == ["a"]


def asking_by_name(world: World, talk: Talk) -> None:
    """A client that asks for two clusters because its route leads to them, as gRPC does; it has accepted everything."""
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    wanted = {CLUSTER: ["a", "b"], ENDPOINT: ["a", "b"], LISTENER: ["web"], ROUTE: ["web"]}
    for type_url, names in wanted.items():
        talk.ask(type_url, names)
    talk.settle(wanted)


def test_a_removed_cluster_stays_until_its_client_lets_go_of_it(world: World, sotw: Talk) -> None:
    asking_by_name(world, sotw)
    world.change(routing("a", content=2), [(CLUSTER, "b"), (ENDPOINT, "b")])
    sotw.ack(sotw.listen(ROUTE), ["web"])
    assert sotw.quiet(), "a call may have chosen it before the route changed"
    # What comes meanwhile still has it.
    world.put(chain("a", cluster=2)[0])
    clusters = sotw.listen(CLUSTER)
    assert clusters.names == ["a", "b"]
    sotw.ack(clusters, ["a", "b"])
    sotw.ack(sotw.listen(ENDPOINT), ["a", "b"])
    sotw.ask(CLUSTER, ["a"], nonce=clusters.nonce)
    assert sotw.quiet()
    world.put(chain("a", cluster=3)[0])
    assert sotw.listen(CLUSTER).names == ["a"]


def test_a_client_that_does_not_let_go_loses_the_cluster_in_the_end(world: World, sotw: Talk) -> None:
    asking_by_name(world, sotw)
    world.change(routing("a", content=2), [(CLUSTER, "b"), (ENDPOINT, "b")])
    sotw.ack(sotw.listen(ROUTE), ["web"])
    assert sotw.quiet()
    at = sotw.session.wake_at(sotw.now)
    assert at == sotw.now + world.rules.linger
    sotw.now = at
    sotw.session.expire()
    assert sotw.listen(CLUSTER).names == ["a"]


def test_a_removed_cluster_that_a_route_still_leads_to_goes_at_once(world: World, sotw: Talk) -> None:
    asking_by_name(world, sotw)
    world.change(routing("b", content=2), [(CLUSTER, "b"), (ENDPOINT, "b")])
    sotw.ack(sotw.listen(ROUTE), ["web"])
    assert sotw.listen(CLUSTER).names == ["a"], "calls shall fail, not wait"


def test_silence_ends_the_wait_for_an_acknowledgement(world: World, sotw: Talk) -> None:
    world.put(*chain("a"), *chain("b"), *routing("a", "b"))
    wanted = {ENDPOINT: ["a", "b"], ROUTE: ["web"]}
    for type_url in (CLUSTER, ENDPOINT, LISTENER, ROUTE):
        sotw.ask(type_url, wanted.get(type_url, ()))
    sotw.settle(wanted)
    world.change(routing("a", content=2), [(CLUSTER, "b")])
    sotw.listen(ROUTE)
    assert sotw.quiet()
    assert sotw.session.wake_at(sotw.now) == sotw.now + 5
    sotw.now += 5.1
    sotw.session.expire()
    assert sotw.listen(CLUSTER).names == ["a"]


def test_one_push_per_type_is_under_way(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "a", 2))
    second = sotw.listen(CLUSTER)
    for content in range(3, 20):
        world.put(made(CLUSTER, "a", content))
        assert sotw.quiet()
    sotw.ack(second)
    assert sotw.listen(CLUSTER).resources == {"a": b"a=19"}


def test_a_client_that_never_acknowledges_is_kept_up_to_date(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.listen(CLUSTER)
    world.put(made(CLUSTER, "a", 2))
    assert sotw.quiet()
    assert sotw.session.wake_at(sotw.now) == 5.0
    sotw.now = 5.1
    assert sotw.listen(CLUSTER).resources == {"a": b"a=2"}
    for content in range(3, 200):
        sotw.now += 5.1
        world.put(made(CLUSTER, "a", content))
        assert sotw.listen(CLUSTER).resources == {"a": b"a=%d" % content}
    (lane,) = sotw.session.lanes()
    assert len(lane.in_flight) == 64
    assert sum(bool(sent.response.payload) for sent in lane.in_flight) == 8


def test_a_listener_waits_for_the_clusters_of_the_same_push(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(LISTENER, "l"))
    sotw.ask(CLUSTER)
    sotw.ask(LISTENER)
    clusters = sotw.listen(CLUSTER)
    sotw.ack(sotw.listen(LISTENER))
    world.put(made(CLUSTER, "b"), made(LISTENER, "l", 2))
    assert sotw.quiet(), "the first cluster response is not acknowledged, so the listener waits as well"
    sotw.ack(clusters)
    clusters = sotw.listen(CLUSTER)
    assert sotw.quiet(), "Envoy acknowledges clusters when they have warmed"
    sotw.ack(clusters)
    sotw.listen(LISTENER)


def test_a_listener_does_not_wait_for_clusters_that_go(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"), made(LISTENER, "l"))
    sotw.ask(CLUSTER)
    sotw.ask(LISTENER)
    sotw.settle()
    world.change([made(LISTENER, "l", 2)], [(CLUSTER, "a")])
    sotw.listen(CLUSTER)
    sotw.listen(LISTENER)


def test_a_listener_does_not_wait_for_ever(world: World, sotw: Talk) -> None:
    world.put(made(LISTENER, "l"))
    sotw.ask(CLUSTER)
    sotw.ask(LISTENER)
    sotw.settle()
    world.put(made(CLUSTER, "never-warm"), made(LISTENER, "l", 2))
    sotw.listen(CLUSTER)
    assert sotw.quiet()
    sotw.now = sotw.session.wake_at(sotw.now) or 0
    assert sotw.now == 5
    sotw.listen(LISTENER)


def test_a_reply_takes_the_clusters_it_may_need_with_it(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.listen(CLUSTER)
    world.put(made(CLUSTER, "b"), made(ROUTE, "r", "b", [(CLUSTER, "b")]))
    assert sotw.quiet()
    sotw.ask(ROUTE, ["r"])
    assert sotw.listen(CLUSTER).names == ["a", "b"]
    assert sotw.listen(ROUTE).names == ["r"]


def test_a_reply_waits_for_new_clusters_on_an_established_stream(world: World, sotw: Talk) -> None:
    world.put(made(CLUSTER, "a"))
    sotw.ask(CLUSTER)
    sotw.ack(sotw.listen(CLUSTER))
    world.put(made(CLUSTER, "b"), made(ROUTE, "r", "b", [(CLUSTER, "b")]))
    sotw.ask(ROUTE, ["r"])
    clusters = sotw.listen(CLUSTER)
    assert sotw.quiet()
    sotw.ack(clusters)
    assert sotw.listen(ROUTE).names == ["r"]
