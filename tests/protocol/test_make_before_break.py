"""A client that behaves like Envoy never uses what it does not have, whatever changes and in whichever order it reads.

The model warms clusters, asks for endpoints and routes as its clusters and listeners need them, and
acknowledges clusters only after all of them have warmed, as Envoy does.
"""

from collections import deque

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.protocol.models import Answer, World, chain, decoded, made
from xds.resource import Resource
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl
from xds.wire import decode_delta, decode_sotw

SERVICES = ("a-1", "b-1", "c-1")
TABLES = ("r-1", "r-2")
routed = st.dictionaries(st.sampled_from(TABLES), st.sets(st.sampled_from(SERVICES)), max_size=2)
contents = st.integers(1, 3)


class EnvoyMachine(RuleBasedStateMachine):
    """A mesh that is consistent at every moment, and one Envoy."""

    delta: bool

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.now = 0.0
        self.session = self.world.session(delta=self.delta)
        self.held: dict[TypeUrl, dict[str, bytes]] = {t: {} for t in (CLUSTER, ENDPOINT, LISTENER, ROUTE)}
        self.nonces: dict[TypeUrl, str] = {}
        self.names: dict[TypeUrl, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.warming: set[str] = set()
        self.ready: set[str] = set()
        self.paused: list[str] = []
        self.listens = False
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes] = deque()
        self.configure({"r-1": {"a-1"}}, set(), 1)
        self.ask(CLUSTER)

    # -- the mesh -----------------------------------------------------------------------------------

    @rule(tables=routed, spare=st.sets(st.sampled_from(SERVICES)), content=contents)
    def configure(self, tables: dict[str, set[str]], spare: set[str], content: int) -> None:
        """Replace the whole mesh in one push: what is routed to exists, and perhaps more."""
        services = spare.union(*tables.values())
        wanted: list[Resource] = []
        for service in services:
            wanted += chain(service, cluster=content)
        for table, leads_to in tables.items():
            wanted.append(made(LISTENER, f"l-{table}", table, [(ROUTE, table)]))
            needs = [(CLUSTER, service) for service in sorted(leads_to)]
            wanted.append(made(ROUTE, table, ",".join(sorted(leads_to)), needs))
        keys = {(resource.type_url, resource.name) for resource in wanted}
        gone = [(t, name) for t, held in self.world.content.items() for name in held if (t, name) not in keys]
        changed = [r for r in wanted if self.world.resources(r.type_url).get(r.name) != r]
        self.world.change(changed, gone)

    @rule(service=st.sampled_from(SERVICES), content=contents)
    def scale(self, service: str, content: int) -> None:
        """Other endpoints."""
        if service in self.world.resources(ENDPOINT):
            self.world.put(made(ENDPOINT, service, content))

    # -- the network ----------------------------------------------------------------------------------

    @rule()
    def serve(self) -> None:
        if self.to_server:
            raw = self.to_server.popleft()
            self.session.receive(decode_delta(raw) if self.delta else decode_sotw(raw), self.now)

    @rule()
    def push(self) -> None:
        sent = self.session.next_response(self.now)
        if sent is not None:
            self.to_client.append(sent.response.payload)

    @rule()
    def deliver(self) -> None:
        if self.to_client:
            self.apply(decoded(self.to_client.popleft(), delta=self.delta))

    @rule(rounds=st.integers(2, 12))
    def exchange(self, rounds: int) -> None:
        """Everybody does their part for a while."""
        for _ in range(rounds):
            self.push()
            self.deliver()
            self.routes_lead_to_clusters()
            self.clusters_keep_their_endpoints()
            self.serve()

    # -- the Envoy ------------------------------------------------------------------------------------

    def ask(self, type_url: TypeUrl, *, subscribe: set[str] | None = None, unsubscribe: set[str] | None = None) -> None:
        nonce = self.nonces.get(type_url, "")
        if self.delta:
            edit = discovery.DeltaDiscoveryRequest(
                type_url=type_url,
                resource_names_subscribe=sorted(subscribe or ()),
                resource_names_unsubscribe=sorted(unsubscribe or ()),
            )
            self.to_server.append(bytes(edit))
        else:
            request = discovery.DiscoveryRequest(
                type_url=type_url, response_nonce=nonce, resource_names=sorted(self.names.get(type_url, ()))
            )
            self.to_server.append(bytes(request))

    def ack(self, type_url: TypeUrl, nonce: str) -> None:
        if self.delta:
            self.to_server.append(bytes(discovery.DeltaDiscoveryRequest(type_url=type_url, response_nonce=nonce)))
        else:
            self.ask(type_url)

    def apply(self, answer: Answer) -> None:
        self.nonces[answer.type_url] = answer.nonce
        held = self.held[answer.type_url]
        is_full = not self.delta and answer.type_url in (CLUSTER, LISTENER)
        changed = {name for name, body in answer.resources.items() if held.get(name) != body}
        gone = set(held) - set(answer.resources) if is_full else set(answer.removed) & set(held)
        for name in gone:
            del held[name]
        names = self.names.get(answer.type_url)
        held.update((n, body) for n, body in answer.resources.items() if names is None or n in names)
        if answer.type_url == CLUSTER:
            self.warming = (self.warming | changed) - gone
            self.ready -= gone
            self.follow(ENDPOINT, set(held), again=bool(changed))
        elif answer.type_url == LISTENER:
            self.follow(ROUTE, {body.partition(b"=")[2].decode() for body in held.values()}, again=False)
        elif answer.type_url == ENDPOINT:
            self.warming -= set(answer.resources)
            self.ready |= set(self.held[CLUSTER]) - self.warming
        if answer.type_url == CLUSTER:
            self.paused.append(answer.nonce)
        else:
            self.ack(answer.type_url, answer.nonce)
        if not self.warming:
            for nonce in self.paused if self.delta else self.paused[-1:]:
                self.ack(CLUSTER, nonce)
            self.paused.clear()
        if not self.warming and not self.listens:
            # Envoy asks for listeners when its first clusters are ready, and acknowledged.
            self.listens = True
            self.ask(LISTENER)

    def follow(self, type_url: TypeUrl, needed: set[str], *, again: bool) -> None:
        """Subscribe to what clusters and listeners need now; state-of-the-world asks again after every change."""
        before = self.names[type_url]
        if needed != before or (again and not self.delta):
            self.names[type_url] = needed
            for name in before - needed:
                self.held[type_url].pop(name, None)
            self.ask(type_url, subscribe=needed - before, unsubscribe=before - needed)

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def routes_lead_to_clusters(self) -> None:
        for name, body in self.held[ROUTE].items():
            for service in filter(None, body.partition(b"=")[2].decode().split(",")):
                assert service in self.held[CLUSTER], f"{name} leads to {service}, which is gone"
                assert service in self.ready, f"{name} leads to {service}, which has no endpoints yet"

    @invariant()
    def clusters_keep_their_endpoints(self) -> None:
        for service in self.held[CLUSTER]:
            assert service in self.warming or service in self.held[ENDPOINT]

    def teardown(self) -> None:
        self.settle()
        # A cluster may wait for endpoints that are gone; Envoy acknowledges nothing until the server takes it back.
        self.now += 6
        self.session.expire()
        self.settle()
        assert not self.warming, f"{self.warming} wait for endpoints"
        for type_url in (CLUSTER, LISTENER):
            assert self.held[type_url] == {n: r.body for n, r in self.world.resources(type_url).items()}
        for type_url in (ENDPOINT, ROUTE):
            wanted = self.names[type_url]
            current = {n: r.body for n, r in self.world.resources(type_url).items() if n in wanted}
            assert self.held[type_url] == current

    def settle(self) -> None:
        for _ in range(300):
            self.push()
            if not self.to_client and not self.to_server:
                return
            self.deliver()
            self.routes_lead_to_clusters()
            self.serve()
        raise AssertionError("the conversation does not end")


class SotwEnvoy(EnvoyMachine):
    delta = False


class DeltaEnvoy(EnvoyMachine):
    delta = True


TestSotwEnvoy = SotwEnvoy.TestCase
TestSotwEnvoy.settings = settings(stateful_step_count=50)
TestDeltaEnvoy = DeltaEnvoy.TestCase
TestDeltaEnvoy.settings = settings(stateful_step_count=50)
