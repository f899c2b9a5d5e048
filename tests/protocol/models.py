"""Clients as the protocol describes them, for tests: they speak to a Session by messages and know nothing of it.

Requests go to the session as bytes and responses are decoded from bytes, so that the whole path from the
wire to the wire is under test. The decoder is the one of ``envoy-data-plane``, which shares no code with
what encoded them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import envoy_data_plane.envoy.service.discovery.v3 as discovery
from envoy_data_plane.google.rpc import Status

from xds.encoder import Encoder, Library
from xds.exchange import Sent, Supply
from xds.last_good import LastGood
from xds.resource import Reference, Resource
from xds.session import Received, Session, SessionRules
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, TypeUrl
from xds.view import Catalogue, ViewChange
from xds.wire import decode_delta, decode_sotw


def made(type_url: TypeUrl, name: str, content: object = 1, needs: Iterable[tuple[TypeUrl, str]] = ()) -> Resource:
    """A resource whose bytes tell its name and content; the protocol layer does not look inside."""
    return Resource(type_url, name, f"{name}={content}".encode(), tuple(Reference(*need) for need in needs))


class World:
    """A View whose resources a test changes, and the sessions that are served from it."""

    def __init__(self) -> None:
        self.content: dict[TypeUrl, Catalogue] = {}
        self.stand_ins: dict[TypeUrl, Callable[[str], Resource]] = {}
        self.rules = SessionRules.default()
        library = Library()
        self.encoders = {delta: Encoder(library, self.rules.pools, delta=delta) for delta in (False, True)}
        self.sessions: list[Session] = []
        self.last_good = LastGood()

    def resources(self, type_url: TypeUrl) -> Mapping[str, Resource]:
        return self.content.get(type_url, {})

    def fallback(self, type_url: TypeUrl, name: str) -> Resource | None:
        make = self.stand_ins.get(type_url)
        return make(name) if make is not None else None

    def supply(self, *, delta: bool) -> Supply:
        """What sessions are served from."""
        return Supply(self, self.encoders[delta], self.last_good, "world")

    def session(self, *, delta: bool) -> Session:
        """A new stream."""
        session = Session(self.supply(delta=delta), self.rules, delta=delta)
        self.sessions.append(session)
        return session

    def put(self, *resources: Resource, cause: object = None) -> None:
        """Add or replace resources and tell the sessions."""
        self.change(resources, (), cause)

    def drop(self, type_url: TypeUrl, *names: str, cause: object = None) -> None:
        """Remove resources and tell the sessions."""
        self.change((), ((type_url, name) for name in names), cause)

    def change(
        self, added: Iterable[Resource], removed: Iterable[tuple[TypeUrl, str]], cause: object = None
    ) -> ViewChange:
        """Add, replace and remove in one push."""
        change: dict[TypeUrl, set[str]] = {}
        for resource in added:
            catalogue = self.content.setdefault(resource.type_url, Catalogue())
            replaced = catalogue.get(resource.name)
            catalogue.digest += resource.digest - (0 if replaced is None else replaced.digest)
            catalogue[resource.name] = resource
            change.setdefault(resource.type_url, set()).add(resource.name)
        for type_url, name in removed:
            catalogue = self.content.setdefault(type_url, Catalogue())
            gone = catalogue.pop(name, None)
            if gone is not None:
                catalogue.digest -= gone.digest
                change.setdefault(type_url, set()).add(name)
        for encoder in self.encoders.values():
            encoder.forget()
        for session in self.sessions:
            session.mark(change, cause)
        return change


@dataclass
class Answer:
    """A decoded response."""

    type_url: TypeUrl
    nonce: str
    version: str
    resources: dict[str, bytes]
    versions: dict[str, str]
    removed: list[str]

    @property
    def names(self) -> list[str]:
        return sorted(self.resources)


def decoded(payload: bytes, *, delta: bool) -> Answer:
    """Decode a response with the independent reader; a resource that comes twice in one response is an error."""
    return _decoded_delta(payload) if delta else _decoded_sotw(payload)


def _decoded_sotw(payload: bytes) -> Answer:
    message = discovery.DiscoveryResponse.parse(payload)
    resources = {item.value.partition(b"=")[0].decode(): item.value for item in message.resources}
    assert len(resources) == len(message.resources), "a name must not come twice in one response"
    return Answer(TypeUrl(message.type_url), message.nonce, message.version_info, resources, {}, [])


def _decoded_delta(payload: bytes) -> Answer:
    message = discovery.DeltaDiscoveryResponse.parse(payload)
    resources = {item.name: item.resource.value for item in message.resources if item.resource is not None}
    assert len(resources) == len(message.resources), "a name must not come twice in one response"
    assert not resources.keys() & set(message.removed_resources)
    versions = {item.name: item.version for item in message.resources}
    removed = list(message.removed_resources)
    return Answer(TypeUrl(message.type_url), message.nonce, message.system_version_info, resources, versions, removed)


@dataclass
class Talk:
    """A hand-driven conversation with one session, for table tests."""

    world: World
    delta: bool
    now: float = 0.0
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = self.world.session(delta=self.delta)

    def ask(
        self, type_url: TypeUrl, names: Iterable[str] = (), *, nonce: str = "", error: str | None = None
    ) -> Received:
        """A state-of-the-world request."""
        request = discovery.DiscoveryRequest(
            type_url=type_url,
            resource_names=list(names),
            response_nonce=nonce,
            error_detail=Status(message=error) if error is not None else None,
        )
        return self.session.receive(decode_sotw(bytes(request)), self.now)

    def edit(
        self,
        type_url: TypeUrl,
        subscribe: Iterable[str] = (),
        unsubscribe: Iterable[str] = (),
        *,
        nonce: str = "",
        error: str | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Received:
        """A delta request."""
        request = discovery.DeltaDiscoveryRequest(
            type_url=type_url,
            resource_names_subscribe=list(subscribe),
            resource_names_unsubscribe=list(unsubscribe),
            response_nonce=nonce,
            error_detail=Status(message=error) if error is not None else None,
            initial_resource_versions=dict(versions or {}),
        )
        return self.session.receive(decode_delta(bytes(request)), self.now)

    def take(self) -> Sent | None:
        """The next response, undecoded."""
        return self.session.next_response(self.now)

    def hear(self) -> Answer | None:
        """The next response, None for silence."""
        sent = self.take()
        return decoded(sent.response.payload, delta=self.delta) if sent is not None else None

    def listen(self, type_url: TypeUrl) -> Answer:
        """The next response, which must be of this type."""
        answer = self.hear()
        assert answer is not None, "silence"
        assert answer.type_url == type_url
        return answer

    def ack(self, answer: Answer, names: Iterable[str] = ()) -> Received:
        """Accept a response; state-of-the-world lists the names with it."""
        if self.delta:
            return self.edit(answer.type_url, nonce=answer.nonce)
        return self.ask(answer.type_url, names, nonce=answer.nonce)

    def nack(self, answer: Answer, error: str, names: Iterable[str] = ()) -> Received:
        """Refuse a response."""
        if self.delta:
            return self.edit(answer.type_url, nonce=answer.nonce, error=error)
        return self.ask(answer.type_url, names, nonce=answer.nonce, error=error)

    def quiet(self) -> bool:
        """Nothing is due."""
        return self.hear() is None

    def settle(self, names: Mapping[TypeUrl, Iterable[str]] | None = None) -> list[Answer]:
        """Accept everything that is due until there is silence; returns what came."""
        heard = []
        while (answer := self.hear()) is not None:
            heard.append(answer)
            self.ack(answer, (names or {}).get(answer.type_url, ()))
            assert len(heard) < 100, "the conversation does not end"
        return heard


def chain(service: str, *, cluster: object = 1, endpoints: object = 1) -> tuple[Resource, Resource]:
    """A cluster and its endpoints."""
    return made(CLUSTER, service, cluster, [(ENDPOINT, service)]), made(ENDPOINT, service, endpoints)


def routing(*services: str, content: object = 1) -> tuple[Resource, Resource]:
    """A listener with a route table that leads to these services' clusters."""
    return (
        made(LISTENER, "web", 1, [(ROUTE, "web")]),
        made(ROUTE, "web", f"{content}:{','.join(services)}", [(CLUSTER, service) for service in services]),
    )
