"""Any interleaving of requests, answers, changes, losses and reconnects ends with the client holding what it wants.

The models are clients as the protocol text describes them. They check every response while it comes, and
at the end compare what they hold with the View.
"""

from collections import deque
from dataclasses import dataclass, field

import envoy_data_plane.envoy.service.discovery.v3 as discovery
import hypothesis.strategies as st
from envoy_data_plane.google.rpc import Status
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.protocol.models import Answer, World, decoded, made
from xds.resource import Resource
from xds.session import Session
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TRAITS, TypeUrl
from xds.wire import decode_delta, decode_sotw

NAMES = ("a-1", "b-1", "c-1", "d-1")
types = st.sampled_from((CLUSTER, ENDPOINT, LISTENER, ROUTE))
names = st.sampled_from(NAMES)
name_sets = st.sets(names, max_size=4)
# A client refuses any content that starts with "bad".
contents = st.sampled_from(("1", "2", "3", "bad1", "bad2"))


@dataclass
class Held:
    """What the client knows of one type."""

    names: set[str] = field(default_factory=set)
    wildcard: bool = False
    legacy: bool = False
    nonce: str = ""
    resources: dict[str, bytes] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names


def is_bad(body: bytes) -> bool:
    return b"=bad" in body


class Machine(RuleBasedStateMachine):
    """What both protocols have in common: a View that changes, and messages under way in both directions."""

    delta: bool

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.held: dict[TypeUrl, Held] = {}
        self.now = 0.0
        self.names_culprit = True
        self._connect()

    @initialize(names_culprit=st.booleans())
    def choose(self, *, names_culprit: bool) -> None:
        """Some clients name the resource that they refuse, others only complain."""
        self.names_culprit = names_culprit

    def _connect(self) -> None:
        self.world.sessions.clear()
        self.session: Session = self.world.session(delta=self.delta)
        self.to_server: deque[tuple[bytes, set[bytes]]] = deque()
        self.refused: dict[TypeUrl, set[bytes]] = {type_url: set() for type_url in TRAITS}
        self.to_client: deque[bytes] = deque()
        self.opened: set[TypeUrl] = set()

    # -- the application ----------------------------------------------------------------------------

    @rule(type_url=types, some=name_sets, content=contents)
    def put(self, type_url: TypeUrl, some: set[str], content: str) -> None:
        self.world.put(*(made(type_url, name, content) for name in some), cause=object())

    @rule(type_url=types, some=name_sets)
    def drop(self, type_url: TypeUrl, some: set[str]) -> None:
        self.world.drop(type_url, *some)

    @rule()
    def move(self) -> None:
        """The client's View is replaced by an equal one: nothing needs to be sent."""
        self.session.move(self.world.supply(delta=self.delta))

    # -- the network --------------------------------------------------------------------------------

    @rule()
    def serve(self) -> None:
        """The server takes one request."""
        if self.to_server:
            raw, refused = self.to_server.popleft()
            request = decode_delta(raw) if self.delta else decode_sotw(raw)
            self.session.receive(request, self.now)
            self.refused[request.type_url] |= refused

    @rule()
    def push(self) -> None:
        """The server writes one response."""
        sent = self.session.next_response(self.now)
        if sent is not None:
            again = self.refused[sent.response.type_url].intersection(r.body for r in sent.response.resources)
            assert not again, "refused bytes were sent again"
            self.to_client.append(sent.response.payload)

    @rule()
    def deliver(self) -> None:
        """The client reads one response and answers it."""
        if self.to_client:
            self.apply(decoded(self.to_client.popleft(), delta=self.delta))

    @rule(rounds=st.integers(2, 8))
    def exchange(self, rounds: int) -> None:
        """Everybody does their part for a while."""
        for _ in range(rounds):
            self.push()
            self.deliver()
            self.serve()

    @rule(seconds=st.sampled_from((0.5, 6.0)))
    def wait(self, seconds: float) -> None:
        at = self.session.wake_at(self.now)
        self.now += seconds
        if at is not None and at <= self.now:
            self.session.expire()

    @invariant()
    def never_owes_unknown_types(self) -> None:
        assert {lane.type_url for lane in self.session.lanes()} <= set(TRAITS)

    # -- the client -----------------------------------------------------------------------------------

    def apply(self, answer: Answer) -> None:
        raise NotImplementedError

    def complaint(self, answer: Answer, bad: list[str]) -> tuple[str, set[bytes]]:
        """What the client says about bad resources, and which bytes the server must know to be bad then."""
        if self.names_culprit:
            return f"Error adding/updating cluster(s) {bad[0]}: no good", {answer.resources[bad[0]]}
        return "something is no good", {answer.resources[bad[0]]} if len(answer.resources) == 1 else set()

    # -- the end ----------------------------------------------------------------------------------------

    def teardown(self) -> None:
        for _ in range(400):
            if not self._step():
                break
        else:
            raise AssertionError("the conversation does not end")
        self.now += 6
        self.session.expire()
        while self._step():
            pass
        for type_url, held in self.held.items():
            if type_url in self.opened:
                self._check(type_url, held)

    def _step(self) -> bool:
        self.push()
        busy = bool(self.to_client or self.to_server)
        self.deliver()
        self.serve()
        return busy

    def _check(self, type_url: TypeUrl, held: Held) -> None:
        wanted = {n: r for n, r in self.world.resources(type_url).items() if held.wants(n)}
        for name, resource in wanted.items():
            if is_bad(resource.body):
                assert not is_bad(held.resources.get(name, b"")), "a refused resource is in force"
            else:
                assert held.resources.get(name) == resource.body, f"{name} is out of date"
        self._check_gone(type_url, held, wanted)

    def _check_gone(self, type_url: TypeUrl, held: Held, wanted: dict[str, Resource]) -> None:
        raise NotImplementedError


class SotwMachine(Machine):
    """A state-of-the-world client."""

    delta = False

    @rule(type_url=types, some=name_sets, star=st.booleans())
    def subscribe(self, type_url: TypeUrl, some: set[str], *, star: bool) -> None:
        """The client asks for other names than before; an empty list means what the protocol says it means."""
        held = self.held.setdefault(type_url, Held())
        full = TRAITS[type_url].full_state
        first = type_url not in self.opened
        held.legacy = not some and not star and full and (first or held.legacy)
        held.wildcard = star or held.legacy
        if first:
            held.nonce = ""
        held.names = set(some)
        held.resources = {n: b for n, b in held.resources.items() if held.wants(n)}
        self.opened.add(type_url)
        self.send(held, type_url)

    @rule()
    def reconnect(self) -> None:
        """The stream breaks; the client keeps what it has and asks again on a new one."""
        self._connect()
        for type_url, held in self.held.items():
            if held.wildcard or held.names:
                self.opened.add(type_url)
                # Nonces do not survive streams, but some clients send them all the same.
                self.send(held, type_url)

    def send(self, held: Held, type_url: TypeUrl, error: str | None = None, refused: set[bytes] | None = None) -> None:
        request = discovery.DiscoveryRequest(
            type_url=type_url,
            resource_names=sorted(held.names) + (["*"] if held.wildcard and not held.legacy else []),
            response_nonce=held.nonce,
            error_detail=Status(message=error) if error is not None else None,
        )
        self.to_server.append((bytes(request), refused or set()))

    def apply(self, answer: Answer) -> None:
        held = self.held[answer.type_url]
        held.nonce = answer.nonce
        bad = [name for name, body in sorted(answer.resources.items()) if is_bad(body) and held.wants(name)]
        if bad:
            self.send(held, answer.type_url, *self.complaint(answer, bad))
            return
        wanted = {name: body for name, body in answer.resources.items() if held.wants(name)}
        if TRAITS[answer.type_url].full_state:
            held.resources = wanted
        else:
            held.resources |= wanted
        self.send(held, answer.type_url)

    def _check_gone(self, type_url: TypeUrl, held: Held, wanted: dict[str, Resource]) -> None:
        if TRAITS[type_url].full_state and (held.wildcard or held.names):
            assert held.resources.keys() <= wanted.keys()


class DeltaMachine(Machine):
    """A delta client."""

    delta = True

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[TypeUrl, dict[str, str]] = {}

    @rule(type_url=types, some=name_sets, star=st.booleans())
    def subscribe(self, type_url: TypeUrl, some: set[str], *, star: bool) -> None:
        held = self.held.setdefault(type_url, Held())
        first = type_url not in self.opened
        listed = sorted(some) + (["*"] if star else [])
        if star or (first and not listed and TRAITS[type_url].wildcard):
            held.wildcard = True
        held.names |= some
        self.opened.add(type_url)
        self._edit(type_url, listed, [])

    @precondition(lambda self: self.opened)
    @rule(type_url=types, some=name_sets, star=st.booleans())
    def unsubscribe(self, type_url: TypeUrl, some: set[str], *, star: bool) -> None:
        if type_url in self.opened and (some or star):
            held = self.held[type_url]
            held.names -= some
            held.wildcard = held.wildcard and not star
            held.resources = {n: b for n, b in held.resources.items() if held.wants(n)}
            self._edit(type_url, [], sorted(some) + (["*"] if star else []))

    @rule(keeps=st.booleans())
    def reconnect(self, *, keeps: bool) -> None:
        """The stream breaks; the client tells which versions it still has, or comes back with nothing."""
        self._connect()
        for type_url, held in self.held.items():
            if not keeps:
                held.resources.clear()
            if not held.wildcard and not held.names:
                # To ask for nothing would mean to ask for everything.
                continue
            self.opened.add(type_url)
            listed = sorted(held.names) + (["*"] if held.wildcard else [])
            known = self.versions.get(type_url, {})
            self._edit(type_url, listed, [], {n: known[n] for n in held.resources})

    def _edit(
        self, type_url: TypeUrl, subscribe: list[str], unsubscribe: list[str], known: dict[str, str] | None = None
    ) -> None:
        request = discovery.DeltaDiscoveryRequest(
            type_url=type_url,
            resource_names_subscribe=subscribe,
            resource_names_unsubscribe=unsubscribe,
            initial_resource_versions=known or {},
        )
        self.to_server.append((bytes(request), set()))

    def apply(self, answer: Answer) -> None:
        held = self.held[answer.type_url]
        bad = [name for name, body in sorted(answer.resources.items()) if is_bad(body) and held.wants(name)]
        error, refused = None, set[bytes]()
        if bad:
            reason, refused = self.complaint(answer, bad)
            error = Status(message=reason)
        else:
            for name, body in answer.resources.items():
                if held.wants(name):
                    held.resources[name] = body
                    self.versions.setdefault(answer.type_url, {})[name] = answer.versions[name]
            for name in answer.removed:
                held.resources.pop(name, None)
        request = discovery.DeltaDiscoveryRequest(
            type_url=answer.type_url, response_nonce=answer.nonce, error_detail=error
        )
        self.to_server.append((bytes(request), refused))

    def _check_gone(self, type_url: TypeUrl, held: Held, wanted: dict[str, Resource]) -> None:
        assert held.resources.keys() <= wanted.keys()


TestSotw = SotwMachine.TestCase
TestSotw.settings = settings(stateful_step_count=40)
TestDelta = DeltaMachine.TestCase
TestDelta.settings = settings(stateful_step_count=40)
