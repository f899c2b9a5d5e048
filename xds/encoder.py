"""Responses: joined and encoded once, then written to every stream that needs the same one.

A response carries its nonce, so equal responses to different streams are the same bytes object. Nonces
come from one counter of the server; a stream that already got the response takes a fresh copy.
"""

import copy
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from io import BytesIO
from itertools import chain, islice
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec
import xxhash

from xds import wire
from xds.keepsakes import Keepsakes
from xds.ledger import Holding, Ledger, Pools
from xds.resource import Resource
from xds.room import make_room
from xds.steps import Selection, Steps
from xds.types import TypeUrl

# Bytes: smaller ones are made again as quickly as they are found. Of the others a server keeps so much at the most.
_WORTH_KEEPING: Final = 4096
_MOST_KEPT: Final = 32 << 20
# So many resources, and so many bytes, are encoded at a stretch.
_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 256 << 10
_ENCODED: Final = object()
# Of thousands of resources; both run in C.
_NAME: Final = attrgetter("name")
_BODY: Final = attrgetter("body")


class Label(msgspec.Struct, frozen=True):
    """What there is to tell of a response. It does not keep the bytes alive, of which there were ``size``."""

    type_url: TypeUrl
    version: str
    nonce: str
    names: tuple[str, ...]
    removed: tuple[str, ...]
    size: int


class Response:
    """A response; shared between streams, alive for as long as one of them waits for its ACK.

    ``serial`` grows with every response of the server; ``nonce`` is its text. One that brings very many resources, or
    large ones, is encoded in steps, by whoever of its streams has a turn.
    """

    def __init__(self, content: "Content", serial: int, resources: list[Resource], removed: tuple[str, ...]) -> None:
        self.content = content
        self.type_url = content.type_url
        self.version = content.version
        self.serial = serial
        self.nonce = f"{serial:x}"
        self.resources = resources
        self.removed = removed
        self.holding = Holding()
        # What clients hold when they have accepted it, by the identity of what they held before, which is kept with it.
        self._outcomes: dict[int, tuple[Ledger, Ledger]] = {}
        self._payload = b""
        self._encoding: Iterator[None] | None = self._encode()

    @property
    def payload(self) -> bytes:
        """The bytes; what is not encoded yet is then."""
        self.encode()
        return self._payload

    @property
    def is_encoded(self) -> bool:
        """Nothing is left to encode."""
        return self._encoding is None

    def encode(self, is_due: Callable[[], bool] = lambda: False) -> bool:
        """Go on encoding until ``is_due``; returns whether nothing is left to do."""
        while self._encoding is not None:
            if next(self._encoding, _ENCODED) is _ENCODED:
                self._encoding = None
            elif is_due():
                return False
        return True

    @cached_property
    def label(self) -> Label:
        """What observers are told of it."""
        names = tuple(map(_NAME, self.resources))
        return Label(self.type_url, self.version, self.nonce, names, self.removed, len(self.payload))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all resources in the response, removed ones excluded."""
        return self.label.names

    def brings(self, resources: list[Resource], removed: tuple[str, ...]) -> bool:
        """Whether it brings exactly these, and removes those."""
        # Lists compare elements by identity first: this is one pass in C and ends at the first difference.
        return (self.resources is resources or self.resources == resources) and self.removed == removed

    def accepted(self, held: Ledger, pools: Pools, *, in_full: bool = False) -> Ledger:
        """What a client holds that held this and accepts the response; found once for all clients that held the same.

        ``in_full``: nothing but what the response brings.
        """
        known = self._outcomes.get(id(held))
        if known is not None:
            return known[1]
        if in_full or held.is_covered(self.holding):
            after = pools.ledger(self.holding)
        else:
            after = held.altered({**self.holding, **dict.fromkeys(self.removed)}, pools)
        self._outcomes[id(held)] = held, after
        return after

    def without_payload(self) -> "Response":
        """A copy for those who still wait for the ACK when nobody writes it any more."""
        made = copy.copy(self)
        made._payload, made._encoding = b"", None  # noqa: SLF001 - of its own class
        return made

    def _encode(self) -> Iterator[None]:
        stamp = (self.type_url, self.version, self.nonce)
        if self.content.delta:
            pieces = wire.delta_pieces(stamp, self.resources, self.removed)
        else:
            pieces = wire.sotw_pieces(stamp, self.resources)
        parts: list[bytes] = []
        while some := tuple(islice(pieces, _AT_ONCE)):
            parts += chain.from_iterable(some)
            yield
        size = sum(map(len, parts))
        if size <= _BYTES_AT_ONCE:
            self._payload = b"".join(parts)
            return
        yield from make_room(size)
        joined = BytesIO()
        # At once as large as it will be: to grow may mean to be copied.
        joined.seek(size - 1)
        joined.write(b"\0")
        joined.seek(0)
        for part in _portions(parts):
            joined.write(part)
            yield
        # Without another copy: these are the bytes that were written to.
        self._payload = joined.getvalue()
        # For the one that is made when it is written.
        yield from make_room(size)


def _portions(parts: list[bytes]) -> Iterator[bytes | memoryview]:
    """The bytes of all parts, about as many at a time as can be copied at a stretch."""
    for start in range(0, len(parts), _AT_ONCE):
        some = parts[start : start + _AT_ONCE]
        if sum(map(len, some)) <= _BYTES_AT_ONCE:
            yield b"".join(some)
        else:
            for part in some:
                for at in range(0, len(part), _BYTES_AT_ONCE):
                    yield memoryview(part)[at : at + _BYTES_AT_ONCE]


class Content(NamedTuple):
    """What a response brings, as far as a name for it goes: equal contents have equal names, others hardly ever."""

    type_url: TypeUrl
    version: str
    delta: bool


class Library:
    """All responses of one server that are alive, by their content: Views that differ in some types share others.

    While ``kept`` is open, large first ones stay alive although nobody waits for their ACK any more.
    """

    def __init__(self) -> None:
        self.kept: Keepsakes[Content, Response] = Keepsakes(_MOST_KEPT)
        self._serials = itertools.count(1)
        self._alive: weakref.WeakValueDictionary[Content, Response] = weakref.WeakValueDictionary()

    def find(self, content: Content) -> Response | None:
        """The newest living response of this content."""
        return self._alive.get(content)

    def add(self, response: Response) -> None:
        """A response was made."""
        self._alive[response.content] = response

    def keep(self, response: Response) -> None:
        """Others may need a response that is just sent to somebody."""
        if not self.kept.is_open:
            return
        resources = response.resources
        # Of very many about: to look at each takes milliseconds.
        size = _size(resources[:_AT_ONCE]) * max(len(resources), _AT_ONCE) // _AT_ONCE
        if size >= _WORTH_KEEPING:
            self.kept.keep(response.content, response, size)

    def next_serial(self) -> int:
        """For a new response."""
        return next(self._serials)


class Encoder:
    """Makes the responses for the streams of one View.

    Streams that ask for the same resources while others still hold the response share it.
    """

    def __init__(self, library: Library, pools: Pools, *, delta: bool) -> None:
        self._library = library
        self._pools = pools
        self._delta = delta
        self.steps = Steps()

    def forget(self) -> None:
        """The View has changed: what was selected from it is not asked for any more."""
        self.steps.forget()

    def selected(self, type_url: TypeUrl, selection: Selection, after: int) -> Response:
        """As ``response``, with what was selected: found at once for all streams but the first that need it."""
        made = selection.response
        found = made() if made is not None else None
        if found is None or found.serial <= after:
            found = self.response(type_url, selection.resources, selection.removed, after=after, whole=selection.whole)
            selection.response = weakref.ref(found)
        elif not after:
            self._library.keep(found)
        return found

    def response(
        self,
        type_url: TypeUrl,
        resources: list[Resource],
        removed: tuple[str, ...] = (),
        *,
        after: int = 0,
        whole: Holding | None = None,
    ) -> Response:
        """A response with exactly these resources and a nonce that no response up to serial ``after`` has.

        ``whole`` are the same by name, where that is known without going through them.
        """
        version = version_of(resources, removed) if whole is None else f"{whole.digest:016x}"
        content = Content(type_url, version, self._delta)
        found = self._library.find(content)
        if found is None or found.serial <= after or not found.brings(resources, removed):
            found = Response(content, self._library.next_serial(), resources, removed)
            holding = Holding({each.name: each for each in resources}) if whole is None else whole
            found.holding = self._pools.holdings.shared(holding)
            if len(resources) <= _AT_ONCE and _size(resources) <= _BYTES_AT_ONCE:
                found.encode()
            self._library.add(found)
        if not after:
            # The first of its stream: whoever comes next begins in the same way.
            self._library.keep(found)
        return found


def _size(resources: Iterable[Resource]) -> int:
    return sum(map(len, map(_BODY, resources)))


def version_of(resources: Sequence[Resource], removed: Sequence[str] = ()) -> str:
    """The version of a response: that of its resources when they agree, else a hash over all of them.

    It changes when content changes, is the same on every replica and after every restart, and is the
    snapshot's own version where one was given to all of its resources.
    """
    versions = [resource.version for resource in resources]
    if versions and not removed and versions.count(versions[0]) == len(versions):
        return versions[0]
    return xxhash.xxh3_64_hexdigest("\0".join((*versions, *removed)).encode())
